"""Installations, registrations, runs and counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "installations",
        sa.Column("id", ID, nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("client_endpoint", sa.String(1000), nullable=False),
        sa.Column("server_endpoint", sa.String(1000), nullable=False),
        sa.Column("edition", sa.String(8), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("app_host", sa.String(255), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("access_token", sa.LargeBinary),
        sa.Column("refresh_token", sa.LargeBinary),
        sa.Column("token_expires_at", MOMENT),
        sa.Column("application_token_hash", sa.LargeBinary),
        sa.Column("payment_expired", sa.Boolean, nullable=False),
        sa.Column("installed_at", MOMENT, nullable=False),
        sa.Column("uninstalled_at", MOMENT),
        sa.Column("register_due_at", MOMENT),
        sa.Column("register_attempts", sa.Integer, nullable=False),
        sa.Column("register_error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_installations"),
        sa.UniqueConstraint("member_id", name="uq_installations_member_id"),
    )
    op.create_index("ix_installations_register_due_at", "installations", ["register_due_at"])
    op.create_table(
        "registrations",
        sa.Column("id", ID, nullable=False),
        sa.Column("installation_id", ID, nullable=False),
        sa.Column("code", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registrations"),
        sa.UniqueConstraint("installation_id", "code", name="uq_registrations_installation_id"),
        _of_installation("registrations"),
    )
    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("installation_id", ID, nullable=False),
        sa.Column("event_hash", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.String(255), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("error", sa.Text),
        sa.Column("result", sa.LargeBinary),
        sa.Column("trace", sa.LargeBinary),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("handed_at", MOMENT, nullable=False),
        sa.Column("claim", sa.Integer, nullable=False),
        sa.Column("answer_attempts", sa.Integer, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("installation_id", "event_hash", name="uq_runs_installation_id"),
        _of_installation("runs"),
    )
    op.create_index("ix_runs_state_due_at", "runs", ["state", "due_at"])
    op.create_table(
        "counters",
        sa.Column("installation_id", ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("installation_id", "name", name="pk_counters"),
        _of_installation("counters"),
    )
    op.create_table(
        "counter_numbers",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_counter_numbers"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name="fk_counter_numbers_run_id"),
    )


def _of_installation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["installation_id"], ["installations.id"], ondelete="CASCADE", name=f"fk_{table}_installation_id"
    )


def downgrade() -> None:
    for table in ("counter_numbers", "counters", "runs", "registrations", "installations"):
        op.drop_table(table)
