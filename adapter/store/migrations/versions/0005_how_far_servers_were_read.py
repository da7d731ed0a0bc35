"""How far each polled FHIR server was read, and which resources of the overlap are in already."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables; no server was polled before them."""
    op.create_table(
        "polled_source",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("not_before_us", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_polled_source")),
    )
    op.create_table(
        "polled_search",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("cursor_us", sa.BigInteger(), nullable=True),
        sa.Column("complete_us", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_polled_search")),
        sa.UniqueConstraint("source", "search", name=op.f("uq_polled_search_source")),
    )
    op.create_table(
        "polled_resource",
        sa.Column("search_id", sa.BigInteger(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("search_id", "blind", name=op.f("pk_polled_resource")),
        sqlite_with_rowid=False,
    )
