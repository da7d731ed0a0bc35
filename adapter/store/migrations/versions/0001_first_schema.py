"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: sa.TextClause) -> dict[str, Any]:
    return {"sqlite_where": condition, "postgresql_where": condition}


def upgrade() -> None:
    """Create every table; the queue is a table on PostgreSQL only."""
    if op.get_bind().dialect.name == "postgresql":
        _queue()
    _messages()
    _registry()
    _assertions()
    _rows()
    _small_tables()


def _queue() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("control", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
    )


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("control", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stampless", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
    )
    op.create_index("ix_message_control", "message", ["control"], unique=False)
    op.create_index(
        "ix_message_expires", "message", ["expires_us"], unique=False, **_where(sa.text("state = 'not_ours'"))
    )
    op.create_index("ix_message_key", "message", ["key_id"], unique=False)
    op.create_index(
        "ix_message_state",
        "message",
        ["state"],
        unique=False,
        **_where(sa.text("state IN ('received', 'not_ours', 'parked')")),
    )
    op.create_index("ix_message_subject", "message", ["subject"], unique=False, **_where(sa.text("state = 'not_ours'")))
    op.create_table(
        "attempt",
        sa.Column("message_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_attempt"),
    )
    op.create_table(
        "folder_file",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "blind", name="pk_folder_file"),
    )


def _registry() -> None:
    op.create_table(
        "person",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Text(), nullable=False),
        sa.Column("csor_id", sa.LargeBinary(), nullable=True),
        sa.Column("published", sa.SmallInteger(), nullable=False),
        sa.Column("hold_until_us", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_person_hold", "person", ["hold_until_us"], unique=False, **_where(sa.text("state = 'held'")))
    op.create_table(
        "identifier",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("nhs_blind", sa.LargeBinary(), nullable=True),
        sa.Column("hold_until_us", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_identifier_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identifier"),
        sa.UniqueConstraint("blind", name="uq_identifier_blind"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_identifier_nhs", "identifier", ["nhs_blind"], unique=False, **_where(sa.text("nhs_blind IS NOT NULL"))
    )
    op.create_index("ix_identifier_person", "identifier", ["person_id"], unique=False)
    op.create_table(
        "merge_event",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("survivor_id", sa.BigInteger(), nullable=False),
        sa.Column("prior_id", sa.BigInteger(), nullable=False),
        sa.Column("clock_us", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["prior_id"], ["identifier.id"], name="fk_merge_event_prior_id"),
        sa.ForeignKeyConstraint(["survivor_id"], ["identifier.id"], name="fk_merge_event_survivor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_merge_event"),
        sa.UniqueConstraint("survivor_id", "prior_id", "clock_us", "live", name="uq_merge_event_survivor_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_merge_event_prior", "merge_event", ["prior_id"], unique=False)


def _assertions() -> None:
    op.create_table(
        "assertion",
        sa.Column("id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("identifier_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("clock_us", sa.BigInteger(), nullable=False),
        sa.Column("stampless", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["identifier_id"], ["identifier.id"], name="fk_assertion_identifier_id"),
        sa.PrimaryKeyConstraint("id", name="pk_assertion"),
        sa.UniqueConstraint("stampless", name="uq_assertion_stampless"),
    )
    op.create_index("ix_assertion_identifier", "assertion", ["identifier_id", "kind"], unique=False)
    op.create_table(
        "dirty",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("assertion_id", sa.BigInteger(), nullable=False),
        sa.Column("marked_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "assertion_id", name="pk_dirty"),
        sqlite_with_rowid=False,
    )


def _rows() -> None:
    op.create_table(
        "csor_row",
        sa.Column("record_id", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sent_version", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name="pk_csor_row"),
    )
    op.create_index("ix_csor_row_person", "csor_row", ["person_id", "kind"], unique=False)
    op.create_index(
        "ix_csor_row_unsent", "csor_row", ["person_id"], unique=False, **_where(sa.text("version <> sent_version"))
    )
    op.create_table(
        "delivery",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.LargeBinary(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_delivery_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("idempotency_key", name="uq_delivery_idempotency_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_due", "delivery", ["next_us"], unique=False, **_where(sa.text("state <> 'accepted'")))
    op.create_index(
        "ix_delivery_open", "delivery", ["person_id"], unique=False, **_where(sa.text("state <> 'accepted'"))
    )


def _small_tables() -> None:
    op.create_table(
        "cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cursor"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "pending_key",
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_pending_key"),
    )
