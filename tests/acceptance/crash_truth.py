"""The truth as the register should hold it, and the receiver's rows in the same form, compared child by child.

A child is the multiset of its rows: no pseudonym is needed to say that two lists of children are the same. The payload
form of the truth, minutes from birth above all, is computed here, not by the adapter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from adapter.simulator import TruthRow

Row = tuple[str, tuple[tuple[str, str], ...]]
Children = Counter[frozenset[tuple[Row, int]]]

PLAIN = {
    "infant": ("sex", "birth_precision"),
    "admission": ("treatment_function",),
    "diagnosis": ("code",),
    "operation": ("procedure_code", "status"),
    "lab_result": ("analyte", "value_num", "comparator", "value_canonical", "unit_ucum", "specimen_type", "status"),
    "condition_case": ("condition", "state"),
}
"""Leave as they are."""
TIMES = {
    "admission": {"admit_dt": "admit_minutes", "discharge_dt": "discharge_minutes"},
    "operation": {"knife_to_skin": "knife_to_skin_minutes"},
    "lab_result": {"collected_dt": "collected_minutes"},
}
"""Leave as minutes from birth, under another name."""


def truth_outside(truth: Iterable[TruthRow]) -> Children:
    """The rows that the register should hold: no unmapped results, no times but minutes from birth."""
    rows = list(truth)
    births = {row.child: datetime.fromisoformat(str(row.fields["birth_datetime"])) for row in rows if not row.key}
    return _children(
        (row.child, row.kind, _payload(row, births[row.child]))
        for row in rows
        if row.fields.get("analyte") != "unmapped"
    )


def rows_outside(rows: Iterable[Mapping[str, Any]]) -> Children:
    """What the receiver holds and was not told to delete."""
    return _children(
        (row["csor_id"], row["kind"], {name: row["fields"].get(name) for name in _outside(row["kind"])})
        for row in rows
        if not row["deleted"]
    )


def unchanged_twice(applied: Iterable[Mapping[str, Any]]) -> list[str]:
    """Records of which the same content, or no higher version, was applied twice in a row."""
    last: dict[str, tuple[int, str]] = {}
    found = []
    for entry in applied:
        version, content = last.get(entry["record_id"], (0, ""))
        if entry["version"] <= version or entry["content"] == content:
            found.append(f"{entry['record_id']}: version {entry['version']} after {version}")
        last[entry["record_id"]] = (entry["version"], entry["content"])
    return found


def difference(expected: Children, found: Children) -> str:
    """How many children and rows of each kind are missing or too many; no value of any."""
    missing, surplus = expected - found, found - expected
    return (
        f"{missing.total()} children missing, {surplus.total()} too many;"
        f" rows missing {_by_kind(missing, surplus)}, too many {_by_kind(surplus, missing)}"
    )


def _by_kind(these: Children, others: Children) -> dict[str, int]:
    ours, theirs = Counter[Row](), Counter[Row]()
    for children, into in ((these, ours), (others, theirs)):
        for child in children.elements():
            into.update(dict(child))
    kinds: Counter[str] = Counter()
    for row, count in (ours - theirs).items():
        kinds[row[0]] += count
    return dict(kinds)


def _outside(kind: str) -> tuple[str, ...]:
    more = ("birth_year_month",) if kind == "infant" else ()
    return (*PLAIN[kind], *TIMES.get(kind, {}).values(), *more)


def _payload(row: TruthRow, birth: datetime) -> dict[str, Any]:
    fields: dict[str, Any] = {name: row.fields.get(name) for name in PLAIN[row.kind]}
    for name, outside in TIMES.get(row.kind, {}).items():
        fields[outside] = _minutes(row.fields.get(name), birth)
    if row.kind == "infant":
        fields["birth_year_month"] = str(row.fields["birth_datetime"])[:7]
    return fields


def _minutes(moment: object, birth: datetime) -> int | None:
    if moment is None:
        return None
    return (datetime.fromisoformat(str(moment)) - birth) // timedelta(minutes=1)


def _children(rows: Iterable[tuple[object, str, Mapping[str, Any]]]) -> Children:
    grouped: dict[object, Counter[Row]] = {}
    for child, kind, fields in rows:
        said = tuple(sorted((name, _text(value)) for name, value in fields.items() if value is not None))
        grouped.setdefault(child, Counter())[kind, said] += 1
    return Counter(frozenset(rows_of.items()) for rows_of in grouped.values())


def _text(value: object) -> str:
    if isinstance(value, (int, float, Decimal)):
        return str(Decimal(str(value)).normalize())
    return str(value)
