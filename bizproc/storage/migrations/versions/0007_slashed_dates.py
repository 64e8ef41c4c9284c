"""What slashes in a portal's dates mean."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installations", sa.Column("slashed_dates", sa.String(8)))


def downgrade() -> None:
    op.drop_column("installations", "slashed_dates")
