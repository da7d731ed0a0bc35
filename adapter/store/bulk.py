"""What is known of exports: the one that goes on, its files, from when to ask next, who was in the group, what is in.

Names of sources, groups and types are those of the trust file; addresses and resources stand sealed or keyed. Times in
microseconds since 1970 UTC, but `since` as the server wrote it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.faults import StateConflict
from adapter.store.sql import run, run_many, select_in
from adapter.store.states import BULK_MOVES, BULK_OPEN, BulkState


class JobRow(NamedTuple):
    """One export, in column order."""

    id: int
    source: str
    level: str
    """`Group/ID` or `Patient`."""
    state: str
    types: str
    """By commas."""
    since: str
    """What was asked for; empty: everything."""
    began_us: int
    next_us: int
    """Not to be asked about before."""
    tries: int
    """How often in a row its server did not answer as it should."""
    percent: int | None
    """As the server tells it."""
    server_time: str
    """The server's time of the export; empty before it is known."""
    taken: int
    """How many parts are in the inbox; -1 before the files are sorted by patient."""
    parts: int
    reason: str
    """Why it is not whole, or failed: a word of ours."""
    ended_us: int | None
    key_id: bytes | None
    sealed: bytes | None
    """Addresses, and patients where some were asked for."""


class FileRow(NamedTuple):
    """One file of an export, in column order."""

    job_id: int
    number: int
    kind: str
    type: str
    is_in: int
    bytes: int
    lines: int
    trouble: str


class TypeRow(NamedTuple):
    """From when on a type is to be asked for, in column order."""

    type: str
    since: str
    """The server's time of the last export in which it came whole; empty: it never did."""
    full_us: int
    """When an export of all of it, that came whole, began."""
    asked_us: int
    """When it was asked for last, however that ended."""


_JOB = ", ".join(JobRow._fields)
_FILE = ", ".join(FileRow._fields)
_MOVING = (
    "state", "next_us", "tries", "percent", "server_time", "taken", "parts", "reason", "ended_us", "key_id", "sealed",
)  # fmt: skip
_MOVE = f"UPDATE bulk_job SET {', '.join(f'{name} = ?' for name in _MOVING)} WHERE id = ? AND state = ?"
_OPEN = ", ".join(f"'{state}'" for state in sorted(BULK_OPEN))


def open_job(conn: Connection, source: str, level: str) -> JobRow | None:
    """The export that goes on."""
    statement = f"SELECT {_JOB} FROM bulk_job WHERE source = ? AND level = ? AND state IN ({_OPEN}) ORDER BY id"
    row = run(conn, statement, (source, level)).first()
    return None if row is None else JobRow._make(row)


def last_job(conn: Connection, source: str, level: str) -> JobRow | None:
    """The last one that has ended."""
    statement = (
        f"SELECT {_JOB} FROM bulk_job WHERE source = ? AND level = ? AND state NOT IN ({_OPEN})"
        " ORDER BY id DESC LIMIT 1"
    )
    row = run(conn, statement, (source, level)).first()
    return None if row is None else JobRow._make(row)


def job(conn: Connection, job_id: int) -> JobRow:
    """One export."""
    return JobRow._make(run(conn, f"SELECT {_JOB} FROM bulk_job WHERE id = ?", (job_id,)).one())


def begin(
    conn: Connection,
    place: tuple[str, str],
    *,
    asked: tuple[Sequence[str], str],
    now_us: int,
    sealed: tuple[bytes, bytes],
) -> JobRow:
    """One that is about to be asked for: source and level, types and since, key and papers."""
    statement = (
        "INSERT INTO bulk_job (source, level, state, types, since, began_us, next_us, tries, server_time, taken,"
        " parts, reason, key_id, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', -1, 0, '', ?, ?) RETURNING id"
    )
    types, since = asked
    values = (*place, BulkState.STARTING.value, ",".join(types), since, now_us, now_us, *sealed)
    return job(conn, run(conn, statement, values).scalar_one())


def move(
    conn: Connection,
    row: JobRow,
    after: BulkState,
    *,
    reason: str = "",
    ended_us: int | None = None,
    is_left: bool = False,
) -> JobRow:
    """Into its next state, with what else of the row is new; its key is let go where it ends.

    `is_left`: it is still at the server, and has to be deleted there.
    """
    before = BulkState(row.state)
    if after is not before and after not in BULK_MOVES[before]:
        raise StateConflict(f"bulk_job {row.id} does not go from {before} to {after}")
    row = row._replace(state=after.value, reason=reason or row.reason, ended_us=ended_us)
    if after not in BULK_OPEN and not is_left:
        row = row._replace(key_id=None, sealed=None)
    values = tuple(getattr(row, name) for name in _MOVING)
    if run(conn, _MOVE, (*values, row.id, before.value)).rowcount != 1:
        raise StateConflict(f"bulk_job {row.id} is not {before} any more")
    return row


def left(conn: Connection, source: str, level: str) -> list[JobRow]:
    """Those that have ended for us and not at the server."""
    statement = (
        f"SELECT {_JOB} FROM bulk_job WHERE source = ? AND level = ? AND state NOT IN ({_OPEN})"
        " AND sealed IS NOT NULL ORDER BY id"
    )
    return [JobRow._make(row) for row in run(conn, statement, (source, level))]


def let_go(conn: Connection, job_id: int) -> None:
    """It is not at the server any more."""
    run(conn, "UPDATE bulk_job SET key_id = NULL, sealed = NULL WHERE id = ?", (job_id,))


def jobs(conn: Connection, source: str, level: str) -> list[JobRow]:
    """All that are remembered, the newest first."""
    statement = f"SELECT {_JOB} FROM bulk_job WHERE source = ? AND level = ? ORDER BY id DESC"
    return [JobRow._make(row) for row in run(conn, statement, (source, level))]


def keys(conn: Connection, key_ids: Sequence[bytes]) -> set[bytes]:
    """Which of these keys an export still needs."""
    return {key_id for (key_id,) in select_in(conn, "SELECT key_id FROM bulk_job WHERE key_id IN ({})", key_ids)}


def add_files(conn: Connection, job_id: int, files: Sequence[tuple[str, str]]) -> None:
    """`(kind, type)` of each file of the manifest, in its order."""
    statement = (
        "INSERT INTO bulk_file (job_id, number, kind, type, is_in, bytes, lines, trouble)"
        " VALUES (?, ?, ?, ?, 0, 0, 0, '') ON CONFLICT (job_id, number) DO NOTHING"
    )
    run_many(conn, statement, [(job_id, number, *each) for number, each in enumerate(files)])


def files(conn: Connection, job_id: int) -> list[FileRow]:
    """In the order of the manifest."""
    statement = f"SELECT {_FILE} FROM bulk_file WHERE job_id = ? ORDER BY number"
    return [FileRow._make(row) for row in run(conn, statement, (job_id,))]


def file_in(conn: Connection, row: FileRow) -> None:
    """It is on our disk, with so many bytes and lines."""
    statement = "UPDATE bulk_file SET is_in = 1, bytes = ?, lines = ?, trouble = ? WHERE job_id = ? AND number = ?"
    run(conn, statement, (row.bytes, row.lines, row.trouble, row.job_id, row.number))


def file_trouble(conn: Connection, job_id: int, number: int, trouble: str) -> None:
    """What is wrong in it."""
    run(conn, "UPDATE bulk_file SET trouble = ? WHERE job_id = ? AND number = ?", (trouble, job_id, number))


def forget_files(conn: Connection, job_id: int) -> None:
    """All of an export but its row."""
    run(conn, "DELETE FROM bulk_file WHERE job_id = ?", (job_id,))
    run(conn, "DELETE FROM bulk_context WHERE job_id = ?", (job_id,))


def types(conn: Connection, source: str, level: str) -> dict[str, TypeRow]:
    """From when on each type is to be asked for; of a type that was never asked for, nothing."""
    statement = "SELECT type, since, full_us, asked_us FROM bulk_type WHERE source = ? AND level = ?"
    return {row[0]: TypeRow._make(row) for row in run(conn, statement, (source, level))}


def set_types(conn: Connection, source: str, level: str, rows: Sequence[TypeRow]) -> None:
    """What is known of these now."""
    statement = (
        "INSERT INTO bulk_type (source, level, type, since, full_us, asked_us) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (source, level, type) DO UPDATE SET since = excluded.since, full_us = excluded.full_us,"
        " asked_us = excluded.asked_us"
    )
    run_many(conn, statement, [(source, level, *row) for row in rows])


def add_context(conn: Connection, job_id: int, parts: Sequence[tuple[bytes, int, bytes]]) -> None:
    """`(blind of the name, version, sealed)`; of two of one name the newer stays."""
    statement = (
        "INSERT INTO bulk_context (job_id, blind, version, sealed) VALUES (?, ?, ?, ?) ON CONFLICT (job_id, blind)"
        " DO UPDATE SET version = excluded.version, sealed = excluded.sealed"
        " WHERE bulk_context.version < excluded.version"
    )
    run_many(conn, statement, [(job_id, *part) for part in parts])


def context(conn: Connection, job_id: int, blinds: Sequence[bytes]) -> dict[bytes, bytes]:
    """Sealed, by the blind of the name."""
    statement = f"SELECT blind, sealed FROM bulk_context WHERE job_id = {int(job_id)} AND blind IN ({{}})"
    return dict(select_in(conn, statement, blinds))


def known(conn: Connection, blinds: Sequence[bytes]) -> set[bytes]:
    """Which of these versions of resources, by keyed hash, are in already."""
    _bound_cache(conn)
    return {blind for (blind,) in select_in(conn, "SELECT blind FROM bulk_resource WHERE blind IN ({})", blinds)}


def remember(conn: Connection, blinds: Sequence[bytes]) -> None:
    """These are in now."""
    _bound_cache(conn)
    run_many(
        conn, "INSERT INTO bulk_resource (blind) VALUES (?) ON CONFLICT (blind) DO NOTHING", [(b,) for b in blinds]
    )


def _bound_cache(conn: Connection) -> None:
    """On this connection. Keys come at random, so that all of a large table would stand in memory (32 MiB of it)."""
    if conn.dialect.name == "sqlite":
        run(conn, "PRAGMA cache_size = -8192")


def members_seen(conn: Connection, source: str, level: str, blinds: Sequence[bytes], *, whole_us: int | None) -> None:
    """These patients are in the group; `whole_us`: when all of them was given to the inbox."""
    statement = (
        "INSERT INTO bulk_member (source, level, blind, whole_us) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (source, level, blind) DO UPDATE SET"
        " whole_us = COALESCE(excluded.whole_us, bulk_member.whole_us)"
    )
    run_many(conn, statement, [(source, level, blind, whole_us) for blind in blinds])


def members_in_part(conn: Connection, source: str, level: str, blinds: Sequence[bytes]) -> None:
    """What came of these refers to what did not come: whoever of them is held later is fetched whole."""
    statement = "UPDATE bulk_member SET whole_us = 0 WHERE source = ? AND level = ? AND blind = ?"
    run_many(conn, statement, [(source, level, blind) for blind in blinds])


class MemberRow(NamedTuple):
    """A member whom we hold, and who was not looked at since."""

    identifier_id: int
    key_id: bytes
    sealed: bytes
    whole_us: int | None


def newly_held(conn: Connection, source: str, level: str, *, limit: int) -> list[MemberRow]:
    """Members of the group whom we hold or keep and of whom it is not settled that all is in."""
    statement = (
        "SELECT identifier.id, identifier.key_id, identifier.sealed, bulk_member.whole_us FROM bulk_member"
        " JOIN identifier ON identifier.blind = bulk_member.blind WHERE bulk_member.source = ? AND"
        " bulk_member.level = ? AND identifier.state <> 'alias' AND identifier.sealed IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM bulk_patient WHERE source = bulk_member.source AND level = bulk_member.level"
        " AND identifier_id = identifier.id) ORDER BY identifier.id LIMIT ?"
    )
    return [MemberRow._make(row) for row in run(conn, statement, (source, level, limit))]


def patients_whole(conn: Connection, source: str, level: str, identifier_ids: Sequence[int]) -> None:
    """All that the group has of these is in."""
    statement = "INSERT INTO bulk_patient (source, level, identifier_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    run_many(conn, statement, [(source, level, each) for each in identifier_ids])


def whole_among(conn: Connection, source: str, level: str, blinds: Sequence[bytes]) -> set[bytes]:
    """Which of these patients are no new members: all of them was in before."""
    statement = (
        "SELECT blind FROM bulk_member WHERE blind IN ({}) AND source = ? AND level = ? AND whole_us IS NOT NULL"
    )
    return {blind for (blind,) in select_in(conn, statement, blinds, after=(source, level))}


def forget_patients(conn: Connection, identifier_ids: Sequence[int]) -> None:
    """Nothing is held under these any more."""
    run_many(conn, "DELETE FROM bulk_patient WHERE identifier_id = ?", [(each,) for each in identifier_ids])


def held_among(conn: Connection, blinds: Sequence[bytes]) -> set[bytes]:
    """Which of these patients, by the registry's blind, we hold or keep."""
    statement = "SELECT blind FROM identifier WHERE state <> 'alias' AND blind IN ({})"
    return {blind for (blind,) in select_in(conn, statement, blinds)}


def forget_before(conn: Connection, source: str, level: str, *, keep: int) -> None:
    """Of exports that have ended, all but the newest."""
    statement = (
        f"DELETE FROM bulk_job WHERE source = ? AND level = ? AND state NOT IN ({_OPEN}) AND id NOT IN (SELECT id FROM"
        f" bulk_job WHERE source = ? AND level = ? AND state NOT IN ({_OPEN}) ORDER BY id DESC LIMIT ?)"
    )
    run(conn, statement, (source, level, source, level, keep))
