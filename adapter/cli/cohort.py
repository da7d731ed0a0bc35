"""`csor-adapter cohort`: which children are in, which are out, and why, in one sentence each. Needs no lock."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from adapter import config
from adapter.chart import sealed
from adapter.cohort.reasons import is_held
from adapter.cohort.silence import zero_case_alarm
from adapter.config import TrustSettings
from adapter.envelope import utc_us
from adapter.errors import ExitCode
from adapter.service.assembly import open_ring, open_store
from adapter.store import audit, crawls, persons
from adapter.store.database import Database
from adapter.store.facts import StoreFacts, facts
from adapter.store.persons import PersonRow
from adapter.store.sealing import KeyRing

_PAGE = 500
_NONE = "none"
_NO_SIGN = "no sign of any condition"


class Format(StrEnum):
    TEXT = "text"
    NDJSON = "ndjson"


class Case(NamedTuple):
    """One condition of one child, as settling last judged it."""

    condition: str
    state: str
    held: bool
    """For a person to look at."""
    because: str

    @property
    def is_near_miss(self) -> bool:
        return self.held or self.state in ("suspected", "probable", "refuted")


class NotWhole(NamedTuple):
    """One child at one FHIR server."""

    child: int
    source: str
    state: str
    """A CrawlState."""
    reason: str


class Child(NamedTuple):
    """One child that is included or held."""

    id: int
    included: bool
    cases: tuple[Case, ...]
    """Conditions for or against which anything speaks."""


def cohort(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    near_misses: Annotated[
        bool, typer.Option("--near-misses", help="Only the suspected, probable, refuted and held for a person.")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="Lines for a person, or one JSON object a line.")
    ] = Format.TEXT,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Instead: children of whom a FHIR server did not give all, and why.")
    ] = False,
    ask_again: Annotated[
        int | None,
        typer.Option("--ask-again", metavar="CHILD", help="Ask FHIR servers for this child again, whatever they said."),
    ] = None,
) -> None:
    """Why each child is in or out. It shows codes and dates of events: mind where it goes.

    Exit 3 if no child was newly confirmed for longer than `cohort: {alarm_after}` of the trust file.
    """
    settings = config.load_trust(config_file)
    if ask_again is not None:
        ask_servers_again(settings, ask_again)
        return
    if incomplete:
        sys.stdout.writelines(f"{line}\n" for line in _not_whole(read_not_whole(settings), form))
        return
    children = list(read_children(settings))
    shown = [child for child in children if not near_misses or any(case.is_near_miss for case in child.cases)]
    alarm = read_alarm(settings)
    found = {"counts": _counts(children), "alarms": [alarm] if alarm else []}
    lines = _ndjson(shown, found) if form is Format.NDJSON else _text(shown, found)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if alarm:
        raise typer.Exit(ExitCode.ALARM)


def read_children(settings: TrustSettings) -> Iterator[Child]:
    """Every child that is included or held, by local id."""
    database, ring = open_store(settings, migrate=False), open_ring(settings)
    try:
        yield from _children(database, ring)
    finally:
        database.close()
        ring.close()


def read_not_whole(settings: TrustSettings) -> list[NotWhole]:
    """Children of whom a FHIR server did not give all, by local id."""
    database = open_store(settings, migrate=False)
    try:
        with database.read() as conn:
            return [NotWhole(*found) for found in crawls.to_look_at(conn)]
    finally:
        database.close()


def ask_servers_again(settings: TrustSettings, child: int) -> None:
    """A person has seen to what stood in the way; audited."""
    database, ring = open_store(settings, migrate=False), open_ring(settings)
    try:
        now_us = utc_us(datetime.now(UTC))
        with database.write() as conn:
            count = crawls.ask_again(conn, child, at_us=now_us)
            if count:
                detail = {"person": child}
                audit.append(conn, key=ring.derived("audit"), at_us=now_us, kind="ask-again", detail=detail)
    finally:
        database.close()
        ring.close()
    if not count:
        raise typer.BadParameter(f"no FHIR server was asked for a child {child}", param_hint="--ask-again")
    typer.echo(f"child {child} is asked for again at the next turn")


def _not_whole(found: Iterable[NotWhole], form: Format) -> Iterator[str]:
    for each in found:
        if form is Format.NDJSON:
            yield json.dumps(each._asdict())
        else:
            yield f"child {each.child}  {each.source}  {each.state}" + (f"  {each.reason}" if each.reason else "")


def read_alarm(settings: TrustSettings) -> str:
    """The zero-case alarm, or nothing."""
    database = open_store(settings, migrate=False)
    try:
        with database.read() as conn:
            return alarm_of(facts(conn), settings=settings, now=datetime.now(UTC))
    finally:
        database.close()


def alarm_of(found: StoreFacts, *, settings: TrustSettings, now: datetime) -> str:
    """The zero-case alarm from the counts of the store."""
    return zero_case_alarm(
        last_confirmed=_moment(found.last_confirmed_us),
        watched_since=_moment(found.watched_since_us),
        now=now,
        after=settings.cohort.alarm_after,
    )


def _moment(moment_us: int | None) -> datetime | None:
    return None if moment_us is None else datetime.fromtimestamp(moment_us / 1_000_000, UTC)


def _children(database: Database, ring: KeyRing) -> Iterator[Child]:
    with database.read() as conn:
        after = 0
        while page := persons.all_of(conn, after_id=after, limit=_PAGE):
            for person in page:
                yield from _child(person, ring)
            after = page[-1].id


def _child(person: PersonRow, ring: KeyRing) -> Iterator[Child]:
    """None of a person that was never settled: of a merge alone nothing is kept."""
    if person.sealed is None or person.key_id is None:
        return
    summary = sealed.decode_summary(ring.unseal(person.key_id, person.sealed, sealed.PERSON))
    cases = tuple(
        Case(condition, state, is_held(because), because)
        for condition, state, because in summary.cases
        if state != _NONE
    )
    yield Child(person.id, summary.is_included, cases)


def _counts(children: Iterable[Child]) -> dict[str, Any]:
    counted: Counter[str] = Counter()
    states: dict[str, Counter[str]] = {}
    for child in children:
        counted["included" if child.included else "held"] += 1
        counted["for_a_person"] += any(case.held for case in child.cases)
        counted["near_misses"] += any(case.is_near_miss for case in child.cases)
        for case in child.cases:
            states.setdefault(case.condition, Counter())[case.state] += 1
    named = {name: counted[name] for name in ("included", "held", "for_a_person", "near_misses")}
    return {**named, "conditions": {name: dict(sorted(states[name].items())) for name in sorted(states)}}


def _ndjson(children: Iterable[Child], found: dict[str, Any]) -> Iterator[str]:
    for child in children:
        cases = [case._asdict() for case in child.cases]
        yield json.dumps({"child": child.id, "included": child.included, "conditions": cases})
    yield json.dumps(found)


def _text(children: Iterable[Child], found: dict[str, Any]) -> Iterator[str]:
    for child in children:
        head = f"child {child.id}  {'included' if child.included else 'out'}"
        if not child.cases:
            yield f"{head}  Not included: {_NO_SIGN}."
        for case in child.cases:
            yield f"{head}  {case.condition} {case.state}  {case.because}"
    counts = found["counts"]
    yield (
        f"{counts['included']} included, {counts['held']} held, {counts['for_a_person']} for a person to look at,"
        f" {counts['near_misses']} near misses"
    )
    for condition, states in counts["conditions"].items():
        yield f"{condition}: " + ", ".join(f"{count} {state}" for state, count in states.items())
    yield from (f"ALARM: {alarm}" for alarm in found["alarms"])
