"""When a polled server may be asked again: its rate outlives a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; at first any server may be asked at once."""
    op.add_column("polled_source", sa.Column("next_us", sa.BigInteger()))
