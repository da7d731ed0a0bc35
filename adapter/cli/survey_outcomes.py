"""What CSOR makes of each code of a message: its analyte, unit, examination, list or ward, or that no table has it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from adapter import mapping
from adapter.assertion import Resource
from adapter.hl7v2.message import Message, Segment
from adapter.hl7v2.scrub_fields import CODES, FIELDS, Holds
from adapter.hl7v2.scrub_walk import Part
from adapter.mapping.v2_reads import Mapped, Reads

_UNMAPPED = "unmapped"
_WARDS = frozenset({("PV1", 3), ("PV1", 6), ("PV1", 42), ("PV1", 43), ("PV2", 1)})
_NO_CODES = frozenset({("OBX", 2), ("OBX", 5), ("MSH", 11), ("MSH", 18)})


class Code(NamedTuple):
    """One code as it was sent."""

    at: str
    """`OBX-3`."""
    code: Part
    words: Part | None
    system: Part | None
    outcome: str


class Outcomes:
    """The tables, asked about one message after another."""

    def __init__(
        self,
        *,
        maps: mapping.V2Maps,
        csor: mapping.CsorMaps,
        reads: Mapping[tuple[str, int], Reads],
        wards: Mapping[str, str] | None,
    ) -> None:
        """`wards` are those of the trust file, None where none was given."""
        self._tables = maps.source.tables
        self._csor = csor
        self._reads = reads
        self._wards = wards

    def codes(self, message: Message, mapped: Mapped) -> Iterator[Code]:
        """Every code in a field that a rule reads, and each unit with what it is a unit of."""
        by_line: dict[int, list[Resource]] = {}
        for line, resource in mapped.made:
            by_line.setdefault(line, []).append(resource)
        for number, segment in enumerate(message.segments):
            for field, form in FIELDS.get(segment.name, {}).items():
                at = (segment.name, field)
                if form in CODES and at in self._reads and at not in _NO_CODES and segment.raw(field):
                    made = by_line.get(number, [])
                    for repetition in range(1, len(segment.repetitions(field)) + 1):
                        code = _part(segment, field, 1, repetition)
                        words = None if at in _WARDS else _part(segment, field, 2, repetition)
                        system = None if at in _WARDS else _part(segment, field, 3, repetition)
                        if (code or words) is not None:
                            outcome = self._outcome(at, code.plain if code else "", made, mapped.context)
                            yield Code(f"{segment.name}-{field}", code or _none(segment, field), words, system, outcome)

    def _outcome(self, at: tuple[str, int], code: str, made: list[Resource], context: Mapping[str, Resource]) -> str:
        if at in _WARDS:
            return self._ward(code)
        if at in (("OBX", 3), ("OBX", 6)):
            return self._observation(made, context, asks_unit=at[1] == 6)
        if at in (("DG1", 3), ("PR1", 3)):
            return self._listed(made)
        if at == ("OBR", 4):
            return self._examination(made)
        if at in (("RXE", 2), ("RXO", 1), ("RXA", 5)):
            return self._drug(made, context)
        tables = self._reads[at].tables
        found = [entry.target for name in tables if (entry := self._tables[name].get(code.upper())) is not None]
        if found:
            return f"= {found[0]}"
        return f"not in {', '.join(f'tables/{name}.csv' for name in tables)}" if tables else "taken as sent"

    def _ward(self, code: str) -> str:
        if self._wards is None:
            return "wards are named in the trust file: --config"
        return self._wards.get(code, "not under `wards` in the trust file")

    def _observation(self, made: list[Resource], context: Mapping[str, Resource], *, asks_unit: bool) -> str:
        for resource in (each for each in made if each["resourceType"] == "Observation"):
            for kind in self._csor.kinds_of("Observation"):
                row = self._csor.project(kind, resource, context)
                if row is None:
                    continue
                fields = row.fields
                name = str(fields.get("analyte") or fields.get("measure") or "")
                problems = "; ".join(f"{each.code} {each.text}" for each in row.problems if each.code in _OF_CODES)
                if asks_unit:
                    unit = fields.get("unit_ucum")
                    return f"{name}: {unit or 'no unit of it'}" if name != _UNMAPPED else _UNMAPPED
                return f"{name}; {problems}" if problems else name
        return "no row of results"

    def _listed(self, made: list[Resource]) -> str:
        lists = self._csor.codelists
        for resource in made:
            codings = resource.get("code", {}).get("coding", [])
            found = [
                name
                for name in lists.names
                for coding in codings
                if lists.lookup(name, coding.get("system"), str(coding.get("code", ""))) is not None
            ]
            if codings:
                return "on " + ", ".join(dict.fromkeys(found)) if found else "on no code list"
        return "no row"

    def _examination(self, made: list[Resource]) -> str:
        orders = [each for each in made if each["resourceType"] in ("ServiceRequest", "DiagnosticReport")]
        for resource in orders:
            study = self._csor.study_of(resource)
            if study is not None:
                return study
        return "no listed examination" if orders else "no examination: its results are read one by one"

    def _drug(self, made: list[Resource], context: Mapping[str, Resource]) -> str:
        for resource in made:
            if "medication_course" in self._csor.kinds_of(str(resource["resourceType"])):
                row = self._csor.project("medication_course", resource, context)
                return str(row.fields["drug_class"]) if row is not None else "no class of drugs that CSOR asks for"
        return "no row"


_OF_CODES = frozenset({"P115", "P116", "P117", "P118", "P120"})


def _part(segment: Segment, field: int, component: int, repetition: int) -> Part | None:
    """As the sample has learnt it: its first subcomponent."""
    plain = segment.component(field, component, subcomponent=1, repetition=repetition).strip()
    return Part(segment.name, field, component, 1, Holds.CODE, plain) if plain and plain != '""' else None


def _none(segment: Segment, field: int) -> Part:
    return Part(segment.name, field, 1, 1, Holds.CODE, "")
