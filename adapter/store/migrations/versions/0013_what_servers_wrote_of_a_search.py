"""What a FHIR server wrote where it refused a search."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns; of refusals before there is only the word."""
    op.add_column("polled_search", sa.Column("told_key_id", sa.LargeBinary()))
    op.add_column("polled_search", sa.Column("told", sa.LargeBinary()))
