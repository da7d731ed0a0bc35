"""`csor-adapter codes`: what was sent under codes, units and samples that no table names, worst first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from adapter import config
from adapter.cli.kept_rows import Kept, plain_console, reading
from adapter.config import TrustSettings
from adapter.dispatch import record_text
from adapter.errors import ProblemCode

_WHAT = {
    ProblemCode.UNKNOWN_CODE.value: "code",
    ProblemCode.UNKNOWN_UNIT.value: "unit",
    ProblemCode.UNKNOWN_SPECIMEN.value: "sample not told",
    ProblemCode.WRONG_SPECIMEN.value: "sample not of blood",
}


class Sent(NamedTuple):
    """What was sent, as a table of the trust would name it."""

    what: str
    """`code`, `unit`, `sample …`."""
    kind: str
    system: str
    code: str
    words: str
    unit: str


@dataclass(slots=True)
class Use:
    """How often, and for whom."""

    children: set[int] = field(default_factory=set)
    rows: int = 0
    example: str = ""
    """The id of a row, for `explain`."""


def codes(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Unmapped codes, units and samples by children affected, each with a row to `explain`.

    Add a line for each to the trust's own tables. The words are the sender's: mind where they go.
    """
    found = read_codes(config.load_trust(config_file))
    if as_json:
        for sent, use in found:
            told = {**sent._asdict(), "children": len(use.children), "rows": use.rows, "example": use.example}
            typer.echo(json.dumps(told))
    elif found:
        plain_console().print(_table(found))
    else:
        typer.echo("every code, unit and sample is mapped")


def read_codes(settings: TrustSettings) -> list[tuple[Sent, Use]]:
    """Most children first."""
    found: dict[Sent, Use] = {}
    with reading(settings) as reader:
        for chart in reader.charts():
            for kept in chart.rows:
                for sent in _unmapped(kept):
                    use = found.setdefault(sent, Use())
                    use.children.add(chart.person.id)
                    use.rows += 1
                    use.example = use.example or record_text(kept.row.record_id)
    return sorted(found.items(), key=lambda each: (-len(each[1].children), -each[1].rows, each[0]))


def _unmapped(kept: Kept) -> Iterator[Sent]:
    wrong = dict.fromkeys(_WHAT[code] for code, _, _ in kept.content.problems if code in _WHAT)
    fields = kept.content.fields
    system, code, words = _named(fields)
    for what in wrong:
        unit = str(fields.get("unit_original") or "") if what != "code" else ""
        yield Sent(what, kept.row.kind, system, code, words, unit)


def _named(fields: dict[str, Any]) -> tuple[str, str, str]:
    """The local code is the one to map: national codes, where they are sent too, come first in the list of codings."""
    codings = fields.get("codes") or []
    if codings:
        last = codings[-1]
        return str(last.get("system") or ""), str(last.get("code") or ""), str(last.get("display") or "")
    named = (fields.get("drug_system"), fields.get("drug_code"), fields.get("drug_name"))
    system, code, words = (str(each or "") for each in named)
    return system, code, words


def _table(found: list[tuple[Sent, Use]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("children", "rows"):
        table.add_column(title, justify="right")
    for title in ("what", "row", "system", "code", "words", "unit", "example"):
        table.add_column(title)
    for sent, use in found:
        table.add_row(str(len(use.children)), str(use.rows), *sent, use.example)
    return table
