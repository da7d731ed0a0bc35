"""Which patients a FHIR server was asked for the whole history of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table; the history of everybody held now is read once."""
    op.create_table(
        "polled_patient",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("identifier_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "identifier_id", name=op.f("pk_polled_patient")),
        sqlite_with_rowid=False,
    )
