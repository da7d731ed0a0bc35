"""What a drug is for: parenteral nutrition, antibiotic or inotrope; by its code, else by the words of its name.

What no table names is `unmapped` and held: a drug that is left out must be seen to be left out. What a table names as
none of these gives no row.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict

from adapter.assertion import Resource
from adapter.datafile import Positioned, hyphenated, read_csv
from adapter.errors import ExitCode, Finding, ProblemCode, SetupError
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concept_parts import codings_in, is_national, names_in, table_key
from adapter.mapping.csor_decided import Decider, Lineage
from adapter.mapping.csor_outcome import Step, problem
from adapter.mapping.csor_rules import As, FieldRule
from adapter.mapping.observation import referred

UNMAPPED = "unmapped"


class DrugRow(Positioned):
    """One line of a table: a code (of this pharmacy where `system` is empty), or a name without a code."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    system: str = ""
    code: str = ""
    name: str = ""
    """With a code: for people. Without one: the word that stands in the drug's name."""
    class_: Literal["parenteral_nutrition", "antibiotic", "inotrope", "none"]
    """`none`: known, and none of these: it gives no row."""
    unless: str = ""
    """Words, separated by `|`, beside which the name means something else: eye drops, a local anaesthetic."""
    match: Literal["exact", "any-case"] = "any-case"
    source: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class _Named(NamedTuple):
    word: re.Pattern[str]
    unless: re.Pattern[str] | None
    row: DrugRow


class _Found(NamedTuple):
    """What decided."""

    row: DrugRow
    step: str
    place: str


class Drugs:
    """All tables of drugs."""

    def __init__(self, rows: Iterable[DrugRow], *, codelists: CodeLists) -> None:
        self._codelists = codelists
        rows = tuple(rows)
        # The trust's rows come first: what stands first is asked first.
        self._codes = {table_key(codelists, row.system, row.code): row for row in reversed(rows) if row.code}
        self._named = [_named(row) for row in rows if not row.code]

    def decide(self, resource: Resource, context: Mapping[str, Resource], _: str | None = None) -> Sequence[Any] | None:
        """The class, with a problem where no table knows the drug; None for a drug that is known to be of no class."""
        found = self._found(resource, context)
        if found is None:
            return UNMAPPED, _UNKNOWN
        row = found[0]
        return None if row.class_ == "none" else (row.class_, ())

    def trace(
        self, rule: FieldRule, resource: Resource, context: Mapping[str, Resource], _: str | None = None
    ) -> Lineage:
        """The element that named the drug, and the line of the table."""
        found = self._found(resource, context)
        if found is None:
            return Lineage((rule.path[0],), (Step("constant", "no table knows the drug", UNMAPPED),))
        row, step, place = found
        return Lineage((place,), (Step(step, row.place, row.class_),))

    def _found(self, resource: Resource, context: Mapping[str, Resource]) -> _Found | None:
        place, concept = "medicationCodeableConcept", resource.get("medicationCodeableConcept")
        if concept is None:
            medication = referred(resource.get("medicationReference"), resource, context)
            place, concept = "medicationReference>code", medication.get("code") if medication is not None else None
        found = self._by_code(concept) or self._by_name(concept)
        return found._replace(place=f"{place}.{found.place}") if found is not None else None

    def _by_code(self, concept: Any) -> _Found | None:
        for leaf, system, code in codings_in(concept):
            key = table_key(self._codelists, system, code)
            row = self._codes.get(key)
            if row is None and not is_national(key):
                row = self._codes.get(("", key[1]))
            if row is not None:
                return _Found(row, "look-up", leaf)
        return None

    def _by_name(self, concept: Any) -> _Found | None:
        for leaf, name in names_in(concept):
            for word, unless, row in self._named:
                if word.search(name) and not (unless is not None and unless.search(name)):
                    return _Found(row, "named", leaf)
        return None


_UNKNOWN = problem(ProblemCode.UNKNOWN_CODE, "no table knows the drug; add it to yours", at="medication")


def drugs_decider(drugs: Drugs) -> Decider:
    """The class of one drug."""
    conversions = frozenset({As.DRUG_CLASS})
    return Decider(conversions, drugs.decide, lambda rule: 0, drugs.trace, otherwise="a drug of no class")


def _named(row: DrugRow) -> _Named:
    flags = re.IGNORECASE if row.match == "any-case" else re.NOFLAG
    words_of_name = [re.escape(each).replace(r"\-", r"[\s-]?") for each in row.name.split()]
    word = re.compile(r"(?<!\w)" + r"[\s-]+".join(words_of_name) + r"(?!\w)", flags)
    words = [re.escape(each.strip()) for each in row.unless.split("|") if each.strip()]
    unless = re.compile(r"(?<!\w)(?:" + "|".join(words) + ")", re.IGNORECASE) if words else None
    return _Named(word, unless, row)


def load_drugs(path: Path, *, codelists: CodeLists, own: Sequence[Path] = ()) -> Drugs:
    """Reads drugs.csv and the trust's tables; SetupError with all faults."""
    findings: list[Finding] = []
    rows: list[DrugRow] = []
    for each in [*own, path]:
        try:
            rows += read_csv(each, DrugRow)
        except SetupError as error:
            findings += error.findings or [Finding(file=str(each), line=0, column=0, text=str(error))]
    findings += _faults(rows, codelists)
    if findings:
        raise SetupError("the tables of drugs cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return Drugs(rows, codelists=codelists)


def _faults(rows: Iterable[DrugRow], codelists: CodeLists) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if not row.code and not row.name.strip():
            yield Finding(file=row._file, line=row._line, column=1, text="a row has a code or a name")
        key = (row._file, row.system, row.code.upper() or row.name.casefold())
        if seen.setdefault(key, row.class_) != row.class_:
            yield Finding(file=row._file, line=row._line, column=1, text=f"{row.code or row.name} is of two classes")
        if row.code and codelists.system(row.system) is not None and codelists.normal(row.system, row.code) is None:
            yield Finding(file=row._file, line=row._line, column=1, text=f"{row.code} is not a code of {row.system}")
