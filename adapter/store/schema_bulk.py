"""The tables of bulk exports (see schema.py for what holds of all tables)."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, SmallInteger, Table, Text


def add_tables(metadata: MetaData) -> None:
    """Add them."""
    _add_exports(metadata)
    _add_memory(metadata)


def _add_exports(metadata: MetaData) -> None:
    number = BigInteger().with_variant(Integer, "sqlite")
    Table(
        "bulk_job",
        metadata,
        Column("id", number, primary_key=True),
        Column("source", Text, nullable=False),
        Column("level", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("types", Text, nullable=False),
        Column("since", Text, nullable=False),
        Column("began_us", BigInteger, nullable=False),
        Column("next_us", BigInteger, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("percent", SmallInteger),
        Column("server_time", Text, nullable=False),
        Column("taken", Integer, nullable=False),
        Column("parts", Integer, nullable=False),
        Column("reason", Text, nullable=False),
        Column("ended_us", BigInteger),
        Column("key_id", LargeBinary),
        Column("sealed", LargeBinary),
        sqlite_autoincrement=True,
    )
    Table(
        "bulk_file",
        metadata,
        Column("job_id", BigInteger, primary_key=True, autoincrement=False),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("kind", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("is_in", SmallInteger, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("lines", BigInteger, nullable=False),
        Column("trouble", Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _add_memory(metadata: MetaData) -> None:
    Table(
        "bulk_type",
        metadata,
        Column("source", Text, primary_key=True),
        Column("level", Text, primary_key=True),
        Column("type", Text, primary_key=True),
        Column("since", Text, nullable=False),
        Column("full_us", BigInteger, nullable=False),
        Column("asked_us", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    Table(
        "bulk_context",
        metadata,
        Column("job_id", BigInteger, primary_key=True, autoincrement=False),
        Column("blind", LargeBinary, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
    )
    Table("bulk_resource", metadata, Column("blind", LargeBinary, primary_key=True), sqlite_with_rowid=False)
    Table(
        "bulk_member",
        metadata,
        Column("source", Text, primary_key=True),
        Column("level", Text, primary_key=True),
        Column("blind", LargeBinary, primary_key=True),
        Column("whole_us", BigInteger),
        sqlite_with_rowid=False,
    )
    Table(
        "bulk_patient",
        metadata,
        Column("source", Text, primary_key=True),
        Column("level", Text, primary_key=True),
        Column("identifier_id", BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
