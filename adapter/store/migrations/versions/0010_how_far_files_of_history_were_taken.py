"""How far files of history were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "history_file",
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("done_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_history_file")),
        sqlite_with_rowid=False,
    )
