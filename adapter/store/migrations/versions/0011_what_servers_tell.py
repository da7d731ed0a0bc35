"""What FHIR servers tell of changes, and how each Subscription stands."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "push_hint",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("heard_us", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_hint")),
        sa.UniqueConstraint("source", "blind", name=op.f("uq_push_hint_source")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_push_hint_due", "push_hint", ["source", "due_us"])
    op.create_table(
        "subscription",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("heard_us", sa.BigInteger(), nullable=True),
        sa.Column("looked_us", sa.BigInteger(), nullable=True),
        sa.Column("server_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=True),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("missing_us", sa.BigInteger(), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "name", name=op.f("pk_subscription")),
    )
