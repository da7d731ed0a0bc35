"""The tables of what FHIR servers tell of changes (see schema.py for what holds of all tables)."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)


def add_tables(metadata: MetaData) -> None:
    """Add them."""
    hint = Table(
        "push_hint",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("source", Text, nullable=False),
        Column("blind", LargeBinary, nullable=False),
        Column("heard_us", BigInteger, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        Column("tries", SmallInteger, nullable=False),
        Column("key_id", LargeBinary),
        Column("sealed", LargeBinary),
        UniqueConstraint("source", "blind"),
        sqlite_autoincrement=True,
    )
    Index("ix_push_hint_due", hint.c.source, hint.c.due_us)
    Table(
        "subscription",
        metadata,
        Column("source", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("heard_us", BigInteger),
        Column("looked_us", BigInteger),
        Column("server_id", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("highest", BigInteger),
        Column("missing", Text, nullable=False),
        Column("missing_us", BigInteger),
        Column("alarm", Text, nullable=False),
    )
