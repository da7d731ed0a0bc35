"""Courses of drugs and of parenteral nutrition, out of single doses and orders."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from adapter.csor.derive.stated import Derived, Stated, begins, keys, span

COURSE_GAP = timedelta(hours=48)
"""After so long without a dose the next one begins a new course: gentamicin for the newborn is given up to every 36 to
48 hours, and a day without a bag of nutrition (line changed, one night of feeds) is no new course."""

_NUTRITION = "parenteral_nutrition"
_FROM_FIRST = ("drug_class", "drug_code", "drug_system", "drug_name", "route")
_by_start = begins("start_dt")


class _Run(NamedTuple):
    """Doses without a gap among them."""

    doses: tuple[Stated, ...]
    until: datetime
    last: Stated
    """The one that ends it."""


def courses(doses: Iterable[Stated], *, gap: timedelta = COURSE_GAP) -> list[Derived]:
    """One row per course, from rows of single doses (`basis` administered) and of orders (`basis` ordered).

    Doses that were recorded as given decide; an order counts only where no dose of it was recorded. What has no start
    cannot be placed and makes no course beside others that can.
    """
    grouped: dict[tuple[str, ...], list[Stated]] = {}
    for dose in doses:
        grouped.setdefault(_drug(dose.fields), []).append(dose)
    found = [course for same in grouped.values() for course in _of_one_drug(same, gap)]
    return sorted(found, key=lambda course: course.key)


def _drug(fields: Any) -> tuple[str, ...]:
    """What makes two doses the same drug; nutrition is one, whatever bag hangs."""
    drug_class = str(fields.get("drug_class"))
    if drug_class == _NUTRITION:
        return (drug_class,)
    if fields.get("drug_code"):
        return (drug_class, str(fields.get("drug_system") or ""), str(fields["drug_code"]))
    return (drug_class, "", " ".join(str(fields.get("drug_name") or "").split()).casefold())


def _of_one_drug(doses: Sequence[Stated], gap: timedelta) -> Iterator[Derived]:
    placed = [dose for dose in doses if span(dose.fields.get("start_dt")) is not None]
    if not placed:
        first = min(doses, key=_by_start)
        yield _course(first, doses, end=None, absorbed=())
        return
    given = list(_runs([dose for dose in placed if dose.fields.get("basis") == "administered"], gap))
    ordered = [dose for dose in placed if dose.fields.get("basis") != "administered"]
    homes = {order.key: _home(order, given, gap) for order in ordered}
    for number, run in enumerate(given):
        absorbed = [order for order in ordered if homes[order.key] == number]
        yield _course(run.doses[0], run.doses, end=_end(run.last), absorbed=absorbed)
    for run in _runs([order for order in ordered if homes[order.key] is None], gap):
        # An order without an end goes on: nobody knows when the course ended.
        is_open = any(order.fields.get("end_dt") is None for order in run.doses)
        yield _course(run.doses[0], run.doses, end=None if is_open else _end(run.last), absorbed=())


def _runs(doses: Iterable[Stated], gap: timedelta) -> Iterator[_Run]:
    run: _Run | None = None
    for dose in sorted(doses, key=_by_start):
        start, until = _extent(dose)
        if run is None or start - run.until > gap:
            if run is not None:
                yield run
            run = _Run((dose,), until, dose)
        else:
            ends = until > run.until
            run = _Run((*run.doses, dose), max(until, run.until), dose if ends else run.last)
    if run is not None:
        yield run


def _extent(dose: Stated) -> tuple[datetime, datetime]:
    start = span(dose.fields.get("start_dt"))
    end = span(dose.fields.get("end_dt"))
    assert start is not None  # noqa: S101 - only what has a start comes here
    return start.first, max(start.last, end.last) if end is not None else start.last


def _home(order: Stated, given: Sequence[_Run], gap: timedelta) -> int | None:
    """The course of recorded doses that an order is about."""
    start, until = _extent(order)
    for number, run in enumerate(given):
        first, _ = _extent(run.doses[0])
        if start - run.until <= gap and first - until <= gap:
            return number
    return None


def _end(dose: Stated) -> str | None:
    end: str | None = dose.fields.get("end_dt") or dose.fields.get("start_dt")
    return end


def _course(first: Stated, doses: Sequence[Stated], *, end: str | None, absorbed: Sequence[Stated]) -> Derived:
    basis = first.fields.get("basis")
    # Two feeds may tell of one dose: what begins at the same moment is counted once.
    starts = {span(dose.fields.get("start_dt")) for dose in doses}
    fields: dict[str, Any] = {name: first.fields.get(name) for name in _FROM_FIRST}
    fields |= {
        "basis": basis,
        "start_dt": first.fields.get("start_dt"),
        "end_dt": end,
        "administrations": len(starts) if basis == "administered" else None,
    }
    return Derived(first.key, fields, keys([*doses, *absorbed]))
