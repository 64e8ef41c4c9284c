"""Who renews the tokens, who has to open the app, what happened to installations, and the database's own keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("installations", sa.Column("refresh_until", MOMENT))
    op.add_column("installations", sa.Column("refresh_claim", sa.Integer, nullable=False, server_default="0"))
    op.add_column("installations", sa.Column("person_needed_since", MOMENT))
    op.add_column("installations", sa.Column("person_needed_why", sa.Text))
    op.create_table(
        "installation_history",
        sa.Column("id", ID, nullable=False),
        sa.Column("installation_id", ID, nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("application_token_hash", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_installation_history"),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installations.id"],
            ondelete="CASCADE",
            name="fk_installation_history_installation_id",
        ),
    )
    op.create_index("ix_installation_history_installation_id", "installation_history", ["installation_id"])
    op.create_table(
        "data_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_data_keys"),
    )


def downgrade() -> None:
    op.drop_table("data_keys")
    op.drop_table("installation_history")
    for column in ("person_needed_why", "person_needed_since", "refresh_claim", "refresh_until"):
        op.drop_column("installations", column)
