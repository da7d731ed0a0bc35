"""How far each FHIR server was read patient by patient: who is due, where each search stands, what they held.

A patient of one source is one identifier of the registry. Clear are states and codes of ours, and times; ids of
resources stand as keyed hashes, links sealed. Times in microseconds since 1970 UTC.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in


class CrawlState(StrEnum):
    """How one patient stands at one source (docs/states.md)."""

    NEW = "new"
    """Not read yet."""
    COMPLETE = "complete"
    """At the last reading the server gave all that it was asked for."""
    INCOMPLETE = "incomplete"
    """Something is missing, or may be; `reason` says why."""
    PERSON = "person"
    """A person must decide; nothing is asked before."""
    MERGED = "merged"
    """Lives on under another id."""
    DELETED = "deleted"
    """The server has none of this id any more; what we have stays."""
    DENIED = "denied"
    """The server refuses this one patient; what we have stays."""
    LINKED = "linked"
    """A number that has led to an id of this server."""
    ELSEWHERE = "elsewhere"
    """An id of another server, or a number that this one cannot be asked for."""


TOLD = (
    CrawlState.COMPLETE,
    CrawlState.INCOMPLETE,
    CrawlState.PERSON,
    CrawlState.MERGED,
    CrawlState.DELETED,
    CrawlState.DENIED,
    CrawlState.NEW,
)
"""States that say something of a child; the others are of numbers."""


class Urgency(IntEnum):
    """Who is read first."""

    CALLED = 0
    """A message says that the chart has changed."""
    FIRST = 1
    """Never read to the end."""
    ROUTINE = 2


class PatientRow(NamedTuple):
    """One patient at one source, in column order."""

    id: int
    source: str
    identifier_id: int
    state: str
    reason: str
    """A SourceFault, or a code of an OperationOutcome."""
    urgency: int
    due_us: int | None
    """When something is to be asked again; None: never by itself."""
    whole_us: int | None
    """When the last reading that came to its end with nothing missing began."""


class SearchRow(NamedTuple):
    """One search of one patient, in column order."""

    patient_id: int
    search: str
    cursor_us: int | None
    """Up to where all is in; None: it is asked for whole."""
    whole_us: int | None
    """When the last whole reading that came to its end began."""
    read_us: int | None
    """When the last reading that came to its end, or was refused, began."""
    trouble: str
    """What kept something of it from us: a code of the server, or a SourceFault."""
    sealed: bytes | None
    """Of a reading under way: where it stands. Under the key of the identifier."""
    told: bytes | None
    """What the server wrote about the trouble, word for word; under the same key."""


class Facts(NamedTuple):
    """An identifier of the registry, as a crawl needs it."""

    id: int
    person_id: int
    state: str
    key_id: bytes
    sealed: bytes | None


class Call(NamedTuple):
    """A message has changed the chart of this identifier's child, or made it one of ours."""

    identifier_id: int
    is_new: int
    """1: it is kept since now, nothing else."""
    first_us: int
    last_us: int


_PATIENT = ", ".join(PatientRow._fields)
_SEARCH = ", ".join(SearchRow._fields)
_FACTS = ", ".join(Facts._fields)
_CALL = ", ".join(Call._fields)


def call(conn: Connection, calls: Iterable[tuple[str, int, bool]], *, at_us: int) -> None:
    """`(source, identifier id, is new)`: these are to be read; in the transaction of the messages that say so."""
    statement = (
        "INSERT INTO crawl_call (source, identifier_id, is_new, first_us, last_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (source, identifier_id, is_new) DO UPDATE SET last_us = excluded.last_us"
    )
    # Sorted, so that two workers never lock each other out.
    run_many(conn, statement, [(source, number, int(new), at_us, at_us) for source, number, new in sorted(calls)])


def calls(conn: Connection, source: str, *, quiet_since_us: int, waiting_since_us: int, limit: int) -> list[Call]:
    """Who is called and quiet since, or called since long; those who are new without any wait."""
    statement = (
        f"SELECT {_CALL} FROM crawl_call WHERE source = ? AND (is_new = 1 OR last_us <= ? OR first_us <= ?)"
        " ORDER BY identifier_id LIMIT ?"
    )
    return [Call._make(row) for row in run(conn, statement, (source, quiet_since_us, waiting_since_us, limit))]


def answered(conn: Connection, source: str, heard: Sequence[Call]) -> None:
    """These are noted with their patients; one that was called again meanwhile stays."""
    statement = "DELETE FROM crawl_call WHERE source = ? AND identifier_id = ? AND is_new = ? AND last_us = ?"
    run_many(conn, statement, [(source, each.identifier_id, each.is_new, each.last_us) for each in heard])


def family(conn: Connection, identifier_ids: Sequence[int]) -> list[Facts]:
    """All identifiers of the persons of these that are held or confirmed."""
    persons = "SELECT DISTINCT person_id FROM identifier WHERE id IN ({})"
    found = sorted({number for (number,) in select_in(conn, persons, identifier_ids)})
    statement = f"SELECT {_FACTS} FROM identifier WHERE person_id IN ({{}}) AND state <> 'alias'"
    return sorted({Facts._make(row) for row in select_in(conn, statement, found)})


def enlist(conn: Connection, source: str, identifier_ids: Collection[int], *, at_us: int) -> None:
    """Identifiers that this source was not yet asked about are due now; the others stay as they are."""
    statement = (
        "INSERT INTO crawl_patient (source, identifier_id, state, reason, urgency, due_us)"
        " VALUES (?, ?, 'new', '', ?, ?) ON CONFLICT (source, identifier_id) DO NOTHING"
    )
    run_many(conn, statement, [(source, number, Urgency.FIRST.value, at_us) for number in sorted(identifier_ids)])


def unlisted(conn: Connection, source: str, *, limit: int) -> list[int]:
    """Identifiers held or confirmed that no call has told of; reads the whole registry."""
    statement = (
        "SELECT id FROM identifier WHERE state <> 'alias' AND sealed IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM crawl_patient WHERE source = ? AND identifier_id = identifier.id) ORDER BY id LIMIT ?"
    )
    return [number for (number,) in run(conn, statement, (source, limit))]


def hasten(conn: Connection, source: str, identifier_ids: Collection[int], *, at_us: int) -> None:
    """Due now, before all others; not those of whom nothing is to be asked."""
    statement = (
        "UPDATE crawl_patient SET urgency = ?, due_us = ? WHERE source = ? AND identifier_id = ? AND due_us IS NOT NULL"
    )
    called = Urgency.CALLED.value
    run_many(conn, statement, [(called, at_us, source, number) for number in sorted(identifier_ids)])


def hasten_everybody(conn: Connection, source: str, *, at_us: int) -> None:
    """What the server told of changes may have missed some: each is asked for what is new."""
    statement = (
        "UPDATE crawl_patient SET urgency = ?, due_us = ? WHERE source = ? AND due_us > ?"
        " AND state NOT IN ('linked', 'elsewhere')"
    )
    run(conn, statement, (Urgency.CALLED.value, at_us, source, at_us))


def due(conn: Connection, source: str, *, now_us: int, limit: int) -> list[PatientRow]:
    """Who is to be read now, in the order of urgency and time."""
    found: list[PatientRow] = []
    for urgency in Urgency:
        statement = (
            f"SELECT {_PATIENT} FROM crawl_patient WHERE source = ? AND urgency = ? AND due_us <= ?"
            " ORDER BY due_us LIMIT ?"
        )
        if len(found) < limit:
            rows = run(conn, statement, (source, urgency.value, now_us, limit - len(found)))
            found += [PatientRow._make(row) for row in rows]
    return found


def next_due_us(conn: Connection, source: str) -> int | None:
    """When the next one is due; None where nobody is."""
    statement = "SELECT min(due_us) FROM crawl_patient WHERE source = ? AND urgency = ?"
    each = [run(conn, statement, (source, urgency.value)).scalar() for urgency in Urgency]
    return min((moment for moment in each if moment is not None), default=None)


def stand(conn: Connection, row: PatientRow) -> None:
    """Write how a patient stands now."""
    statement = "UPDATE crawl_patient SET state = ?, reason = ?, urgency = ?, due_us = ?, whole_us = ? WHERE id = ?"
    run(conn, statement, (row.state, row.reason, row.urgency, row.due_us, row.whole_us, row.id))


def facts_of(conn: Connection, identifier_id: int) -> Facts | None:
    """The identifier of a patient; None once it is erased."""
    row = run(conn, f"SELECT {_FACTS} FROM identifier WHERE id = ?", (identifier_id,)).first()
    return None if row is None else Facts._make(row)


def is_listed(conn: Connection, patient_id: int) -> bool:
    """False once the patient is erased."""
    return run(conn, "SELECT 1 FROM crawl_patient WHERE id = ?", (patient_id,)).first() is not None


def searches_of(conn: Connection, patient_id: int) -> dict[str, SearchRow]:
    """Where each search of a patient stands, by name."""
    statement = f"SELECT {_SEARCH} FROM crawl_search WHERE patient_id = ?"
    return {row[1]: SearchRow._make(row) for row in run(conn, statement, (patient_id,))}


def search_stands(conn: Connection, row: SearchRow) -> None:
    """Write where one search of a patient stands now."""
    run(
        conn,
        f"INSERT INTO crawl_search ({_SEARCH}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (patient_id, search)"
        " DO UPDATE SET cursor_us = excluded.cursor_us, whole_us = excluded.whole_us, read_us = excluded.read_us,"
        " trouble = excluded.trouble, sealed = excluded.sealed, told = excluded.told",
        tuple(row),
    )


def contents_of(conn: Connection, patient_id: int, names: Sequence[bytes]) -> dict[bytes, bytes]:
    """The keyed hash of what each of these resources last held, by the keyed hash of its name."""
    # The number stands in the text: lists are padded at the end, and it is ours.
    statement = f"SELECT name, content FROM crawl_resource WHERE patient_id = {int(patient_id)} AND name IN ({{}})"
    return dict(select_in(conn, statement, names))


def remember(conn: Connection, patient_id: int, contents: Sequence[tuple[bytes, bytes]]) -> None:
    """`(name, content)` of what is in now."""
    statement = (
        "INSERT INTO crawl_resource (patient_id, name, content) VALUES (?, ?, ?)"
        " ON CONFLICT (patient_id, name) DO UPDATE SET content = excluded.content"
    )
    run_many(conn, statement, [(patient_id, name, content) for name, content in contents])


def counts(conn: Connection, source: str) -> dict[tuple[str, str], int]:
    """How many children stand in each state for each reason."""
    states = ", ".join(f"'{state.value}'" for state in TOLD)
    statement = (
        "SELECT p.state, p.reason, count(DISTINCT i.person_id) FROM crawl_patient p"
        f" JOIN identifier i ON i.id = p.identifier_id WHERE p.source = ? AND p.state IN ({states})"
        " GROUP BY p.state, p.reason"
    )
    return {(state, reason): count for state, reason, count in run(conn, statement, (source,))}


def to_look_at(conn: Connection, *, person_id: int | None = None) -> list[tuple[int, str, str, str]]:
    """`(child, source, state, reason)` of every child that is not, or may not be, read whole."""
    statement = (
        "SELECT DISTINCT i.person_id, p.source, p.state, p.reason FROM crawl_patient p JOIN identifier i"
        " ON i.id = p.identifier_id WHERE p.state IN ('incomplete', 'person', 'merged', 'deleted', 'denied')"
        + (" AND i.person_id = ?" if person_id is not None else "")
        + " ORDER BY i.person_id, p.source, p.state, p.reason"
    )
    return [tuple(row) for row in run(conn, statement, () if person_id is None else (person_id,))]


def told_of(conn: Connection, source: str, *, person_id: int) -> list[tuple[SearchRow, Facts]]:
    """Searches of a child of which the server has written something, each with its identifier."""
    facts = ", ".join(f"i.{name}" for name in Facts._fields)
    searches = ", ".join(f"s.{name}" for name in SearchRow._fields)
    statement = (
        f"SELECT {searches}, {facts} FROM crawl_search s JOIN crawl_patient p ON p.id = s.patient_id"
        " JOIN identifier i ON i.id = p.identifier_id WHERE p.source = ? AND i.person_id = ? AND s.told IS NOT NULL"
        " ORDER BY s.search"
    )
    width = len(SearchRow._fields)
    found = [tuple(row) for row in run(conn, statement, (source, person_id))]
    return [(SearchRow._make(row[:width]), Facts._make(row[width:])) for row in found]


def ask_again(conn: Connection, person_id: int, *, at_us: int) -> int:
    """A person has looked: whatever stood in the way of this child, it is asked for; how many patients."""
    statement = (
        "UPDATE crawl_patient SET due_us = ?, urgency = ? WHERE state <> 'elsewhere' AND identifier_id IN"
        " (SELECT id FROM identifier WHERE person_id = ?)"
    )
    return run(conn, statement, (at_us, Urgency.CALLED.value, person_id)).rowcount


def forget(conn: Connection, identifier_ids: Sequence[int]) -> None:
    """Of children that are erased nothing is left."""
    numbers = [(number,) for number in identifier_ids]
    for table in ("crawl_search", "crawl_resource"):
        statement = f"DELETE FROM {table} WHERE patient_id IN (SELECT id FROM crawl_patient WHERE identifier_id = ?)"
        run_many(conn, statement, numbers)
    run_many(conn, "DELETE FROM crawl_patient WHERE identifier_id = ?", numbers)
    run_many(conn, "DELETE FROM crawl_call WHERE identifier_id = ?", numbers)
