"""One examination, out of what its order, its pictures and its report say of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapter.csor.derive.stated import Derived, Stated, keys

_ORDER = {"ImagingStudy": 0, "DiagnosticReport": 1, "ServiceRequest": 2}
"""Who was nearer to the examination is asked first."""
_UNLISTED = "other"


def examination(parts: Iterable[tuple[str, Stated]]) -> Derived | None:
    """The `imaging_study` row of one natural key, from the rows of each resource (with its type) under that key.

    A field is that of the nearest source that has it; a study that one of them could name is not left `other`; codes
    and modalities are those of all.
    """
    sources = sorted(parts, key=lambda part: (_ORDER.get(part[0], len(_ORDER)), part[1].key))
    if not sources:
        return None
    rows = [stated.fields for _, stated in sources]
    fields: dict[str, Any] = {name: _first(rows, name) for name in rows[0]}
    named = [row["study"] for row in rows if row.get("study") not in (None, _UNLISTED)]
    fields["study"] = named[0] if named else _UNLISTED
    fields["codes"] = _all(rows, "codes")
    fields["modality"] = _all(rows, "modality")
    stated = [each for _, each in sources]
    return Derived("study", fields, keys(stated))


def _first(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    return next((row[name] for row in rows if row.get(name) is not None), None)


def _all(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any] | None:
    found: list[Any] = []
    for row in rows:
        found += [each for each in row.get(name) or () if each not in found]
    return found or None
