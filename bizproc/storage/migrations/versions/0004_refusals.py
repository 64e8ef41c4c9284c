"""What each portal refused, so that it is not sent again unchanged."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registrations", sa.Column("refused_fingerprint", sa.String(64)))


def downgrade() -> None:
    # There a fingerprint means that the portal holds it.
    op.execute("UPDATE registrations SET fingerprint = NULL WHERE action IN ('sending', 'refused')")
    op.drop_column("registrations", "refused_fingerprint")
