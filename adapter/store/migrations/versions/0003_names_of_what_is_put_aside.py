"""Further names of the patient of a message that is not ours: an NHS number, a second hospital number; keyed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table; what was put aside before is found by its first name only."""
    op.create_table(
        "aside_name",
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", "message_id", name=op.f("pk_aside_name")),
        sqlite_with_rowid=False,
    )
