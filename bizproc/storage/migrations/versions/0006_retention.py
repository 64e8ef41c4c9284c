"""Since when each run is closed, and the chores that one process of all does."""

import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CLOSED = sa.text("state = 'closed'")


def upgrade() -> None:
    op.add_column("runs", sa.Column("changed_at", MOMENT))
    op.execute("UPDATE runs SET changed_at = COALESCE(answered_at, finished_at, received_at)")
    op.create_index(
        "ix_runs_outcome_changed_at",
        "runs",
        ["outcome", "changed_at"],
        sqlite_where=CLOSED,
        postgresql_where=CLOSED,
    )
    chores = op.create_table(
        "chores",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chores"),
    )
    op.bulk_insert(chores, [{"name": "retention", "due_at": dt.datetime.now(dt.UTC)}])


def downgrade() -> None:
    op.drop_table("chores")
    op.drop_index("ix_runs_outcome_changed_at", "runs")
    op.drop_column("runs", "changed_at")
