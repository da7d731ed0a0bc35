"""Structured operation notes: which question of which form is which field, and what its answers mean (R3, R20).

Every surgical record has its own form, so all of it is data. An answer that no table knows is a problem, never guessed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, StringConstraints

from adapter.assertion import Resource
from adapter.csor.fields import Condition
from adapter.csor.record_notes import OperationNote
from adapter.datafile import Positioned, did_you_mean, hyphenated, load_model
from adapter.errors import ExitCode, Finding, ProblemCode, SetupError
from adapter.mapping.csor_conversions import instant, to_decimal
from adapter.mapping.csor_decided import Decider, Lineage
from adapter.mapping.csor_outcome import NOTHING, Outcome, Step, problem
from adapter.mapping.csor_rules import As, FieldRule

Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Question(_Rule):
    """One field of the row."""

    name: Text
    question: Texts
    """linkId or text of the item; the first that is there."""
    answers: dict[str, str] = {}
    """Code or words of the answer → the value, or `unknown` where the answer says that nobody knows."""
    units: dict[str, Decimal] = {}
    """Unit of the answer → factor to the unit of the field."""


class NoteTable(_Rule):
    """One file: the questionnaire of one condition."""

    kind: Literal["operation-note"]
    means: Text
    condition: Condition
    questionnaires: tuple[Text, ...]
    """Canonical addresses, without version."""
    fields: tuple[Question, ...]


class _Answered(NamedTuple):
    """One answer and where it stands."""

    path: str
    value: Any


NOT_KNOWN = "unknown"
_TYPES: Mapping[str, Any] = {
    name: next((each for each in get_args(info.annotation) if each is not type(None)), info.annotation)
    for name, info in OperationNote.model_fields.items()
}
_NOT_ASKED = ("condition", "status", "recorded_dt")
NOTE_FIELDS = tuple(_TYPES)
_YES_NO = {"yes": "yes", "no": "no", "y": "yes", "n": "no", "true": "yes", "false": "no"}


class OperationNotes:
    """All tables of questions."""

    def __init__(self, tables: Iterable[NoteTable], *, timezone: ZoneInfo) -> None:
        self._tables = {address: table for table in tables for address in table.questionnaires}
        self._timezone = timezone

    def decide(
        self, resource: Resource, _: Mapping[str, Resource] | None = None, __: str | None = None
    ) -> Sequence[Any] | None:
        """The values of all fields in the order of the record; None where no table knows the questionnaire."""
        table = self._table(resource)
        if table is None:
            return None
        outcomes = self._outcomes(table, resource)
        values = [table.condition if name == "condition" else outcomes.get(name, NOTHING).value for name in NOTE_FIELDS]
        return [*values, tuple(each for outcome in outcomes.values() for each in outcome.problems)]

    def trace(self, rule: FieldRule, resource: Resource, *_: object) -> Lineage:
        """The answer, and the line of the table."""
        table = self._table(resource)
        assert table is not None  # noqa: S101 - there is a row
        if rule.name == "condition":
            return ("questionnaire",), (Step("look-up", _place(table), table.condition),)
        outcome = self._outcomes(table, resource)[rule.name]
        return (outcome.leaf,), outcome.steps

    def _table(self, resource: Resource) -> NoteTable | None:
        address = resource.get("questionnaire")
        return self._tables.get(address.partition("|")[0]) if isinstance(address, str) else None

    def _outcomes(self, table: NoteTable, resource: Resource) -> dict[str, Outcome]:
        asked = dict(_items(resource, ""))
        return {question.name: self._outcome(question, asked) for question in table.fields}

    def _outcome(self, question: Question, asked: Mapping[str, list[_Answered]]) -> Outcome:
        answers = next((asked[_key(each)] for each in question.question if _key(each) in asked), [])
        made = [self._converted(question, each)._replace(leaf=each.path) for each in answers]
        if len({str(each.value) for each in made}) > 1:
            text = "several answers that mean different things; none is taken"
            return Outcome(None, problem(ProblemCode.AMBIGUOUS_VALUE, text, at=_at(question)))
        return made[0] if made else NOTHING

    def _converted(self, question: Question, answered: _Answered) -> Outcome:
        wanted = _TYPES[question.name]
        if get_origin(wanted) is Literal or (wanted is bool and not isinstance(answered.value, bool)):
            return _chosen(question, answered)
        if wanted is bool:
            return Outcome(answered.value, (), (Step("flag", "", str(answered.value).lower()),))
        if wanted is Decimal or wanted is int:
            return _measured(question, answered, whole=wanted is int)
        return instant(answered.value, at=_at(question), timezone=self._timezone)


def _chosen(question: Question, answered: _Answered) -> Outcome:
    is_yes_no = _TYPES[question.name] is bool
    table = {
        _key(each): value
        for each, value in ({**_YES_NO, **question.answers} if is_yes_no else question.answers).items()
    }
    for words in _words(answered.value):
        found = table.get(_key(words))
        if found == NOT_KNOWN:
            return NOTHING
        if found is not None:
            value = found == "yes" if is_yes_no else found
            return Outcome(value, (), (Step("look-up", _place(question), str(value).lower() if is_yes_no else found),))
    text = "an answer that the table of the questionnaire does not know; add it there"
    return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, text, at=_at(question)))


def _measured(question: Question, answered: _Answered, *, whole: bool) -> Outcome:
    value = answered.value
    unit = ""
    if isinstance(value, dict):
        unit, value = str(value.get("unit") or value.get("code") or ""), value.get("value")
    number = to_decimal(value)
    if number is None:
        return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "the answer is not a number", at=_at(question)))
    factor = question.units.get(unit) if unit else Decimal(1)
    if factor is None:
        text = "no unit of this question; add it to the table"
        return Outcome(None, problem(ProblemCode.UNKNOWN_UNIT, text, at=_at(question)))
    canonical = number * factor if factor != 1 else number
    if not whole:
        return Outcome(canonical, (), (Step("number", "", str(number)), Step("multiply", str(factor), str(canonical))))
    if canonical != int(canonical):
        return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "not a whole number", at=_at(question)))
    return Outcome(int(canonical), (), (Step("number", "", str(int(canonical))),))


def _items(holder: Resource, path: str) -> Iterator[tuple[str, list[_Answered]]]:
    """Every item below, under its linkId and under its text, with its answers."""
    found = holder.get("item")
    for number, item in enumerate(found if isinstance(found, list) else ()):
        if not isinstance(item, dict):
            continue
        place = f"{path}item[{number}]"
        listed = item.get("answer")
        answers = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        given = [
            _Answered(f"{place}.answer[{nth}].{element}", value)
            for nth, answer in enumerate(answers)
            for element, value in answer.items()
            if element.startswith("value")
        ]
        for name in (item.get("text"), item.get("linkId")):
            if isinstance(name, str) and name.strip() and given:
                yield _key(name), given
        yield from _items(item, f"{place}.")
        for nth, answer in enumerate(answers):
            yield from _items(answer, f"{place}.answer[{nth}].")


def _words(value: Any) -> Iterator[str]:
    """A coded answer by its code, then by its words."""
    if isinstance(value, dict):
        yield from (value[each] for each in ("code", "display") if isinstance(value.get(each), str))
    elif isinstance(value, str):
        yield value


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()


def _at(question: Question) -> str:
    return f"QuestionnaireResponse.item({question.question[0]})"


def _place(rule: Positioned) -> str:
    return f"{Path(rule._file).name}:{rule._line}"


def notes_decider(notes: OperationNotes) -> Decider:
    """The fields of one operation note."""
    return Decider(
        frozenset({As.ANSWER}),
        notes.decide,
        lambda rule: NOTE_FIELDS.index(rule.name),
        notes.trace,
        otherwise="no table of the questionnaire",
    )


def load_operation_notes(folder: Path, *, timezone: ZoneInfo, own: Sequence[Path] = ()) -> OperationNotes:
    """Reads every table of the folder and the trust's, which stand above them; SetupError with all faults."""
    findings: list[Finding] = []
    tables: list[NoteTable] = []
    for path in [*sorted(folder.glob("*.yaml")), *own]:
        try:
            tables.append(load_model(path, NoteTable, exit_code=ExitCode.MAPPING))
        except SetupError as error:
            findings += error.findings or [Finding(file=str(path), line=0, column=0, text=str(error))]
    for table in tables:
        findings += _faults(table)
    if findings:
        raise SetupError("the operation notes cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return OperationNotes(tables, timezone=timezone)


def _faults(table: NoteTable) -> Iterator[Finding]:
    asked = [name for name in NOTE_FIELDS if name not in _NOT_ASKED]
    for question in table.fields:
        if question.name not in asked:
            yield _finding(question, f'no question gives "{question.name}"', did_you_mean(question.name, asked))
            continue
        wanted = _TYPES[question.name]
        choices = get_args(wanted) if get_origin(wanted) is Literal else ("yes", "no") if wanted is bool else ()
        if choices and wanted is not bool and not question.answers:
            yield _finding(question, f'"{question.name}" needs `answers`')
        for answer in question.answers.values():
            if answer not in (*choices, NOT_KNOWN):
                hint = did_you_mean(answer, choices)
                yield _finding(question, f'"{answer}" is no value of {question.name}', hint)


def _finding(question: Question, text: str, hint: str = "") -> Finding:
    return Finding(file=question._file, line=question._line, column=question._column, text=text, hint=hint)
