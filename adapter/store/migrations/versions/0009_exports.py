"""Exports of FHIR servers: how far they are, from when to ask next, who was in them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the tables; nothing was exported before them."""
    _exports()
    _memory()


def _exports() -> None:
    op.create_table(
        "bulk_job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=True),
        sa.Column("server_time", sa.Text(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_job")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bulk_file",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("is_in", sa.SmallInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_bulk_file")),
        sqlite_with_rowid=False,
    )


def _memory() -> None:
    op.create_table(
        "bulk_type",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("full_us", sa.BigInteger(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "level", "type", name=op.f("pk_bulk_type")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bulk_context",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "blind", name=op.f("pk_bulk_context")),
    )
    op.create_table(
        "bulk_resource",
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_bulk_resource")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bulk_member",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("whole_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "level", "blind", name=op.f("pk_bulk_member")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bulk_patient",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("identifier_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "level", "identifier_id", name=op.f("pk_bulk_patient")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bulk_deleted",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("noted_us", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "blind", name=op.f("pk_bulk_deleted")),
        sqlite_with_rowid=False,
    )
