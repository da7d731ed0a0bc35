"""Which examination was done: by its codes, else by the words of its name; what no table knows is `other`.

A trust's own table stands above the national codes, and those above words. Names are read only here, to tell what was
examined; they are never evidence of a disease (ruling R1).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import ConfigDict, StringConstraints

from adapter.csor.fields import Modality, Study
from adapter.datafile import Positioned, hyphenated, load_model, positions_of, read_csv
from adapter.errors import ExitCode, Finding, ProblemCode, SetupError
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concept_parts import codings_in, is_national, names_in, table_key
from adapter.mapping.csor_outcome import NOTHING, Outcome, Step, problem

OTHER = "other"
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 200
"""Codes as sent, and characters of one with its system."""
_MODALITIES = frozenset(get_args(Modality))
Word = Annotated[str, StringConstraints(min_length=2)]


class ExaminationRow(Positioned):
    """One line of a table: the code of one system, or of this trust where `system` is empty, is this examination."""

    code: Annotated[str, StringConstraints(min_length=1)]
    system: str = ""
    study: Study
    modality: Modality | Literal[""] = ""
    display: str = ""
    source: str = ""

    @cached_property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class NamedStudy(Positioned):
    """One examination by the words of its name: of each list of `words` one must stand there, of `unless` none."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    study: Study
    modality: Modality | None = None
    words: tuple[tuple[Word, ...], ...]
    unless: tuple[Word, ...] = ()

    def place_of(self, line: int) -> str:
        """`studies.yaml:12`."""
        return f"{Path(self._file).name}:{line}"


class NamedStudies(Positioned):
    """The file studies.yaml: the first entry that fits counts."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    kind: Literal["imaging-studies"]
    means: str
    studies: tuple[NamedStudy, ...]


class _Found(NamedTuple):
    """What decided."""

    study: str
    modality: str | None
    step: str
    place: str
    modality_place: str
    used: int
    """Which of the values."""
    leaf: str


class Examinations:
    """All tables of examinations."""

    def __init__(self, rows: Iterable[ExaminationRow], named: NamedStudies, *, codelists: CodeLists) -> None:
        self._codelists = codelists
        self._codes = {table_key(codelists, row.system, row.code): row for row in rows}
        self._named = list(_compiled(named))
        self._asked: dict[tuple[str, str], ExaminationRow | None] = {}
        """By system and code as sent."""

    def knows(self, system: str, code: str) -> bool:
        """Whether a code is of an examination."""
        return self._row(system, code) is not None

    def codes(self) -> frozenset[str]:
        """Every code of the tables: in OBR-4 of a report, such a code says that it is one of an examination."""
        return frozenset(row.code for row in self._codes.values())

    def study(self, values: Sequence[Any]) -> Outcome:
        """From concepts or texts; `other`, with a problem, where nothing tells."""
        found = self._found(values)
        if found is None:
            unmapped = problem(ProblemCode.UNKNOWN_CODE, "no table knows the examination; add it to yours", at="code")
            return Outcome(OTHER, unmapped, (Step("constant", "no table knows the examination", OTHER),), 0)
        step = Step(found.step, found.place, found.study)
        return Outcome(found.study, (), (step,), found.used, found.leaf)

    def modality(self, values: Sequence[Any]) -> Outcome:
        """DICOM modalities as sent, else the one that the table of examinations states; others are passed over."""
        sent = [value for value in values if isinstance(value, str) and value in _MODALITIES]
        if sent:
            return Outcome(list(dict.fromkeys(sent)), (), (Step("collect", str(len(sent)), ""),))
        found = self._found(values)
        if found is None or found.modality is None:
            return NOTHING
        step = Step(found.step, found.modality_place, found.modality)
        return Outcome([found.modality], (), (step,), found.used, found.leaf)

    def _found(self, values: Sequence[Any]) -> _Found | None:
        for index, value in enumerate(values):
            for leaf, system, code in codings_in(value):
                row = self._row(system, code)
                if row is not None:
                    return _Found(row.study, row.modality or None, "look-up", row.place, row.place, index, leaf)
        for index, value in enumerate(values):
            for leaf, name in names_in(value):
                named = next((each for each in self._named if each.fits(name)), None)
                if named is not None:
                    entry, at = named.entry, (named.study_place, named.modality_place)
                    return _Found(entry.study, entry.modality, "named", *at, index, leaf)
        return None

    def _row(self, system: str, code: str) -> ExaminationRow | None:
        asked = (system, code)
        if asked in self._asked:
            return self._asked[asked]
        key = table_key(self._codelists, system, code)
        row = self._codes.get(key)
        if row is None and not is_national(key):
            row = self._codes.get(("", key[1]))
        if len(system) + len(code) <= _LONGEST_REMEMBERED:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            self._asked[asked] = row
        return row


class _Name(NamedTuple):
    """One entry of studies.yaml, ready for use."""

    entry: NamedStudy
    every: tuple[re.Pattern[str], ...]
    none: re.Pattern[str]
    study_place: str
    modality_place: str

    def fits(self, name: str) -> bool:
        return all(words.search(name) for words in self.every) and not self.none.search(name)


def _compiled(named: NamedStudies) -> Iterator[_Name]:
    lines = positions_of(named)
    for number, entry in enumerate(named.studies):
        study = entry.place_of(lines["studies", number, "study"].line)
        modality = lines.get(("studies", number, "modality"))
        every = tuple(_pattern(words) for words in entry.words)
        at = entry.place_of(modality.line) if modality is not None else study
        yield _Name(entry, every, _pattern(entry.unless), study, at)


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Any of these, each from the beginning of a word; a word ending in `*` may go on."""
    each = [
        re.escape(word.rstrip("*")).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]?")
        + ("" if word.endswith("*") else r"(?!\w)")
        for word in words
    ]
    return re.compile(r"(?<!\w)(?:" + "|".join(each) + ")" if each else r"(?!)", re.IGNORECASE)


def load_examinations(folder: Path, *, codelists: CodeLists, own: Sequence[Path] = ()) -> Examinations:
    """Reads concepts/imaging.csv, imaging/studies.yaml and the trust's tables; SetupError with all faults."""
    findings: list[Finding] = []
    rows: list[ExaminationRow] = []
    for path in [folder / "concepts" / "imaging.csv", *own]:
        try:
            rows += read_csv(path, ExaminationRow)
        except SetupError as error:
            findings += error.findings or [Finding(file=str(path), line=0, column=0, text=str(error))]
    findings += _faults(rows, codelists)
    if findings:
        raise SetupError(
            "the tables of examinations cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING
        )
    named = load_model(folder / "imaging" / "studies.yaml", NamedStudies, exit_code=ExitCode.MAPPING)
    return Examinations(rows, named, codelists=codelists)


def _faults(rows: Iterable[ExaminationRow], codelists: CodeLists) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], str] = {}
    for row in rows:
        key = (row._file, row.system, row.code.upper())
        if seen.setdefault(key, row.study) != row.study:
            yield Finding(file=row._file, line=row._line, column=1, text=f"{row.code} is two examinations")
        if codelists.system(row.system) is not None and codelists.normal(row.system, row.code) is None:
            yield Finding(file=row._file, line=row._line, column=1, text=f"{row.code} is not a code of {row.system}")
