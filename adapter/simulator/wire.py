"""The wire text of a UK hospital: HL7 v2.4 segments from templates of its own, local times without offset.

Positions follow the HL7 UK profile of v2.4; PID-32 carries the NHS number trace status as UK systems pre-adopt it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from adapter.simulator.course import Diagnosis, Operation, Order, OrderReport, Value, Visit
from adapter.simulator.laboratory import LABORATORY
from adapter.simulator.moments import LONDON, after
from adapter.simulator.people import Person

TRUST = "RXX"
STRUCTURES = {
    "A04": "ADT_A01", "A08": "ADT_A01", "A11": "ADT_A09", "A13": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05",
    "A40": "ADT_A39",
}  # fmt: skip
SPECIMENS = {
    "venous": "BLDV&Venous blood&HL70070",
    "capillary": "BLDC&Capillary blood&HL70070",
    "cord": "BLDCO&Cord blood&HL70070",
    "urine": "UR&Urine&HL70070",
}
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def text(value: str) -> str:
    """A value with the delimiters in it escaped."""
    return value.translate(_ESCAPES)


def to_minute(moment: datetime) -> str:
    """A clinical time."""
    return moment.astimezone(LONDON).strftime("%Y%m%d%H%M")


def to_second(moment: datetime) -> str:
    """A clock of a system."""
    return moment.astimezone(LONDON).strftime("%Y%m%d%H%M%S")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Fields by their number; empty ones at the end are not written."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def msh(*, sender: str, event: str, control_id: str, sent: datetime) -> str:
    """MSH counts its own separator as field 1, so it is written out."""
    kind = "ORU^R01^ORU_R01" if event == "R01" else f"ADT^{event}^{STRUCTURES.get(event, f'ADT_{event}')}"
    return f"MSH|^~\\&|{sender}|{TRUST}|CSOR|{TRUST}|{to_second(sent)}||{kind}|{control_id}|P|2.4|||||GBR|UNICODE UTF-8"


def evn(event: str, *, recorded: datetime, occurred: datetime) -> str:
    """EVN-2 when it was typed in, EVN-6 when it happened."""
    return segment("EVN", {1: event, 2: to_second(recorded), 6: to_minute(occurred)})


def pid(person: Person, *, known_at: datetime) -> str:
    """The person as the sender knew them at that time."""
    is_numbered = person.is_numbered_at(known_at)
    return segment(
        "PID",
        {
            1: "1",
            3: _numbers(person.number_at(known_at), person.nhs_number if is_numbered else None),
            5: f"{text(person.family.upper())}^{person.given_at(known_at)}^^^^^L",
            7: to_minute(person.born),
            8: person.sex,
            10: person.ethnic_category,
            11: _address(person),
            13: "01632 960123",
            21: _numbers(person.mother.hospital_number, person.mother.nhs_number) if person.mother else "",
            24: "Y" if person.birth_order else "",
            25: str(person.birth_order or ""),
            32: "01" if is_numbered else "08",
        },
    )


def nk1(person: Person) -> Iterator[str]:
    """The mother as next of kin."""
    mother = person.mother
    if mother is not None:
        name = f"{text(mother.family.upper())}^{mother.given}"
        numbers = _numbers(mother.hospital_number, mother.nhs_number)
        yield segment("NK1", {1: "1", 2: name, 3: "MTH^Mother^HL70063", 4: _address(mother), 33: numbers})


def mrg(person: Person) -> str:
    """The number that is given up."""
    return segment("MRG", {1: _numbers(person.temporary_number or "", None)})


def no_visit() -> str:
    """A31 and A28 must hold a PV1; class N says that it speaks of none."""
    return segment("PV1", {1: "1", 2: "N"})


def pv1(visit: Visit, *, at: datetime) -> str:
    """The visit as it stands."""
    ward = visit.ward_at(at)
    return segment(
        "PV1",
        {
            1: "1",
            2: "I",
            3: f"{ward.code}^BAY1^B{int(visit.number[1:]) % 12 + 1}^{TRUST}01",
            4: "82" if ward.treatment_function in {"422", "424"} else "21",
            7: "C9999901^MARLOW^PRUDENCE^^^DR^^^GMC",
            10: ward.treatment_function,
            14: "19",
            19: visit.number,
            44: to_minute(visit.admitted_at),
            45: _discharge(visit, at),
        },
    )


def _discharge(visit: Visit, at: datetime) -> str:
    if at >= visit.discharged_at and visit.cancelled_at is None:
        return to_minute(visit.discharged_at)
    if visit.undone and visit.undone.at <= at < visit.undone.undone_at:
        return to_minute(visit.undone.at)
    return ""


def dg1(diagnosis: Diagnosis, *, number: int, is_final: bool) -> str:
    """Ward systems write codes with a dot, the coders' system without; a code of three characters is filled with X."""
    code = f"{diagnosis.code}X" if len(diagnosis.code) == 3 else diagnosis.code
    return segment(
        "DG1",
        {
            1: str(number),
            3: f"{code.replace('.', '') if is_final else code}^{text(diagnosis.words)}^I10",
            5: to_minute(diagnosis.made_at),
            6: "F" if is_final else "W",
        },
    )


def pr1(operation: Operation, *, number: int, is_final: bool) -> str:
    """PR1-5 is knife to skin."""
    code = operation.code.replace(".", "") if is_final else operation.code
    return segment(
        "PR1",
        {1: str(number), 3: f"{code}^{text(operation.words)}^OPCS4", 5: to_minute(operation.at), 6: "P"},
    )


def order_group(report: OrderReport, *, number: int, reported: datetime) -> Iterator[str]:
    """ORC, OBR and the OBX of one order."""
    order = report.order
    yield segment("ORC", {1: "RE", 3: f"{order.number}^{LABORATORY}"})
    yield _obr(order, number=number, status=report.status, reported=reported)
    for place, value in enumerate(report.values, start=1):
        yield _obx(value, number=place, status=report.status)


def nte(words: str) -> str:
    """A comment below the result before it."""
    return segment("NTE", {1: "1", 2: "L", 3: text(words)})


def _obr(order: Order, *, number: int, status: str, reported: datetime) -> str:
    return segment(
        "OBR",
        {
            1: str(number),
            3: f"{order.number}^{LABORATORY}",
            4: f"{order.panel}^{text(order.panel_words)}^{LABORATORY}",
            7: to_minute(order.collected_at),
            14: to_minute(after(order.collected_at, minutes=9)),
            15: SPECIMENS[order.specimen],
            22: to_second(reported),
            25: status,
        },
    )


def _obx(value: Value, *, number: int, status: str) -> str:
    kind, written = _value(value)
    test = value.test
    return segment(
        "OBX",
        {
            1: str(number),
            2: kind,
            3: f"{test.code}^{text(test.words)}^{LABORATORY}",
            5: written,
            6: text(test.unit),
            7: text(test.reference),
            11: status,
        },
    )


def _value(value: Value) -> tuple[str, str]:
    """Each bench writes "below" in its own way: `<^5` as SN, `<1` as NM against the standard, `<0.3` as ST."""
    if not value.comparator:
        return "NM", value.number
    if value.test.code.startswith("FB"):
        return "SN", f"{value.comparator}^{value.number}"
    return ("NM" if value.test.code == "CRPB" else "ST"), value.comparator + value.number


def _numbers(hospital_number: str, nhs_number: str | None) -> str:
    local = f"{hospital_number}^^^{TRUST}^MR"
    return f"{local}~{nhs_number}^^^NHS^NH" if nhs_number else local


def _address(person: Person) -> str:
    return f"{person.street}^^Invented Town^^{person.postcode}^GBR"
