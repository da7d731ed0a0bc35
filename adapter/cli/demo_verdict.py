"""Did every expected row arrive, and no other? Inside the trust and at the receiver, each held to the truth.

The truth comes from the clinical courses alone; what the payload should hold is computed from it here, not by the
disclosure rules it judges.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from adapter.simulator import TruthRow

_HEAD = frozenset({"kind", "child", "row"})
_TIMES = frozenset({"knife_to_skin", "knife_end"})
"""Times whose names do not say so by `_dt` or `_datetime`."""
_STAYS_INSIDE = frozenset(
    {"spell_id", "ward_code", "accession", "study_uid", "drug_name", "drug_code", "drug_system", "route", "text"}
    | {"unit_original", "source_status", "issued_dt", "because", "link_source"}
)
_STAYS_INSIDE_OF = {"operation_note": frozenset({"recorded_dt"})}
_HELD = (("analyte", "unmapped"), ("drug_class", "unmapped"), ("study", "other"))
"""What no table names is held; the mother's link never leaves."""

Fields = tuple[tuple[str, str], ...]
Child = frozenset[tuple[tuple[str, Fields], int]]
"""Everything of one child: each row with how often it stands."""


class Verdict(NamedTuple):
    """What was found."""

    children: int
    conditions: Counter[str]
    """Confirmed cases inside the trust."""
    rows: Counter[str]
    """By kind, inside the trust."""
    held: int
    """Of those, how many must not leave yet."""
    filled: int
    fields: int
    """Fields of the dictionary in those rows, and how many of them the messages filled."""
    sent: Counter[str]
    """By kind, at the receiver."""
    faults: tuple[str, ...]


class Compared(NamedTuple):
    """Children as they should be and as they are."""

    where: str
    expected: Counter[Child]
    found: Counter[Child]

    @property
    def missing(self) -> Counter[tuple[str, Fields]]:
        """Rows that should be there; those of a child that is otherwise right are left out."""
        return _rows_of(self.expected - self.found) - _rows_of(self.found - self.expected)

    @property
    def extra(self) -> Counter[tuple[str, Fields]]:
        """Rows that should not."""
        return _rows_of(self.found - self.expected) - _rows_of(self.expected - self.found)

    def faults(self) -> list[str]:
        """How many children and rows of each kind, with no value of any."""
        missing, extra = self.expected - self.found, self.found - self.expected
        faults = []
        if missing or extra:
            faults.append(f"{self.where}: {missing.total()} children not as expected, {extra.total()} not expected")
        for word, rows in (("missing", self.missing), ("not expected", self.extra)):
            kinds = Counter(kind for kind, _ in rows.elements())
            faults += [f"{self.where}: {count} {kind} rows {word}" for kind, count in sorted(kinds.items())]
        return faults


def judge(
    truth: Sequence[TruthRow], inside: Sequence[Mapping[str, Any]], outside: Sequence[Mapping[str, Any]]
) -> Verdict:
    """Children are compared whole, so a row under the wrong child counts as one missing and one too many."""
    faults = [*compared_inside(truth, inside).faults(), *compared_outside(truth, outside).faults()]
    values = [value for row in inside for name, value in row.items() if name not in _HEAD and name != "state"]
    return Verdict(
        children=len({row["child"] for row in inside}),
        conditions=Counter(
            row["condition"] for row in inside if row["kind"] == "condition_case" and row["state"] == "confirmed"
        ),
        rows=Counter(row["kind"] for row in inside),
        held=sum(row["state"] == "held" for row in inside),
        filled=sum(value is not None for value in values),
        fields=len(values),
        sent=Counter(row["kind"] for row in outside if not row["deleted"]),
        faults=tuple(faults),
    )


def compared_inside(truth: Sequence[TruthRow], rows: Iterable[Mapping[str, Any]]) -> Compared:
    """The rows inside the trust, as `csor-adapter rows` prints them."""
    return Compared("inside the trust", _of_truth(truth), _of_rows(rows, _names(truth)))


def compared_outside(truth: Sequence[TruthRow], rows: Iterable[Mapping[str, Any]]) -> Compared:
    """The rows that the receiver gives out."""
    return Compared("at the receiver", _of_payload_truth(truth), _of_payload(rows, _names(truth)))


def _names(truth: Iterable[TruthRow]) -> dict[str, frozenset[str]]:
    """Which fields the truth determines, by kind."""
    names: dict[str, set[str]] = {}
    for row in truth:
        names.setdefault(row.kind, set()).update(row.fields)
    return {kind: frozenset(each) for kind, each in names.items()}


def _of_truth(truth: Iterable[TruthRow]) -> Counter[Child]:
    return _whole((row.child, row.kind, _plain(row.fields)) for row in truth)


def _of_rows(rows: Iterable[Mapping[str, Any]], known: Mapping[str, frozenset[str]]) -> Counter[Child]:
    return _whole(
        (str(row["child"]), row["kind"], _plain({name: row.get(name) for name in known.get(row["kind"], ())}))
        for row in rows
    )


def _of_payload_truth(truth: Sequence[TruthRow]) -> Counter[Child]:
    births = {row.child: _instant(row.fields["birth_datetime"]) for row in truth if row.kind == "infant"}
    return _whole(
        (row.child, row.kind, _plain(_leaving(row, births[row.child])))
        for row in truth
        if row.kind != "mother_baby_link" and not any(row.fields.get(name) == value for name, value in _HELD)
    )


def _leaving(row: TruthRow, birth: datetime) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for name, value in row.fields.items():
        if name == "birth_datetime":
            left["birth_year_month"] = str(value)[:7]
        elif _stays_inside(row.kind, name):
            continue
        elif _is_time(name):
            left[_in_minutes(name)] = None if value is None else (_instant(value) - birth) // timedelta(minutes=1)
        else:
            left[name] = value
    return left


def _stays_inside(kind: str, name: str) -> bool:
    return name in _STAYS_INSIDE or name in _STAYS_INSIDE_OF.get(kind, ())


def _is_time(name: str) -> bool:
    return name in _TIMES or name.endswith(("_dt", "_datetime"))


def _in_minutes(name: str) -> str:
    return name.removesuffix("_dt").removesuffix("_datetime") + "_minutes"


def _of_payload(rows: Iterable[Mapping[str, Any]], known: Mapping[str, frozenset[str]]) -> Counter[Child]:
    def seen(row: Mapping[str, Any]) -> dict[str, Any]:
        fields, kind = row["fields"], row["kind"]
        names = {name for name in known.get(kind, ()) if not _stays_inside(kind, name)}
        outside = {_in_minutes(name) if _is_time(name) else name for name in names - {"birth_datetime"}}
        if "birth_datetime" in names:
            outside.add("birth_year_month")
        return {name: fields.get(name) for name in outside}

    return _whole((row["csor_id"], row["kind"], _plain(seen(row))) for row in rows if not row["deleted"])


def _whole(rows: Iterable[tuple[str, str, Fields]]) -> Counter[Child]:
    """Children by all they have, without their names: twins may be equal, so they are counted."""
    of_child: dict[str, Counter[tuple[str, Fields]]] = {}
    for child, kind, fields in rows:
        of_child.setdefault(child, Counter())[(kind, fields)] += 1
    return Counter(frozenset(each.items()) for each in of_child.values())


def _plain(fields: Mapping[str, Any]) -> Fields:
    return tuple(sorted((name, _text(value)) for name, value in fields.items()))


def _text(value: Any) -> str:
    if value is None or value in ((), []):
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(sorted(map(_text, value)))
    if isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        return str(Decimal(str(value)).normalize())
    return str(value)


def _instant(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))


def _rows_of(children: Counter[Child]) -> Counter[tuple[str, Fields]]:
    rows: Counter[tuple[str, Fields]] = Counter()
    for child, times in children.items():
        for row, count in child:
            rows[row] += count * times
    return rows
