"""`csor-adapter completeness`: how much of the record was filled without a human, field by field.

A field counts only where a connected source can carry it at all (ruling R19): what comes from maternity systems or
from parents is not missing from a laboratory's feed. An empty field is told apart by why it is empty.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from adapter import config
from adapter.cli.kept_rows import Kept, plain_console, reading
from adapter.config import FolderSource, Listening, TrustSettings
from adapter.csor import KINDS, Availability, field_availability
from adapter.errors import ProblemCode
from adapter.mapping import CsorMaps
from adapter.service.assembly import Mappings


class Why(StrEnum):
    """What became of one field of one row."""

    FILLED = "filled"
    NOT_SENT = "not sent"
    UNMAPPED = "unmapped"
    """It was sent under a code, unit or specimen that no table names."""
    REJECTED = "rejected"
    """It was sent in a form that cannot be read."""
    ABSENT = "absent"
    """The source says that there is none."""


_UNMAPPED = frozenset(
    {
        ProblemCode.UNKNOWN_CODE.value,
        ProblemCode.UNKNOWN_UNIT.value,
        ProblemCode.UNKNOWN_SPECIMEN.value,
        ProblemCode.WRONG_SPECIMEN.value,
    }
)
_REJECTED = frozenset(
    {
        ProblemCode.BAD_TIME.value,
        ProblemCode.MISSING_HOUR.value,
        ProblemCode.NOT_A_NUMBER.value,
        ProblemCode.AMBIGUOUS_VALUE.value,
        ProblemCode.NUMBER_SHARED.value,
    }
)
_SAYS_UNMAPPED = "unmapped"
"""The value of a closed list that says that nothing fits."""
_EMPTY_IS_AN_ANSWER = frozenset(
    {"absent_reason", "flags", "comparator", "abnormal_flag", "system_inferred", "unit_inferred", "death_datetime"}
    | {"index_for", "interference", "signs_present", "signs_absent", "signs_uncertain"}
)
"""Fields that are empty because there is nothing to say."""

_NEEDS_UNIT = ("value_canonical", "unit_ucum", "implausible")
"""What cannot be said of a number whose unit is unknown."""


class Line(NamedTuple):
    """One field."""

    kind: str
    field: str
    counts: Mapping[Why, int]

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    @property
    def share(self) -> float:
        """How many of a hundred rows have it."""
        return 100 * self.counts[Why.FILLED] / self.rows if self.rows else 0.0


def completeness(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for monitoring.")] = False,
) -> None:
    """Per field: filled without a human, not sent, unmapped, rejected, asserted absent. No patient data is shown."""
    settings = config.load_trust(config_file)
    lines = read_completeness(settings)
    if as_json:
        for line in lines:
            counts = {why.value: line.counts[why] for why in Why}
            typer.echo(json.dumps({"kind": line.kind, "field": line.field, "rows": line.rows, **counts}))
    else:
        plain_console().print(_table(lines))


def read_completeness(settings: TrustSettings, *, maps: CsorMaps | None = None) -> list[Line]:
    """Every field that a connected source can carry, of every kind of row, over the rows that are not deleted."""
    places = _places(maps or Mappings.load(settings).csor)
    carried = carried_by(settings)
    counts: dict[tuple[str, str], Counter[Why]] = {
        (kind, field): Counter()
        for kind in KINDS
        for field, available in field_availability(kind).items()
        if carried.intersection(available) and field not in _EMPTY_IS_AN_ANSWER
    }
    with reading(settings) as reader:
        for chart in reader.charts():
            for kept in chart.rows:
                for field, why in _judged(kept, places):
                    if (kept.row.kind, field) in counts:
                        counts[kept.row.kind, field][why] += 1
    return [Line(kind, field, said) for (kind, field), said in counts.items()]


def carried_by(settings: TrustSettings) -> set[Availability]:
    """What the connected sources can carry. Operation notes come as FHIR QuestionnaireResponses."""
    carried: set[Availability] = set()
    for source in settings.sources:
        if isinstance(source, Listening | FolderSource):
            carried.add(Availability.V2)
        if not isinstance(source, Listening):
            carried |= {Availability.FHIR, Availability.OPERATIVE_RECORD}
    return carried


def _places(maps: CsorMaps) -> dict[str, dict[str, set[str]]]:
    """For each kind of row, where in a resource which fields are read."""
    places: dict[str, dict[str, set[str]]] = {}
    for kind, mapped in maps.kinds.items():
        read = places.setdefault(kind, {})
        for rule in mapped.source.fields:
            read.setdefault(rule.name, set()).add(rule.name)
            for path in rule.path:
                for resource in mapped.source.from_:
                    read.setdefault(f"{resource}.{path}", set()).add(rule.name)
    return places


def _judged(kept: Kept, places: Mapping[str, Mapping[str, set[str]]]) -> Iterator[tuple[str, Why]]:
    fields, kind = kept.content.fields, kept.row.kind
    blamed = _blamed(kept.content.problems, places.get(kind, {}))
    is_absent = bool(fields.get("absent_reason"))
    for field in field_availability(kind):
        value = fields.get(field)
        if value == _SAYS_UNMAPPED:
            yield field, Why.UNMAPPED
        elif value not in (None, [], ""):
            yield field, Why.FILLED
        elif field in blamed:
            yield field, blamed[field]
        elif is_absent and field.startswith(("value", "unit", "comparator")):
            yield field, Why.ABSENT
        else:
            yield field, Why.NOT_SENT


def _blamed(problems: Iterable[Sequence[str]], read: Mapping[str, set[str]]) -> dict[str, Why]:
    blamed: dict[str, Why] = {}
    for code, _, at in problems:
        why = Why.UNMAPPED if code in _UNMAPPED else Why.REJECTED if code in _REJECTED else None
        if why is not None:
            blamed |= dict.fromkeys(read.get(at, ()), why)
        if code == ProblemCode.UNKNOWN_UNIT.value:
            blamed |= dict.fromkeys(_NEEDS_UNIT, Why.UNMAPPED)
    return blamed


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("row")
    table.add_column("field")
    for title in ("rows", "filled %", *(why.value for why in Why if why is not Why.FILLED)):
        table.add_column(title, justify="right")
    before = ""
    for line in (each for each in lines if each.rows):
        told: list[Any] = [line.rows, f"{line.share:.0f}"]
        told += [line.counts[why] or "" for why in Why if why is not Why.FILLED]
        table.add_row(line.kind if line.kind != before else "", line.field, *map(str, told))
        before = line.kind
    filled, rows = sum(line.counts[Why.FILLED] for line in lines), sum(line.rows for line in lines)
    table.add_row("all", "", str(rows), f"{100 * filled / rows:.0f}" if rows else "-")
    return table
