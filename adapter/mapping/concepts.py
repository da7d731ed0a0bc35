"""What a laboratory test is: from its codes and names, and from what was sampled, to one analyte, or to none.

Ruling R10: the specimen decides. A code may carry its specimen (LOINC, the UK bounded list) or a laboratory's table may
state one for its panels; a name alone never does. Urine, CSF, gastric, stoma and cord samples give no blood result.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from adapter.errors import ProblemCode
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concept_tables import ConceptRow, NameRow, Tables, read_tables
from adapter.mapping.units import Units

UNMAPPED = "unmapped"
UNKNOWN = "unknown"


class Coding(NamedTuple):
    """One coding as sent; hashable, so that decisions can be remembered by it."""

    system: str | None
    code: str | None
    display: str | None


class Specimen(NamedTuple):
    """What was sampled, and where that was read."""

    type: str
    place: str = ""
    source: str = ""
    """Which element of the type decided: `coding[0].code`."""


class Meaning(NamedTuple):
    """What a test is."""

    analyte: str
    specimen: str
    unit: str
    """Stated by the table where none is sent."""
    problem: ProblemCode | None
    place: str
    """The line that decided, for lineage; empty where none did."""
    source: str
    """Which element of the code decided: `coding[0].display`."""
    is_timeless: bool
    """The same for every sender and day, so that it may be remembered."""


class Concepts:
    """All tables of mappings/concepts/."""

    def __init__(self, tables: Tables, *, codelists: CodeLists, units: Units) -> None:
        self._codelists = codelists
        self._allowed = {analyte: frozenset(units.table(analyte).specimens) for analyte in units.analytes}
        self._codes: dict[tuple[str, str], list[ConceptRow]] = {}
        for row in tables.concepts:
            self._codes.setdefault(self._key(row.system, row.code), []).append(row)
        self._exact = {row.name.strip(): row for row in tables.names}
        self._any_case = {row.name.strip().casefold(): row for row in tables.names if row.match == "any-case"}
        self._specimens = {self._specimen_key(row.system, row.code): row for row in tables.specimens}

    def _key(self, system: str | None, code: str) -> tuple[str, str]:
        normal = self._codelists.normal(system, code)
        return (normal.system, normal.code) if normal is not None else (_plain(system), code.strip())

    def _specimen_key(self, system: str | None, code: str) -> tuple[str, str]:
        if system == "name":
            return ("name", " ".join(code.split()).casefold())
        return self._key(system, code)

    def specimen(self, codings: Iterable[Coding], text: str | None) -> Specimen:
        """The specimen type of coded values or of their names; `unknown` if no table knows any."""
        found = [
            (row, source)
            for source, key in self._specimen_keys(tuple(codings), text)
            if (row := self._specimens.get(key)) is not None
        ]
        types: set[str] = {row.specimen_type for row, _ in found}
        # "Blood" beside "venous blood" is the same sample told less precisely.
        if len(types) > 1:
            types.discard("blood")
        if len(types) != 1:
            return Specimen(UNKNOWN)
        (only,) = types
        row, source = next((row, source) for row, source in found if row.specimen_type == only)
        return Specimen(only, row.place, source)

    def _specimen_keys(self, codings: tuple[Coding, ...], text: str | None) -> Iterator[tuple[str, tuple[str, str]]]:
        """Codes first, then names; a code without a system may be a name."""
        for index, coding in enumerate(codings):
            if coding.code:
                yield f"coding[{index}].code", self._key(coding.system, coding.code)
        if text:
            yield "text", self._specimen_key("name", text)
        for index, coding in enumerate(codings):
            if coding.display:
                yield f"coding[{index}].display", self._specimen_key("name", coding.display)
            if coding.code and not coding.system:
                yield f"coding[{index}].code", self._specimen_key("name", coding.code)

    def meaning(
        self, codings: Iterable[Coding], *, text: str | None, specimen: Specimen | None, sender: str, day: str
    ) -> Meaning:
        """The analyte; `specimen` is None where none was named, and of type `unknown` where it is not understood."""
        codings = tuple(codings)
        rows = [(row, i) for i, coding in enumerate(codings) if coding.code for row in self._rows(coding)]
        is_timeless = not any(row.sender or row.valid_from or row.valid_to for row, _ in rows)
        holding = [(row, index) for row, index in rows if row.holds(sender=sender, day=day)]
        # What is said of one sender's code stands above what is said of everybody's.
        told = {index for row, index in holding if row.sender}
        holding = [(row, index) for row, index in holding if row.sender or index not in told]
        coded = {row.analyte for row, _ in holding}
        if len(coded) == 1:
            return self._by_code(holding, specimen, is_timeless)
        sampled = specimen.type if specimen is not None else UNKNOWN
        if coded:
            return Meaning(UNMAPPED, sampled, "", ProblemCode.AMBIGUOUS_VALUE, "", "", is_timeless)
        named = self._named(codings, text)
        if named is None:
            return Meaning(UNMAPPED, sampled, "", ProblemCode.UNKNOWN_CODE, "", "", is_timeless)
        name, source = named
        problem = self._objection(name.analyte, sampled)
        return Meaning(UNMAPPED if problem else name.analyte, sampled, "", problem, name.place, source, is_timeless)

    def _rows(self, coding: Coding) -> list[ConceptRow]:
        key = self._key(coding.system, coding.code or "")
        found = self._codes.get(key, [])
        # A local code is a code without a system, or of the laboratory's own.
        return found if key[0] in _NATIONAL or not key[0] else found + self._codes.get(("", key[1]), [])

    def _by_code(self, rows: list[tuple[ConceptRow, int]], specimen: Specimen | None, is_timeless: bool) -> Meaning:
        row, index = next((each for each in rows if each[0].default_specimen), rows[0])
        unit = next((each.unit for each, _ in rows if each.unit), "")
        sampled = specimen.type if specimen is not None else row.default_specimen or UNKNOWN
        problem = self._objection(row.analyte, sampled)
        analyte = UNMAPPED if problem else row.analyte
        return Meaning(analyte, sampled, unit, problem, row.place, f"coding[{index}].code", is_timeless)

    def _named(self, codings: tuple[Coding, ...], text: str | None) -> tuple[NameRow, str] | None:
        """By display or text, never by a local code that happens to look like a name."""
        names = [(coding.display, f"coding[{index}].display") for index, coding in enumerate(codings)]
        found: list[tuple[NameRow, str]] = []
        for name, source in [*names, (text, "text")]:
            row = self._exact.get(name.strip()) or self._any_case.get(name.strip().casefold()) if name else None
            if row is not None:
                found.append((row, source))
        return found[0] if len({row.analyte for row, _ in found}) == 1 else None

    def _objection(self, analyte: str, specimen: str) -> ProblemCode | None:
        if specimen == UNKNOWN:
            return ProblemCode.UNKNOWN_SPECIMEN
        return None if specimen in self._allowed[analyte] else ProblemCode.WRONG_SPECIMEN


_NATIONAL = frozenset({"loinc", "snomed-ct", "icd-10", "opcs-4"})


def _plain(system: str | None) -> str:
    return (system or "").strip().removeprefix("urn:id:")


def load_concepts(folder: Path, *, codelists: CodeLists, units: Units, own: Sequence[Path] = ()) -> Concepts:
    """Reads the tables of the folder and of the trust's laboratories; SetupError with all faults."""
    tables = read_tables(folder, units=units, codelists=codelists, own=own)
    return Concepts(tables, codelists=codelists, units=units)
