"""The tables of mappings/operation-notes/: which question of which form is which field, what its answers mean (R20).

Every surgical record has its own form, so all of it is data; a trust adds its own by path.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, StringConstraints

from adapter.csor.fields import Condition
from adapter.csor.record_notes import OperationNote
from adapter.datafile import Positioned, did_you_mean, hyphenated, load_model, positions_of
from adapter.errors import ExitCode, Finding, SetupError

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


NOT_KNOWN = "unknown"
TYPES: Mapping[str, Any] = {
    name: next((each for each in get_args(info.annotation) if each is not type(None)), info.annotation)
    for name, info in OperationNote.model_fields.items()
}
"""The type of each field of the record."""
_NOT_ASKED = ("condition", "status", "recorded_dt")
_YES_NO = {"yes": "yes", "no": "no", "y": "yes", "n": "no", "true": "yes", "false": "no"}


def key_of(text: str) -> str:
    """Under which a linkId, a question or an answer is compared."""
    return " ".join(text.split()).casefold()


class AskedField(NamedTuple):
    """One question, ready for use."""

    name: str
    keys: tuple[str, ...]
    answers: Mapping[str, tuple[str, str]]
    """Answer → value and the line that says so; no line for the words that mean yes or no everywhere."""
    units: Mapping[str, Decimal]
    at: str
    """For problems."""


class Form:
    """One table, ready for use."""

    def __init__(self, table: NoteTable) -> None:
        self.condition = table.condition
        self.addresses = table.questionnaires
        self._file = Path(table._file).name
        self._lines = positions_of(table)
        self.questions = [self._question(number, each) for number, each in enumerate(table.fields)]

    def place(self, *path: str | int) -> str:
        """`nec.yaml:12`."""
        return f"{self._file}:{self._lines[path].line}"

    def _question(self, number: int, question: Question) -> AskedField:
        everywhere = _YES_NO if TYPES[question.name] is bool else {}
        answers = {words: (value, "") for words, value in everywhere.items()}
        for words, value in question.answers.items():
            answers[key_of(words)] = (value, self.place("fields", number, "answers", words))
        at = f"QuestionnaireResponse.item({question.question[0]})"
        return AskedField(question.name, tuple(map(key_of, question.question)), answers, question.units, at)


def load_forms(folder: Path, *, own: Sequence[Path] = ()) -> list[Form]:
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
    return [Form(table) for table in tables]


def _faults(table: NoteTable) -> Iterator[Finding]:
    asked = [name for name in TYPES if name not in _NOT_ASKED]
    for question in table.fields:
        if question.name not in asked:
            yield _finding(question, f'no question gives "{question.name}"', did_you_mean(question.name, asked))
            continue
        wanted = TYPES[question.name]
        choices = get_args(wanted) if get_origin(wanted) is Literal else ("yes", "no") if wanted is bool else ()
        if choices and wanted is not bool and not question.answers:
            yield _finding(question, f'"{question.name}" needs `answers`')
        for answer in question.answers.values():
            if answer not in (*choices, NOT_KNOWN):
                hint = did_you_mean(answer, choices)
                yield _finding(question, f'"{answer}" is no value of {question.name}', hint)


def _finding(question: Question, text: str, hint: str = "") -> Finding:
    return Finding(file=question._file, line=question._line, column=question._column, text=text, hint=hint)
