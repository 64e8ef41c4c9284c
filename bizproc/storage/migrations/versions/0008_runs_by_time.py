"""Runs in the order in which they came: all, a portal's, an activity's, and those that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FAILED = sa.text("outcome IN ('failed', 'dead')")


def upgrade() -> None:
    op.create_index("ix_runs_received_at", "runs", ["received_at"])
    op.create_index("ix_runs_installation_id_received_at", "runs", ["installation_id", "received_at"])
    op.create_index("ix_runs_installation_id_code_received_at", "runs", ["installation_id", "code", "received_at"])
    op.create_index("ix_runs_code_received_at", "runs", ["code", "received_at"])
    op.create_index(
        "ix_runs_outcome_received_at",
        "runs",
        ["outcome", "received_at"],
        sqlite_where=FAILED,
        postgresql_where=FAILED,
    )


def downgrade() -> None:
    for columns in ("outcome", "code", "installation_id_code", "installation_id"):
        op.drop_index(f"ix_runs_{columns}_received_at", "runs")
    op.drop_index("ix_runs_received_at", "runs")
