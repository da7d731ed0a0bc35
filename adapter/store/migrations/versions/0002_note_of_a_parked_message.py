"""What a person is told of a parked message, sealed under the key of its body."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; messages parked before have no note, only their reason."""
    op.add_column("message", sa.Column("note", sa.LargeBinary()))
