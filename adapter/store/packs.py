"""Bodies that are put aside, many in one row: most messages of a hospital are nobody's we keep, and are never read.

A pack holds sealed bodies of one day key that were put aside together, one behind the other; each of its messages
knows its place. A body leaves its pack when its message is looked at again, and is blotted out there when it leaves or
expires: nothing of it stays behind.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in

MOST_BODIES = 32
"""In one pack. Fewer waste half a page each time; of more, too much is written again when one of them leaves."""
_LONGEST_BODY = 1 << 16
"""A longer one stays in its own row: many pages are its own anyway."""

COLUMNS = ("pack_id", "packed_at", "packed_size")
"""Of a message: where its body lies. As in a Place."""
_UNPACKED = ", ".join(f"{name} = NULL" for name in COLUMNS)


Body = tuple[int, bytes, int, bytes]
"""Message, key, when it expires, sealed: what is put aside of one message. Plain tuples, for their number."""
Place = tuple[int, int, int]
"""Pack, where in it, how long: where the body of one message lies."""


def put(conn: Connection, bodies: Sequence[Body]) -> dict[int, Place]:
    """Store these in few rows; the places, by message. One that is long or would lie alone has none."""
    places: dict[int, Place] = {}
    rows = []
    for group in _groups(bodies):
        numbers, keys_of, expire_us, sealed = zip(*group, strict=True)
        at = 0
        for number, body in zip(numbers, sealed, strict=True):
            size = len(body)
            places[number] = (numbers[0], at, size)
            at += size
        rows.append((numbers[0], numbers[-1], keys_of[0], min(expire_us), b"".join(sealed)))
    statement = "INSERT INTO aside_pack (id, last_id, key_id, expires_us, sealed) VALUES (?, ?, ?, ?, ?)"
    run_many(conn, statement, rows)
    return places


def _groups(bodies: Sequence[Body]) -> Iterator[list[Body]]:
    in_order = sorted((body for body in bodies if len(body[3]) <= _LONGEST_BODY), key=itemgetter(1, 0))
    for _, of_key in groupby(in_order, key=itemgetter(1)):
        listed = list(of_key)
        for start in range(0, len(listed), MOST_BODIES):
            group = listed[start : start + MOST_BODIES]
            if len(group) > 1:
                yield group


def take_out(conn: Connection, message_ids: Sequence[int]) -> None:
    """Put the bodies of these messages back into their own rows; one that is in no pack stays as it is."""
    statement = "SELECT pack_id, packed_at, packed_size, id FROM message WHERE id IN ({}) AND pack_id IS NOT NULL"
    found = sorted(set(select_in(conn, statement, message_ids)))
    for pack_id, places in groupby(found, key=itemgetter(0)):
        key_id, packed = run(conn, "SELECT key_id, sealed FROM aside_pack WHERE id = ?", (pack_id,)).one()
        rest = bytearray(packed)
        taken = []
        for _, at, size, number in places:
            taken.append((key_id, bytes(rest[at : at + size]), number))
            rest[at : at + size] = bytes(size)
        run_many(conn, f"UPDATE message SET key_id = ?, sealed = ?, {_UNPACKED} WHERE id = ?", taken)
        run(conn, "UPDATE aside_pack SET sealed = ? WHERE id = ?", (bytes(rest), pack_id))


def expire(conn: Connection, *, now_us: int, erased: str) -> int:
    """Erase what of the packs has expired; the count. `erased`: what that does to the row of a message."""
    count = 0
    for pack_id, last_id in run(conn, "SELECT id, last_id FROM aside_pack WHERE expires_us <= ?", (now_us,)).all():
        here = "id BETWEEN ? AND ? AND pack_id = ?"
        place = (pack_id, last_id, pack_id)
        count += run(conn, f"{erased}, {_UNPACKED} WHERE {here} AND expires_us <= ?", (*place, now_us)).rowcount
        left = run(conn, f"SELECT packed_at, packed_size, expires_us FROM message WHERE {here}", place).all()
        if left:
            _keep(conn, pack_id, [(at, size) for at, size, _ in left], expires_us=min(each[2] for each in left))
        else:
            run(conn, "DELETE FROM aside_pack WHERE id = ?", (pack_id,))
    return count


def last_expired(conn: Connection, *, now_us: int) -> int:
    """An id beyond which nothing in a pack has expired; 0 where nothing has."""
    return run(conn, "SELECT max(last_id) FROM aside_pack WHERE expires_us <= ?", (now_us,)).scalar() or 0


def _keep(conn: Connection, pack_id: int, kept: Sequence[tuple[int, int]], *, expires_us: int) -> None:
    """Of a pack only these places."""
    packed = run(conn, "SELECT sealed FROM aside_pack WHERE id = ?", (pack_id,)).scalar_one()
    rest = bytearray(len(packed))
    for at, size in kept:
        rest[at : at + size] = packed[at : at + size]
    statement = "UPDATE aside_pack SET sealed = ?, expires_us = ? WHERE id = ?"
    run(conn, statement, (bytes(rest), expires_us, pack_id))


def keys(conn: Connection, key_ids: Sequence[bytes]) -> set[bytes]:
    """Those of these day keys under which anything lies in a pack."""
    statement = "SELECT DISTINCT key_id FROM aside_pack WHERE key_id IN ({})"
    return {key_id for (key_id,) in select_in(conn, statement, key_ids)}
