"""The tables of what is known of FHIR resources beside what they say (see schema.py for what holds of all tables)."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text


def add_tables(metadata: MetaData) -> None:
    """Add them."""
    Table(
        "fhir_deletion",
        metadata,
        Column("blind", LargeBinary, primary_key=True),
        Column("clock_us", BigInteger, nullable=False),
        Column("message_id", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    placed = Table(
        "fhir_resource",
        metadata,
        Column("blind", LargeBinary, primary_key=True),
        Column("assertion_id", BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    Index("ix_fhir_resource_assertion", placed.c.assertion_id)
    number = BigInteger().with_variant(Integer, "sqlite")
    Table("verdict_due", metadata, Column("assertion_id", number, primary_key=True, autoincrement=False))
    Table(
        "verdict",
        metadata,
        Column("assertion_id", BigInteger, primary_key=True, autoincrement=False),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("type", Text, nullable=False),
        Column("rule", Text, nullable=False),
        Column("key_id", LargeBinary, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
