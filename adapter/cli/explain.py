"""`csor-adapter explain`: where a row's values came from, down to the byte.

With `--json` one object a line for each field, so that an outsider can do every step again:

    {"kind", "row", "child", "state", "field", "value",
     "r4b": ["message 23, Observation/7/valueQuantity/x: extra_forbidden"],   where FHIR R4B has something against it
     "rule": "lab_result.yaml:12",              file:line of the rule that made the field
     "messages": [17, 23],                      every message that speaks about the row
     "values": [                                one; of a field that is a list of codes one for each value inside
       {"at": "" | "[0].code", "value": …,
        "cuts": [{"message": 23, "feed": "adt", "media": "hl7v2", "element": "valueQuantity.value",
                  "position": "OBX[3]-5", "start": 310, "end": 314, "rule": "OBX.yaml:41",
                  "steps": [{"name", "argument", "result"}, …],
                  "then": [the same, by the rule of a field], "then_rule": that rule, where it is another field's}],
        "steps": [{"name", "argument", "result"}, …]}]}

The steps of a cut lead from its bytes to the value in the canonical resource, those of the value from there (from the
first cut) to the row; `then` comes between, where several cuts count. Of a derived field the rule is that of the field
it was taken from. Names of steps: `adapter/mapping/trace.py`, `adapter/mapping/csor_outcome.py`, and here

    json         the value at that pointer (argument)
    stu3-to-r4   what R4 makes of it (argument: the element then → now); without bytes where nobody sent it
    constant     the result, whatever the source says
    state        the rule's line states the result
    day          a date in words
    sentence     the argument with `{0}`, `{1}` … replaced by the cuts in order
    term         the entry of texts.yaml at that line (argument) has a phrase that stands in the text
    derived      the value as it is: taken from a row that this one was derived from (argument: the derivation)
    count        how many different moments the cuts are
    index-operation  rules.yaml (`index-operation`) has a list for the result, and the code is on it
    event        by the rule of that name (argument) in rules.yaml: the code is on its list; `patient-deceased`: true or
                 a time; `after-index-operation`: of the cuts, the code is on a list of `index-operation`, and the last
                 time is after the one before it
    only-condition   the result is the one condition that the child is taken to have; the cuts are what says so
    mother       by the place (argument): `pid-21`, `nk1`, or for a RelatedPerson `related-person`; of PID-21 the bytes
                 are named and their text is not shown
    not-found    the argument says why
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter import config
from adapter.chart import sealed
from adapter.config import TrustSettings
from adapter.dispatch import record_bytes
from adapter.errors import ExitCode, SetupError
from adapter.mapping.csor_outcome import Step
from adapter.mapping.trace import Origin
from adapter.service.assembly import Mappings, identity_settings, made_by, open_ring, open_store
from adapter.service.fhir_versions import Versions
from adapter.settle.bodies import Cut
from adapter.settle.lineage import Explained, Explainer, Guides
from adapter.settle.lineage_values import FieldLineage, Value
from adapter.settle.projection import RowState


def explain(
    row: Annotated[str, typer.Argument(metavar="ROW", help="The row's id, as `rows` prints it.")],
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    field: Annotated[str, typer.Argument(metavar="[FIELD]", help="One field; without it all that have a value.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each field.")] = False,
) -> None:
    """Where a row's values came from: message, position, bytes, rules and every step. It shows patient data."""
    settings = config.load_trust(config_file)
    with explainer(settings) as asked:
        found = asked.explain(_record_id(row))
    if found is None:
        raise SetupError(f"there is no row {row}", exit_code=ExitCode.FILES_FAILED)
    if found.state is RowState.DELETED:
        raise SetupError(f"row {row} is deleted: nothing that is live says it", exit_code=ExitCode.FILES_FAILED)
    fields = [each for each in found.fields if field in ("", each.field)]
    if not fields:
        known = ", ".join(each.field for each in found.fields) or "none at all: it is held, and empty"
        raise SetupError(f'row {row} has no value in "{field}"; it has {known}', exit_code=ExitCode.FILES_FAILED)
    if not found.is_of_today:
        typer.echo("adapter, mappings or trust file have changed since this row was made", err=True)
    for line in _json_lines(row, found, fields) if as_json else _text_lines(row, found, fields):
        sys.stdout.write(line + "\n")


@contextmanager
def explainer(settings: TrustSettings) -> Iterator[Explainer]:
    """Explains rows of this trust's store; needs no lock and changes nothing."""
    mappings = Mappings.load(settings)

    def traced(feed: str, body: bytes) -> list[Origin]:
        return mappings.feeds.of(feed).trace(body)

    guides = Guides(
        mappings.csor,
        mappings.cohort,
        identity_settings(settings),
        made_by(settings, mappings),
        traced,
        Versions(settings).parts,
    )
    ring = open_ring(settings)
    database = open_store(settings, migrate=False)
    try:
        with database.read() as conn:
            yield Explainer(conn, ring, guides=guides)
    finally:
        database.close()
        ring.close()


def explained_json(row: str, found: Explained) -> list[dict[str, Any]]:
    """One object for each field, in the shape that this module's first lines tell."""
    head: dict[str, Any] = {"kind": found.kind, "row": row, "child": found.person_id, "state": found.state.name.lower()}
    if found.verdicts:
        head["r4b"] = list(found.verdicts)
    return [
        {**head, **each._asdict(), "messages": found.messages, "values": [_value_json(value) for value in each.values]}
        for each in found.fields
    ]


def _value_json(value: Value) -> dict[str, Any]:
    cuts = [{**cut._asdict(), "steps": _steps_json(cut.steps), "then": _steps_json(cut.then)} for cut in value.cuts]
    return {"at": value.at, "value": value.value, "cuts": cuts, "steps": _steps_json(value.steps)}


def _steps_json(steps: Iterable[Step]) -> list[dict[str, str]]:
    return [step._asdict() for step in steps]


def _json_lines(row: str, found: Explained, fields: Sequence[FieldLineage]) -> Iterator[str]:
    names = {each.field for each in fields}
    for each in explained_json(row, found):
        if each["field"] in names:
            yield sealed.ENCODER.encode(each).decode()


def _text_lines(row: str, found: Explained, fields: Sequence[FieldLineage]) -> Iterator[str]:
    said_in = ", ".join(map(str, found.messages))
    yield f"{found.kind} {row}, child {found.person_id}, {found.state.name.lower()}; from message {said_in}"
    for verdict in found.verdicts:
        yield f"not as FHIR R4B defines it: {verdict}"
    for each in fields:
        yield ""
        yield f"{each.field} = {_plain(each.value)}"
        for value in each.values:
            if value.at:
                yield f"  {value.at} = {_plain(value.value)}"
            for cut in value.cuts:
                yield from _cut_lines(cut, each.rule)
            for step in value.steps:
                yield f"    {each.rule:<24} {_step_text(step)}"


def _cut_lines(cut: Cut, rule: str) -> Iterator[str]:
    spot = f"{cut.position}, bytes {cut.start} to {cut.end}" if cut.end else cut.position or "no bytes"
    yield f"    message {cut.message}, feed {cut.feed}, {spot}: {cut.element}"
    for place, steps in ((cut.rule, cut.steps), (cut.then_rule or rule, cut.then)):
        for step in steps:
            yield f"    {place:<24} {_step_text(step)}"


def _step_text(step: Step) -> str:
    said = f"{step.name} {step.argument}".strip()
    return f"{said} → {step.result}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else sealed.ENCODER.encode(value).decode()


def _record_id(row: str) -> bytes:
    try:
        return record_bytes(row)
    except ValueError:
        raise typer.BadParameter("not the id of a row", param_hint="ROW") from None
