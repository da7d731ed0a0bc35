"""What FHIR servers have deleted, where resources stand, and what FHIR R4B has against them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "fhir_deletion",
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("clock_us", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_fhir_deletion")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fhir_resource",
        sa.Column("blind", sa.LargeBinary(), nullable=False),
        sa.Column("assertion_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("blind", "assertion_id", name=op.f("pk_fhir_resource")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fhir_resource_assertion", "fhir_resource", ["assertion_id"])
    op.create_table(
        "verdict_due",
        sa.Column(
            "assertion_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("assertion_id", name=op.f("pk_verdict_due")),
    )
    op.create_table(
        "verdict",
        sa.Column("assertion_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("assertion_id", "number", name=op.f("pk_verdict")),
        sqlite_with_rowid=False,
    )
    # What the register's children have of FHIR already is looked at as what comes.
    op.execute(
        "INSERT INTO verdict_due (assertion_id) SELECT a.id FROM assertion a"
        " JOIN message m ON m.id = a.id / 1048576 JOIN identifier i ON i.id = a.identifier_id"
        " WHERE m.media = 'fhir' AND i.state = 'confirmed'"
    )
