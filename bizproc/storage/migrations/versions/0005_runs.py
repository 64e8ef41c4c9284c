"""Tries, deadlines and checkpoints of runs, and which answers are on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("runs", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("workflow_hash", sa.LargeBinary))
    op.add_column("runs", sa.Column("sending", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_runs_installation_id_workflow_hash", "runs", ["installation_id", "workflow_hash"])
    op.create_table(
        "checkpoints",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
        sa.UniqueConstraint("run_id", "name", name="uq_checkpoints_run_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name="fk_checkpoints_run_id"),
    )


def downgrade() -> None:
    op.drop_table("checkpoints")
    op.drop_index("ix_runs_installation_id_workflow_hash", "runs")
    for column in ("sending", "workflow_hash", "attempts"):
        op.drop_column("runs", column)
