"""How two EPRs of the UK write the same: an Epic-like one (v2.5.1) and a CareFlow-like one behind its engine (v2.4).

Positions follow HL7 v2.4 and v2.5.1 with the HL7 UK guides; PID-32 carries the NHS number trace status. What differs
is what differs between trusts: authorities and order of PID-3, offsets, coding system names or none, dotless and
lower-case codes, ward codes, who names the mother where, character sets.
"""

from dataclasses import dataclass
from datetime import datetime

from adapter.simulator.course import Diagnosis, Operation, Visit
from adapter.simulator.people import Person
from adapter.simulator.v2_text import escaped, minute, second, segment
from adapter.simulator.wards import Site

_STRUCTURES = {
    "A04": "ADT_A01", "A08": "ADT_A01", "A11": "ADT_A09", "A13": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05",
    "A40": "ADT_A39",
}  # fmt: skip
_TYPES = {"R01": "ORU", "O01": "ORM", "O19": "OMG", "O11": "RDE", "O17": "RAS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The segments that every message shares, as the Epic-like EPR writes them."""

    site: Site
    version: str = "2.5.1"
    has_offset: bool = False
    encoding: str = "utf-8"
    charset: str = "UNICODE UTF-8"

    def minute(self, moment: datetime) -> str:
        """A clinical time."""
        return minute(moment, has_offset=self.has_offset)

    def second(self, moment: datetime) -> str:
        """A clock of a system."""
        return second(moment, has_offset=self.has_offset)

    def msh(self, *, sender: str, event: str, control_id: str, sent: datetime) -> str:
        """MSH counts its own separator as field 1, so it is written out."""
        kind = f"{_TYPES.get(event, 'ADT')}^{event}{self._structure(event)}"
        head = f"MSH|^~\\&|{sender}|{self.site.code}|CSOR|RXX|{self.second(sent)}||{kind}|{control_id}|P|{self.version}"
        return f"{head}|||||GBR|{self.charset}"

    def _structure(self, event: str) -> str:
        kind = _TYPES.get(event, "ADT")
        return f"^{_STRUCTURES.get(event, f'{kind}_{event}')}"

    def evn(self, event: str, *, recorded: datetime, occurred: datetime) -> str:
        """EVN-2 when it was typed in, EVN-6 when it happened."""
        return segment("EVN", {1: event, 2: self.second(recorded), 6: self.minute(occurred)})

    def pid(self, person: Person, *, known_at: datetime) -> str:
        """The person as PAS knew them at that time."""
        has_died = person.died_at is not None and person.died_at <= known_at
        more = {
            11: f"{person.street}^^Invented Town^^{person.postcode}^GBR",
            13: "01632 960123",
            21: self.mothers_numbers(person),
            22: person.ethnic_category,
            24: "Y" if person.birth_order else "N",
            25: str(person.birth_order or ""),
            29: self.minute(person.died_at) if person.died_at is not None and has_died else "",
            30: "Y" if has_died else "N",
        }
        return segment("PID", self._known(person, known_at) | more)

    def short_pid(self, person: Person, *, known_at: datetime) -> str:
        """What other systems keep of the person: enough to know whom they speak of."""
        return segment("PID", self._known(person, known_at))

    def _known(self, person: Person, known_at: datetime) -> dict[int, str]:
        is_numbered = person.is_numbered_at(known_at)
        return {
            1: "1",
            3: self.numbers(person.number_at(known_at), person.nhs_number if is_numbered else None),
            5: self.name(person, known_at),
            7: self.minute(person.born),
            8: person.sex,
            32: self.trace_status("01" if is_numbered else "08"),
        }

    def name(self, person: Person, known_at: datetime) -> str:
        """PID-5."""
        return f"{escaped(person.family.upper())}^{escaped(person.given_at(known_at))}^^^^^L"

    def numbers(self, hospital_number: str, nhs_number: str | None) -> str:
        """PID-3."""
        local = f"{hospital_number}^^^{self.site.authority}^MR"
        return f"{local}~{nhs_number}^^^NHS^NH" if nhs_number else local

    def trace_status(self, status: str) -> str:
        """PID-32."""
        return status

    def mothers_numbers(self, person: Person) -> str:
        """PID-21; this EPR names the mother as next of kin."""
        return ""

    def nk1(self, person: Person) -> list[str]:
        """The mother as next of kin."""
        mother = person.mother
        if mother is None:
            return []
        name = f"{escaped(mother.family.upper())}^{mother.given}"
        numbers = self.numbers(mother.hospital_number, mother.nhs_number)
        return [segment("NK1", {1: "1", 2: name, 3: "MTH^Mother^HL70063", 33: numbers})]

    def mrg(self, person: Person) -> str:
        """The number that is given up."""
        return segment("MRG", {1: self.numbers(person.temporary_number or "", None)})

    def no_visit(self) -> str:
        """A31 and A28 must hold a PV1; class N says that it speaks of none."""
        return segment("PV1", {1: "1", 2: "N"})

    def pv1(self, visit: Visit, *, at: datetime) -> str:
        """The visit as it stands."""
        ward = visit.ward_at(at)
        ended = _ended(visit, at)
        return segment(
            "PV1",
            {
                1: "1",
                2: "I",
                3: self.location(visit, at),
                4: visit.admission_method,
                7: "C9999901^MARLOW^PRUDENCE^^^DR^^^GMC",
                10: ward.treatment_function,
                14: visit.source,
                19: self.visit_number(visit),
                36: visit.discharge_method if ended == visit.discharged_at else "1" if ended else "",
                37: visit.destination if ended == visit.discharged_at else "19" if ended else "",
                44: self.minute(visit.admitted_at),
                45: self.minute(ended) if ended else "",
            },
        )

    def location(self, visit: Visit, at: datetime) -> str:
        """PV1-3."""
        return f"{visit.ward_at(at).code}^BAY1^B{_bed(visit)}^{self.site.code}"

    def visit_number(self, visit: Visit) -> str:
        """PV1-19."""
        return visit.number

    def dg1(self, diagnosis: Diagnosis, *, number: int, is_final: bool) -> str:
        """On the ward with a dot; by the coders without one, and filled with X to four characters."""
        code = _filled(diagnosis.code) if is_final else diagnosis.code
        system = "I10" if is_final else "ICD-10"
        return self._dg1(f"{code}^{escaped(diagnosis.words)}^{system}", diagnosis, number=number, is_final=is_final)

    def _dg1(self, coded: str, diagnosis: Diagnosis, *, number: int, is_final: bool) -> str:
        return segment(
            "DG1", {1: str(number), 3: coded, 5: self.minute(diagnosis.made_at), 6: "F" if is_final else "W"}
        )  # fmt: skip

    def pr1(self, operation: Operation, *, number: int, is_final: bool) -> str:
        """PR1-5 is knife to skin."""
        code = operation.code.replace(".", "") if is_final else operation.code
        return segment(
            "PR1",
            {1: str(number), 3: f"{code}^{escaped(operation.words)}^OPCS4", 5: self.minute(operation.at), 6: "P"},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CareflowDialect(Dialect):
    """The same as the CareFlow-like EPR writes it."""

    version: str = "2.4"
    has_offset: bool = True
    encoding: str = "iso-8859-1"
    charset: str = "8859/1"

    def _structure(self, event: str) -> str:
        return ""

    def name(self, person: Person, known_at: datetime) -> str:
        """The name of a child that has none is its mother's."""
        given = person.given_at(known_at)
        if given == "BABY" and person.mother is not None:
            given = f"BABY OF {person.mother.given.upper()}"
        return f"{escaped(person.family)}^{escaped(given)}^^^^^CURRENT"

    def numbers(self, hospital_number: str, nhs_number: str | None) -> str:
        """The national number first, with spaces."""
        local = f"{hospital_number}^^^{self.site.authority}^PI"
        if not nhs_number:
            return local
        spaced = f"{nhs_number[:3]} {nhs_number[3:6]} {nhs_number[6:]}"
        return f"{spaced}^^^NHS^NH~{local}"

    def trace_status(self, status: str) -> str:
        """As HL7 UK A.3 spells it."""
        return f"NSTS{status}"

    def mothers_numbers(self, person: Person) -> str:
        """This EPR links the mother by her numbers alone."""
        return self.numbers(person.mother.hospital_number, person.mother.nhs_number) if person.mother else ""

    def nk1(self, person: Person) -> list[str]:
        """None."""
        return []

    def location(self, visit: Visit, at: datetime) -> str:
        """Ward, then bed, and the site as facility."""
        return f"{visit.ward_at(at).code}^^{_bed(visit):02d}^{self.site.code}^^^^^Level 3"

    def visit_number(self, visit: Visit) -> str:
        """With its authority."""
        return f"{visit.number}^^^{self.site.authority}^VN"

    def dg1(self, diagnosis: Diagnosis, *, number: int, is_final: bool) -> str:
        """No coding system, no dot; lower case where a ward clerk typed it."""
        code = _filled(diagnosis.code) if is_final else diagnosis.code.replace(".", "").lower()
        return self._dg1(f"{code}^{escaped(diagnosis.words)}", diagnosis, number=number, is_final=is_final)

    def pr1(self, operation: Operation, *, number: int, is_final: bool) -> str:
        """No coding system; the title stands in PR1-4."""
        return segment(
            "PR1",
            {
                1: str(number),
                3: operation.code.replace(".", ""),
                4: escaped(operation.words),
                5: self.minute(operation.at),
            },
        )


def dialect_of(site: Site) -> Dialect:
    """How a site writes."""
    return Dialect(site=site) if site.dialect == "epic" else CareflowDialect(site=site)


def _filled(code: str) -> str:
    """Without dot; `P77` has no fourth character, and coders fill it with X."""
    return f"{code}X" if len(code) == 3 else code.replace(".", "")


def _bed(visit: Visit) -> int:
    return int(visit.number[1:]) % 12 + 1


def _ended(visit: Visit, at: datetime) -> datetime | None:
    if at >= visit.discharged_at and visit.cancelled_at is None:
        return visit.discharged_at
    if visit.undone and visit.undone.at <= at < visit.undone.undone_at:
        return visit.undone.at
    return None
