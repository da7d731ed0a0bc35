"""One measurement of the infant without a sample: weight, length, gestation, Apgar score and the like.

Code, name and unit decide as they do for laboratory values; there is no specimen. What is not one of the record's
measures gives None: a ward sends hundreds of other observations.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from adapter.assertion import Resource
from adapter.datafile import Positioned, did_you_mean, read_csv
from adapter.errors import ExitCode, Finding, Problem, ProblemCode, SetupError
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concepts import Coding
from adapter.mapping.csor_codings import codes_of
from adapter.mapping.csor_outcome import length_of, problem
from adapter.mapping.observation import codings_of, moment_of, other_value, quantity_value
from adapter.mapping.units import ConflictingUnits, Conversion, Units, weeks_and_days

_LIMIT, _LONGEST_REMEMBERED = 4_096, 2_000


class MeasureRow(Positioned):
    """One line of growth.csv: a code, or (system `name`) a name, of a measure."""

    system: str
    code: str
    display: str = ""
    measure: str
    match: Literal["exact", "any-case", ""] = ""
    """Of a name: whether its case matters."""
    source: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class SignDecision(NamedTuple):
    """All of a measurement but its number."""

    measure: str
    codes: list[dict[str, Any]] | None
    conversion: Conversion | None
    unit_original: str | None
    problems: tuple[Problem, ...]
    place: str
    """The line that decided what is measured, for lineage."""
    source: str
    """Which element of the code decided: `coding[0].code`, `text`."""


class MeasuredSign(NamedTuple):
    """What one Observation says, in the order of `Measures.measure`."""

    measure: str
    codes: list[dict[str, Any]] | None
    value: Decimal | None
    """The number as sent; null where text such as `30+4` was sent."""
    unit_original: str | None
    canonical: Decimal | None
    unit: str | None
    is_implausible: bool | None
    problems: tuple[Problem, ...]


class Measures:
    """The tables of measures and their units, with a memory of what they decided."""

    def __init__(self, rows: Iterable[MeasureRow], *, units: Units, codelists: CodeLists) -> None:
        self._units = units
        self._codelists = codelists
        self._codes: dict[tuple[str, str], MeasureRow] = {}
        self._exact: dict[str, MeasureRow] = {}
        self._any_case: dict[str, MeasureRow] = {}
        for row in rows:
            if row.system != "name":
                self._codes[_key(row.system, row.code, codelists)] = row
            elif row.match == "exact":
                self._exact[_spaced(row.code)] = row
            else:
                self._any_case[_spaced(row.code).casefold()] = row
        self._memory: dict[tuple[Any, ...], SignDecision | None] = {}

    def knows(self, system: str, code: str) -> bool:
        """Whether a code is of a measure of the record."""
        return _key(system, code, self._codelists) in self._codes

    def measure(self, resource: Resource, birth: str | None = None) -> MeasuredSign | None:
        """Everything the row needs of one Observation; None where it is none of the record's measures."""
        quantity = resource.get("valueQuantity")
        decision = self.decision(resource)
        if decision is None:
            return None
        if type(quantity) is dict:
            value, comparator, original = quantity_value(quantity)
        else:
            value, comparator, original = other_value(resource)
        canonical = self._canonical(decision, value, original) if comparator is None else None
        problems = decision.problems
        conversion = decision.conversion
        if canonical is None or conversion is None:
            problems += _COMPARED if comparator is not None else self._objection(decision, value, original)
            return MeasuredSign(
                decision.measure, decision.codes, value, decision.unit_original, None, None, None, problems
            )
        is_implausible = conversion.is_implausible(canonical, birth=birth, moment=moment_of(resource))
        if is_implausible:
            problems += _IMPLAUSIBLE
        return MeasuredSign(
            decision.measure,
            decision.codes,
            value,
            decision.unit_original,
            canonical,
            conversion.canonical,
            is_implausible,
            problems,
        )

    def _canonical(self, decision: SignDecision, value: Decimal | None, original: str | None) -> Decimal | None:
        if value is not None:
            return decision.conversion.apply(value) if decision.conversion is not None else None
        is_text = original is not None and self._units.table(decision.measure).text == "weeks-and-days"
        return weeks_and_days(original or "") if is_text else None

    def _objection(self, decision: SignDecision, value: Decimal | None, original: str | None) -> tuple[Problem, ...]:
        """Why a value that was sent has no canonical form."""
        if value is None:
            return _NO_NUMBER if original is not None else ()
        return _AMBIGUOUS if decision.conversion is not None else ()

    def decision(self, resource: Resource) -> SignDecision | None:
        """What is measured and in which unit; remembered by the texts that decide it."""
        concept, quantity = resource.get("code"), resource.get("valueQuantity")
        if type(concept) is not dict:
            return None
        codings, text = codings_of(concept), concept.get("text")
        unit = unit_code = None
        if type(quantity) is dict:
            unit, unit_code = _text(quantity.get("unit")), _text(quantity.get("code"))
        key = (codings, _text(text), unit, unit_code, _has_number(resource))
        if key not in self._memory:
            if length_of(key) > _LONGEST_REMEMBERED:
                return self._decide(*key)
            if len(self._memory) >= _LIMIT:
                self._memory.clear()
            self._memory[key] = self._decide(*key)
        return self._memory[key]

    def _decide(
        self, codings: tuple[Coding, ...], text: str | None, unit: str | None, unit_code: str | None, has_number: bool
    ) -> SignDecision | None:
        found = self._row(codings, text)
        if found is None:
            return None
        row, source = found
        problems: tuple[Problem, ...] = ()
        conversion: Conversion | None = None
        if has_number:
            try:
                conversion = self._units.conversion(row.measure, unit, unit_code)
                problems = _UNKNOWN_UNIT if conversion is None else ()
            except ConflictingUnits:
                problems = _CONFLICT
        elif self._units.table(row.measure).text is not None:
            conversion = self._units.canonical(row.measure)
        return SignDecision(
            measure=row.measure,
            codes=codes_of((coding._asdict() for coding in codings), self._codelists) or None,
            conversion=conversion,
            unit_original=unit or unit_code,
            problems=problems,
            place=row.place,
            source=source,
        )

    def _row(self, codings: tuple[Coding, ...], text: str | None) -> tuple[MeasureRow, str] | None:
        """By code, else by name; where two measures are named it is neither."""
        for found in (list(self._by_code(codings)), list(self._by_name(codings, text))):
            if found:
                return found[0] if len({row.measure for row, _ in found}) == 1 else None
        return None

    def _by_code(self, codings: tuple[Coding, ...]) -> Iterator[tuple[MeasureRow, str]]:
        for index, coding in enumerate(codings):
            if coding.code:
                row = self._codes.get(_key(coding.system, coding.code, self._codelists))
                if row is not None:
                    yield row, f"coding[{index}].code"

    def _by_name(self, codings: tuple[Coding, ...], text: str | None) -> Iterator[tuple[MeasureRow, str]]:
        named = [(coding.display, f"coding[{index}].display") for index, coding in enumerate(codings)]
        for name, source in [*named, (text, "text")]:
            if name:
                spaced = _spaced(name)
                row = self._exact.get(spaced) or self._any_case.get(spaced.casefold())
                if row is not None:
                    yield row, source


_AT = "Observation.value"
_UNIT = "Observation.valueQuantity.unit"
_NO_NUMBER = problem(ProblemCode.NOT_A_NUMBER, "the value is not a number", at=_AT)
_AMBIGUOUS = problem(
    ProblemCode.AMBIGUOUS_VALUE, "the number can mean two values (30.4 weeks and 30+4); held as it was sent", at=_AT
)
_COMPARED = problem(ProblemCode.AMBIGUOUS_VALUE, "a comparator makes it no measurement; held as it was sent", at=_AT)
_IMPLAUSIBLE = problem(ProblemCode.IMPLAUSIBLE, "outside the plausible range; kept and flagged", at=_AT)
_UNKNOWN_UNIT = problem(
    ProblemCode.UNKNOWN_UNIT, "no unit of this measure; the value is kept as sent; add it to mappings/units", at=_UNIT
)
_CONFLICT = problem(ProblemCode.UNKNOWN_UNIT, "text and code of the unit differ; not converted", at=_UNIT)


def _has_number(resource: Resource) -> bool:
    return "valueQuantity" in resource or other_value(resource)[0] is not None


def _text(value: object) -> str | None:
    return value if type(value) is str else None


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _key(system: str | None, code: str, codelists: CodeLists) -> tuple[str, str]:
    normal = codelists.normal(system, code)
    return (normal.system, normal.code) if normal is not None else ((system or "").strip(), code.strip())


def load_measures(path: Path, *, units: Units, codelists: CodeLists) -> Measures:
    """Reads growth.csv; SetupError with all faults."""
    rows = read_csv(path, MeasureRow)
    findings = tuple(_faults(rows, units, codelists))
    if findings:
        raise SetupError("the table of measures cannot be used", findings=findings, exit_code=ExitCode.MAPPING)
    return Measures(rows, units=units, codelists=codelists)


def _faults(rows: Iterable[MeasureRow], units: Units, codelists: CodeLists) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.measure not in units.measures:
            hint = did_you_mean(row.measure, units.measures)
            text = f'"{row.measure}" is no measure with a unit table'
            yield Finding(file=row._file, line=row._line, column=1, text=text, hint=hint)
        if (row.system == "name") != bool(row.match):
            text = "a name says how it is matched, a code does not"
            yield Finding(file=row._file, line=row._line, column=1, text=text)
        if row.system != "name" and codelists.system(row.system) and codelists.normal(row.system, row.code) is None:
            text = f"{row.code} is not a code of {row.system}"
            yield Finding(file=row._file, line=row._line, column=1, text=text)
        key = (row.system, row.code.casefold() if row.match == "any-case" else row.code)
        if seen.setdefault(key, row.measure) != row.measure:
            yield Finding(file=row._file, line=row._line, column=1, text=f'"{row.code}" means two measures')
