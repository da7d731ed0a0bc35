"""Bodies that are put aside lie together in packs; the indexes leave out what need not be found one by one."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_INDEXES = {
    "ix_message_state": ("state", "state IN ('received', 'parked')"),
    "ix_message_key": ("key_id", "key_id IS NOT NULL"),
    "ix_message_expires": ("expires_us", "state = 'not_ours' AND pack_id IS NULL"),
}


def upgrade() -> None:
    """Add table and columns; what was put aside before stays in its own row, and is found there until it expires."""
    op.create_table(
        "aside_pack",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aside_pack")),
    )
    op.create_index(op.f("ix_aside_pack_key"), "aside_pack", ["key_id"])
    op.create_index(op.f("ix_aside_pack_expires"), "aside_pack", ["expires_us"])
    op.add_column("message", sa.Column("pack_id", sa.BigInteger()))
    op.add_column("message", sa.Column("packed_at", sa.Integer()))
    op.add_column("message", sa.Column("packed_size", sa.Integer()))
    for name, (column, condition) in _INDEXES.items():
        op.drop_index(op.f(name), "message")
        where = sa.text(condition)
        op.create_index(op.f(name), "message", [column], sqlite_where=where, postgresql_where=where)
