"""How far each FHIR server was read patient by patient; in place of whose history was read once."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Replace the table; of everybody held now the history is read once more, and what is known is not stored again."""
    op.drop_table("polled_patient")
    op.create_table(
        "crawl_patient",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("identifier_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=True),
        sa.Column("whole_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crawl_patient")),
        sa.UniqueConstraint("source", "identifier_id", name=op.f("uq_crawl_patient_source")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_crawl_patient_due", "crawl_patient", ["source", "urgency", "due_us"])
    op.create_index("ix_crawl_patient_identifier", "crawl_patient", ["identifier_id"])
    op.create_table(
        "crawl_search",
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("cursor_us", sa.BigInteger(), nullable=True),
        sa.Column("whole_us", sa.BigInteger(), nullable=True),
        sa.Column("read_us", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("patient_id", "search", name=op.f("pk_crawl_search")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "crawl_resource",
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "name", name=op.f("pk_crawl_resource")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "crawl_call",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("identifier_id", sa.BigInteger(), nullable=False),
        sa.Column("is_new", sa.SmallInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "identifier_id", "is_new", name=op.f("pk_crawl_call")),
        sqlite_with_rowid=False,
    )
