"""What came of a child, as far as a clean feed states it: death, discharge, transfer, stoma, reoperation."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from adapter.csor.derive.rules import OutcomeRules
from adapter.csor.derive.stated import Derived, Stated, begins, keys
from adapter.csor.derive.theatre import Visit, has_any, visits


class Course(NamedTuple):
    """All rows of one child that an outcome may be read from."""

    infant: Stated | None
    admissions: Sequence[Stated]
    operations: Sequence[Stated]
    """With `index_for` filled."""
    conditions: Sequence[str] = ()
    """Those the child is taken to have."""


def outcomes(child: Course, *, rules: OutcomeRules) -> list[Derived]:
    """The rows, sorted by key."""
    theatre = visits(child.operations, rules=rules)
    found = [
        *_death(child, rules),
        *(event for admission in child.admissions for event in _of_admission(admission, rules)),
        *(event for visit in theatre for event in _stoma(visit, child, rules)),
        *_reoperations(theatre),
    ]
    return sorted(found, key=lambda event: event.key)


def _event(
    event_type: str, when: str | None, rule: str, *, key: str = "", made_from: Sequence[Stated], of: str | None = None
) -> Derived:
    fields: dict[str, Any] = {"event_type": event_type, "event_dt": when, "condition": of, "rule": rule}
    return Derived(f"{event_type}|{key}" if key else event_type, fields, keys(made_from))


def _death(child: Course, rules: OutcomeRules) -> Iterator[Derived]:
    """Once: the patient's own record before the end of a stay, and a time before the mere fact."""
    infant = child.infant
    ended = [each for each in child.admissions if each.fields.get("discharge_method") in rules.died]
    ended.sort(key=begins("discharge_dt"))
    is_dead = infant is not None and bool(infant.fields.get("deceased"))
    if infant is not None and is_dead and (infant.fields.get("death_datetime") or not ended):
        when = infant.fields.get("death_datetime")
        yield _event("death", when, "patient-deceased", made_from=[infant])
    elif ended:
        yield _event("death", ended[0].fields.get("discharge_dt"), "discharge-method", made_from=ended[:1])


def _of_admission(admission: Stated, rules: OutcomeRules) -> Iterator[Derived]:
    fields = admission.fields
    if fields.get("class") not in rules.stays:
        return
    if fields.get("source_of_admission") in rules.from_hospital:
        when = fields.get("admit_dt")
        yield _event("transfer_in", when, "source-of-admission", key=admission.key, made_from=[admission])
    destination, when = fields.get("discharge_destination"), fields.get("discharge_dt")
    if when is None or fields.get("discharge_method") in rules.died:
        return
    if destination in rules.home:
        yield _event("discharge_home", when, "discharge-destination", key=admission.key, made_from=[admission])
    elif destination in rules.to_hospital:
        yield _event("transfer_out", when, "discharge-destination", key=admission.key, made_from=[admission])


def _stoma(visit: Visit, child: Course, rules: OutcomeRules) -> Iterator[Derived]:
    """One event of each sort in a visit, however many codes name it."""
    of = child.conditions[0] if len(set(child.conditions)) == 1 else None
    for event_type, wanted in sorted(rules.stoma.items()):
        named = [each for each in visit.operations if has_any(each, wanted)]
        if named:
            first = named[0]
            when = first.fields.get("knife_to_skin")
            yield _event(event_type, when, "procedure-code", key=first.key, made_from=named, of=of)


def _reoperations(theatre: Sequence[Visit]) -> Iterator[Derived]:
    """Every visit after an index operation that is not itself the index operation of another condition."""
    before: dict[str, Stated] = {}
    for visit in theatre:
        indexed = {condition: each for each in visit.operations for condition in each.fields.get("index_for") or ()}
        if before and not indexed:
            first = visit.first
            yield _event(
                "reoperation",
                first.fields.get("knife_to_skin"),
                "after-index-operation",
                key=first.key,
                made_from=[*visit.operations, *{each.key: each for each in before.values()}.values()],
                of=next(iter(before)) if len(before) == 1 else None,
            )
        before |= indexed
