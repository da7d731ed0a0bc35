"""Structured operation notes: the answers of one QuestionnaireResponse as fields, by the table of its form (R3, R20).

An answer that no table knows is a problem, never guessed; several answers that contradict each other give no value.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_origin
from zoneinfo import ZoneInfo

from adapter.assertion import Resource
from adapter.errors import ProblemCode
from adapter.mapping.csor_conversions import instant, to_decimal
from adapter.mapping.csor_decided import Decider, Lineage
from adapter.mapping.csor_outcome import NOTHING, Outcome, Step, problem
from adapter.mapping.csor_rules import As, FieldRule
from adapter.mapping.operation_note_tables import NOT_KNOWN, TYPES, AskedField, Form, key_of, load_forms

NOTE_FIELDS = tuple(TYPES)


class _Answered(NamedTuple):
    """One answer and where it stands."""

    path: str
    value: Any


class OperationNotes:
    """All forms."""

    def __init__(self, forms: Iterable[Form], *, timezone: ZoneInfo) -> None:
        self._forms = {address: form for form in forms for address in form.addresses}
        self._timezone = timezone

    def decide(
        self, resource: Resource, _: Mapping[str, Resource] | None = None, __: str | None = None
    ) -> Sequence[Any] | None:
        """The values of all fields in the order of the record; None where no table knows the questionnaire."""
        form = self._form(resource)
        if form is None:
            return None
        outcomes = self._outcomes(form, resource)
        values = [outcomes.get(name, NOTHING).value for name in NOTE_FIELDS]
        values[NOTE_FIELDS.index("condition")] = form.condition
        return [*values, tuple(each for outcome in outcomes.values() for each in outcome.problems)]

    def trace(self, rule: FieldRule, resource: Resource, *_: object) -> Lineage:
        """The answer, and the line of the table."""
        form = self._form(resource)
        assert form is not None  # noqa: S101 - there is a row
        if rule.name == "condition":
            return Lineage(("questionnaire",), (Step("look-up", form.place("condition"), form.condition),))
        outcome = self._outcomes(form, resource)[rule.name]
        return Lineage((outcome.leaf,), outcome.steps)

    def _form(self, resource: Resource) -> Form | None:
        address = resource.get("questionnaire")
        return self._forms.get(address.partition("|")[0]) if isinstance(address, str) else None

    def _outcomes(self, form: Form, resource: Resource) -> dict[str, Outcome]:
        asked: dict[str, list[_Answered]] = {}
        for key, answers in _items(resource, ""):
            asked.setdefault(key, []).extend(answers)
        return {question.name: self._outcome(question, asked) for question in form.questions}

    def _outcome(self, question: AskedField, asked: Mapping[str, list[_Answered]]) -> Outcome:
        answers = next((asked[each] for each in question.keys if each in asked), [])
        made = [self._converted(question, each) for each in answers]
        if len({str(each.value) for each in made}) > 1:
            text = "several answers that mean different things; none is taken"
            return Outcome(None, problem(ProblemCode.AMBIGUOUS_VALUE, text, at=question.at))
        return made[0] if made else NOTHING

    def _converted(self, question: AskedField, answered: _Answered) -> Outcome:
        wanted = TYPES[question.name]
        if get_origin(wanted) is Literal or (wanted is bool and not isinstance(answered.value, bool)):
            return _chosen(question, answered)
        if wanted is Decimal or wanted is int:
            return _measured(question, answered, whole=wanted is int)
        if wanted is bool:
            outcome = Outcome(answered.value, (), (Step("flag", "", str(answered.value).lower()),))
        else:
            outcome = instant(answered.value, at=question.at, timezone=self._timezone)
        return outcome._replace(leaf=answered.path)


def _chosen(question: AskedField, answered: _Answered) -> Outcome:
    is_yes_no = TYPES[question.name] is bool
    for leaf, words in _words(answered.value):
        found, place = question.answers.get(key_of(words), (None, ""))
        if found == NOT_KNOWN:
            return NOTHING
        if found is not None:
            path = f"{answered.path}.{leaf}" if leaf else answered.path
            if is_yes_no:
                step = Step("constant", "yes or no", "true" if found == "yes" else "false")
                return Outcome(found == "yes", (), (step,), leaf=path)
            return Outcome(found, (), (Step("look-up", place, found),), leaf=path)
    text = "an answer that the table of the questionnaire does not know; add it there"
    return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, text, at=question.at))


def _measured(question: AskedField, answered: _Answered, *, whole: bool) -> Outcome:
    value, path, unit = answered.value, answered.path, ""
    if isinstance(value, dict):
        path = f"{path}.value"
        unit, value = str(value.get("unit") or value.get("code") or ""), value.get("value")
    number = to_decimal(value)
    if number is None:
        return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "the answer is not a number", at=question.at))
    factor = question.units.get(unit) if unit else Decimal(1)
    if factor is None:
        text = "no unit of this question; add it to the table"
        return Outcome(None, problem(ProblemCode.UNKNOWN_UNIT, text, at=question.at))
    canonical = number * factor if factor != 1 else number
    if not whole:
        steps = (Step("number", "", str(number)), Step("multiply", str(factor), str(canonical)))
        return Outcome(canonical, (), steps, leaf=path)
    if canonical != int(canonical):
        return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "not a whole number", at=question.at))
    return Outcome(int(canonical), (), (Step("number", "", str(int(canonical))),), leaf=path)


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
                yield key_of(name), given
        yield from _items(item, f"{place}.")
        for nth, answer in enumerate(answers):
            yield from _items(answer, f"{place}.answer[{nth}].")


def _words(value: Any) -> Iterator[tuple[str, str]]:
    """A coded answer by its code, then by its words."""
    if isinstance(value, dict):
        yield from ((each, value[each]) for each in ("code", "display") if isinstance(value.get(each), str))
    elif isinstance(value, str):
        yield "", value


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
    return OperationNotes(load_forms(folder, own=own), timezone=timezone)
