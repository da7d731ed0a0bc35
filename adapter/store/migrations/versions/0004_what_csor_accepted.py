"""What CSOR last accepted of each row, as a keyed hash: a row that comes back to it need not be sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table; of rows accepted before nothing is known, and they are sent as they would have been."""
    op.create_table(
        "accepted",
        sa.Column("record_id", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_accepted")),
        sqlite_with_rowid=False,
    )
