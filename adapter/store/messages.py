"""Messages after the inbox: where each stands, its sealed body, and the keyed hashes that tell a resend."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store import packs
from adapter.store.faults import StateConflict
from adapter.store.sql import run, run_many, select_in
from adapter.store.states import MESSAGE_MOVES, MessageState


class MessageRow(NamedTuple):
    """One message, in column order, so that many go to the driver as they are."""

    id: int
    """The inbox id: never reused, the only name of a message that may be logged."""
    feed: str
    media: str
    kind: str
    """`ADT^A01`, a resource type, or `other`: one of the words we know, never a sender's free text."""
    received_us: int
    state: str
    reason: str
    """Why it is not ours, or the ProblemCode it is parked for; never a value of the message."""
    size: int
    """Bytes of the body as received."""
    control: bytes
    """Keyed hash of feed and control id (v2: MSH-10; FHIR: type, id and version)."""
    content: bytes
    """Keyed hash of feed and body."""
    stampless: bytes | None
    """Keyed hash of feed and the body without MSH-7 and MSH-10, once it has been read."""
    subject: bytes | None
    """Blind of the patient identifier it arrived with, once it has been read."""
    attempts: int
    expires_us: int | None
    """When a body that is not ours is erased."""
    key_id: bytes | None
    sealed: bytes | None
    """The body, wherever it lies. None only in state `erased`."""
    note: bytes | None = None
    """Of a parked message, under the same key: what is wrong and where, and the true length of a cut body."""


class ParkedMessage(NamedTuple):
    """What an operator sees of a parked message without unsealing it."""

    id: int
    feed: str
    media: str
    kind: str
    received_us: int
    reason: str
    size: int
    attempts: int


class Seen(NamedTuple):
    """A stored message with a control id that has come again."""

    id: int
    content: bytes
    """Equal to the new one's: a duplicate. Different: the sender used a control id twice."""


_ERASE = (
    "UPDATE message SET state = 'erased', key_id = NULL, sealed = NULL, note = NULL, subject = NULL, expires_us = NULL"
)
_COLUMNS = ", ".join(MessageRow._fields)
_KEY_ID = "coalesce(m.key_id, p.key_id)"
_SEALED = "coalesce(m.sealed, substr(p.sealed, m.packed_at + 1, m.packed_size))"
_WHEREVER = ", ".join({"key_id": _KEY_ID, "sealed": _SEALED}.get(name, f"m.{name}") for name in MessageRow._fields)
"""The same, of a message whose body may lie in a pack."""
_PACKED = "message m LEFT JOIN aside_pack p ON p.id = m.pack_id"
INDEXED = "state IN ('received', 'parked')"
"""The condition of the index on states, word for word: only where SQLite meets it does it use that index."""
_INSERT = f"INSERT INTO message ({_COLUMNS}) VALUES ({', '.join('?' * len(MessageRow._fields))})"
_CLEAR = MessageRow._fields.index("key_id")
"""How many columns stand before the body."""
_ASIDE_COLUMNS = (*MessageRow._fields[:_CLEAR], *packs.COLUMNS)
_INSERT_ASIDE = f"INSERT INTO message ({', '.join(_ASIDE_COLUMNS)}) VALUES ({', '.join('?' * len(_ASIDE_COLUMNS))})"


def insert_many(conn: Connection, rows: Sequence[MessageRow]) -> None:
    """Store messages as they leave the inbox, in the work transaction that moves the inbox position."""
    places = packs.put(
        conn,
        [
            (row.id, row.key_id, row.expires_us, row.sealed)
            for row in rows
            if row.state == MessageState.NOT_OURS and row.key_id and row.expires_us is not None and row.sealed
        ],
    )
    if not places:
        run_many(conn, _INSERT, rows)
        return
    run_many(conn, _INSERT, [row for row in rows if row.id not in places])
    run_many(conn, _INSERT_ASIDE, [(*row[:_CLEAR], *places[row.id]) for row in rows if row.id in places])


def seen(conn: Connection, controls: Sequence[bytes]) -> dict[bytes, list[Seen]]:
    """Stored messages, erased ones too, by these keyed control ids; oldest first. For a whole batch at once."""
    found: dict[bytes, list[Seen]] = {}
    for control, number, content in select_in(
        conn, "SELECT control, id, content FROM message WHERE control IN ({}) ORDER BY id", controls
    ):
        found.setdefault(control, []).append(Seen(number, content))
    return found


def find_duplicate(conn: Connection, *, control: bytes, content: bytes) -> int | None:
    """The id of the stored message with this control id and this content."""
    statement = "SELECT id FROM message WHERE control = ? AND content = ? ORDER BY id LIMIT 1"
    number: int | None = run(conn, statement, (control, content)).scalar()
    return number


def by_id(conn: Connection, message_id: int) -> MessageRow | None:
    """One message with its body."""
    row = run(conn, f"SELECT {_WHEREVER} FROM {_PACKED} WHERE m.id = ?", (message_id,)).first()
    return None if row is None else MessageRow._make(row)


def bodies(conn: Connection, message_ids: Sequence[int]) -> dict[int, tuple[bytes, bytes]]:
    """`(key_id, sealed)` by message id; erased ones are left out."""
    statement = f"SELECT m.id, {_KEY_ID}, {_SEALED} FROM {_PACKED} WHERE m.id IN ({{}})"
    return {number: (key_id, sealed) for number, key_id, sealed in select_in(conn, statement, message_ids) if sealed}


def set_state(
    conn: Connection,
    message_id: int,
    *,
    before: MessageState,
    after: MessageState,
    reason: str = "",
    expires_us: int | None = None,
) -> None:
    """Move one message along MESSAGE_MOVES; StateConflict if it is not in `before`. Erasing is `erase`, `expire`."""
    if after not in MESSAGE_MOVES[before] or after is MessageState.ERASED:
        raise ValueError(f"no message moves from {before} to {after} here")
    if before is MessageState.NOT_OURS:
        packs.take_out(conn, [message_id])
    statement = "UPDATE message SET state = ?, reason = ?, expires_us = ? WHERE id = ? AND state = ?"
    if run(conn, statement, (after.value, reason, expires_us, message_id, before.value)).rowcount != 1:
        raise StateConflict(f"message {message_id} is not {before}")


def reseal_many(conn: Connection, resealed: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Replace bodies by `(message id, key_id, sealed)`: processing moves them from the day key to the identifier's."""
    run_many(conn, "UPDATE message SET key_id = ?, sealed = ? WHERE id = ?", [(k, s, i) for i, k, s in resealed])


def reseal(conn: Connection, message_id: int, *, key_id: bytes, sealed: bytes) -> None:
    """Replace one body by the same body under another key."""
    reseal_many(conn, [(message_id, key_id, sealed)])


def set_subject(conn: Connection, message_id: int, *, stampless: bytes | None, subject: bytes | None) -> None:
    """Note what reading it told: for a parked message that a replay could read after all."""
    run(conn, "UPDATE message SET stampless = ?, subject = ? WHERE id = ?", (stampless, subject, message_id))


def set_note(conn: Connection, message_id: int, *, note: bytes | None, attempts: int) -> None:
    """Replace what a person is told of a message, and how often it has been tried alone."""
    run(conn, "UPDATE message SET note = ?, attempts = ? WHERE id = ?", (note, attempts, message_id))


def waiting(conn: Connection, *, limit: int, after_id: int = 0) -> list[MessageRow]:
    """Messages in state `received` with their bodies, by id: those put back by replay or release."""
    statement = f"SELECT {_COLUMNS} FROM message WHERE {INDEXED} AND state = 'received' AND id > ? ORDER BY id LIMIT ?"
    return [MessageRow._make(row) for row in run(conn, statement, (after_id, limit))]


def add_names(conn: Connection, names: Sequence[tuple[bytes, int]]) -> None:
    """`(blind, message id)`: under which names, beside its subject, a body that is put aside can be found again."""
    run_many(conn, "INSERT INTO aside_name (blind, message_id) VALUES (?, ?) ON CONFLICT DO NOTHING", names)


def not_ours_of(conn: Connection, subjects: Sequence[bytes]) -> list[int]:
    """Ids, in order, of bodies put aside for these identifiers: what a late diagnosis releases."""
    statement = "SELECT id FROM message WHERE state = 'not_ours' AND subject IN ({})"
    named = (
        "SELECT m.id FROM aside_name a JOIN message m ON m.id = a.message_id"
        " WHERE m.state = 'not_ours' AND a.blind IN ({})"
    )
    return sorted({number for each in (statement, named) for (number,) in select_in(conn, each, subjects)})


def parked(conn: Connection, *, limit: int = 1000, after_id: int = 0) -> list[ParkedMessage]:
    """Parked messages by id, without bodies."""
    columns = ", ".join(ParkedMessage._fields)
    statement = f"SELECT {columns} FROM message WHERE {INDEXED} AND state = 'parked' AND id > ? ORDER BY id LIMIT ?"
    return [ParkedMessage._make(row) for row in run(conn, statement, (after_id, limit))]


def parked_for(conn: Connection, *, reason: str, attempts: int) -> list[int]:
    """Ids, in order, of messages parked for this reason after so many attempts."""
    statement = (
        f"SELECT id FROM message WHERE {INDEXED} AND state = 'parked' AND reason = ? AND attempts = ? ORDER BY id"
    )
    return [number for (number,) in run(conn, statement, (reason, attempts))]


def expire(conn: Connection, *, now_us: int) -> int:
    """Erase the bodies of what is not ours and whose hold has ended; the count. The keyed hashes stay."""
    alone = "state = 'not_ours' AND pack_id IS NULL AND expires_us <= ?"
    # `+ 0`: else SQLite seeks the greatest id from the end of the table, row by row.
    last = run(conn, f"SELECT max(id + 0) FROM message WHERE {alone}", (now_us,)).scalar() or 0
    last = max(last, packs.last_expired(conn, now_us=now_us))
    statement = f"{_ERASE} WHERE {alone}"
    erased = run(conn, statement, (now_us,)).rowcount + packs.expire(conn, now_us=now_us, erased=_ERASE)
    aside = "SELECT 1 FROM message m WHERE m.id = aside_name.message_id AND m.state = 'not_ours'"
    run(conn, f"DELETE FROM aside_name WHERE message_id <= ? AND NOT EXISTS ({aside})", (last,))
    return erased


def erase(conn: Connection, message_ids: Sequence[int], *, before: MessageState) -> int:
    """Erase these bodies, of an infant whose hold has ended or a parked message given up; the count."""
    if MessageState.ERASED not in MESSAGE_MOVES[before]:
        raise ValueError(f"no message is erased from {before}")
    if before is MessageState.NOT_OURS:
        packs.take_out(conn, message_ids)
    statement = f"{_ERASE} WHERE id = ? AND state = ?"
    return run_many(conn, statement, [(number, before.value) for number in message_ids])
