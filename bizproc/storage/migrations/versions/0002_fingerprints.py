"""What each portal last accepted of each definition, and who is applying a plan there."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payloads",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_payloads"),
    )
    with op.batch_alter_table("registrations") as registrations:
        registrations.add_column(sa.Column("prefix", sa.String(64), nullable=False, server_default=""))
        registrations.add_column(sa.Column("fingerprint", sa.String(64)))
        registrations.create_foreign_key("fk_registrations_fingerprint", "payloads", ["fingerprint"], ["fingerprint"])
    # Never in a batch: SQLite would make the table anew, and dropping the old one takes everything with it that refers
    # to it.
    op.add_column("installations", sa.Column("apply_until", sa.DateTime(timezone=True)))
    op.add_column("installations", sa.Column("confirmed_host", sa.String(255)))
    op.add_column("installations", sa.Column("apply_claim", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("installations", "apply_claim")
    op.drop_column("installations", "confirmed_host")
    op.drop_column("installations", "apply_until")
    with op.batch_alter_table("registrations") as registrations:
        registrations.drop_constraint("fk_registrations_fingerprint", type_="foreignkey")
        registrations.drop_column("fingerprint")
        registrations.drop_column("prefix")
    op.drop_table("payloads")
