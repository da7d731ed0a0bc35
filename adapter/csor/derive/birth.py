"""What the measurements of birth say of the infant: gestation, weight, Apgar scores."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from adapter.csor.derive.stated import Derived, Stated, span

_FIELDS = {
    "gestational_age_birth": "gestation_days",
    "birth_weight": "birth_weight_g",
    "apgar_1min": "apgar_1",
    "apgar_5min": "apgar_5",
}
_WHOLE = frozenset({"gestation_days", "apgar_1", "apgar_5"})
_FIRMNESS = {"preliminary": 0, None: 1, "final": 2, "amended": 3, "corrected": 4}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def birth_facts(measures: Iterable[Stated]) -> Derived | None:
    """The fields of the infant that measurements give, and no others; None where they give none.

    Of several statements the firmest counts, then the latest: what was put right wins over what was first written.
    """
    best: dict[str, Stated] = {}
    for stated in sorted(measures, key=_weight):
        name = _FIELDS.get(str(stated.fields.get("measure")))
        if name is not None and _value(name, stated) is not None:
            best[name] = stated
    if not best:
        return None
    fields: dict[str, Any] = {name: _value(name, best[name]) for name in _FIELDS.values() if name in best}
    return Derived("birth", fields, tuple(sorted({stated.key for stated in best.values()})))


def _weight(stated: Stated) -> tuple[int, datetime, str]:
    measured = span(stated.fields.get("measured_dt"))
    firmness = _FIRMNESS.get(stated.fields.get("status"), 1)
    return firmness, measured.first if measured is not None else _LONG_AGO, stated.key


def _value(name: str, stated: Stated) -> Any:
    """Only what is plausible and in its unit; gestation and scores are whole numbers."""
    value = stated.fields.get("value_canonical")
    if value is None or stated.fields.get("implausible"):
        return None
    if name not in _WHOLE:
        return value
    return int(value) if value == int(value) else None
