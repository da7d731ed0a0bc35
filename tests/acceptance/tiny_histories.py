"""A dozen histories of a few messages, each a trap for whoever goes by arrival. Times are hours from the birth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.simulator import SentMessage
from tests.acceptance.fhir_pages import page

Resource = dict[str, Any]

BORN = datetime(2026, 9, 1, 5, 0, tzinfo=UTC)
END = BORN + timedelta(days=2)
OWN, OTHER, WRISTBAND = "1000001", "2000002", "T100001"
"""Hospital numbers."""
NICU, POSTNATAL = ("NICU", "422"), ("PNW", "424")


def _nhs_number(nine: str) -> str:
    """From the 999 range, with its check digit."""
    rest = sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return nine + str((11 - rest) % 11)


NHS, OTHER_NHS = _nhs_number("999000001"), _nhs_number("999000003")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The patient as one message names it."""

    number: str = OWN
    nhs: str = ""
    status: str | None = None
    """PID-32; None: 01 with an NHS number, 08 without."""
    also: str = ""
    born: str = "20260901060000"
    sex: str = "F"


BABY = Who()


def at(hour: float) -> str:
    """As a London clock shows it, in summer."""
    return (BORN + timedelta(hours=hour + 1)).strftime("%Y%m%d%H%M%S")


def _pid(who: Who) -> str:
    local = [f"{number}^^^RXX^MR" for number in (who.number, who.also) if number]
    numbers = "~".join([*local, *([f"{who.nhs}^^^NHS^NH"] if who.nhs else [])])
    status = ("01" if who.nhs else "08") if who.status is None else who.status
    return f"PID|1||{numbers}||QUILLFEATHER^BABY||{who.born}|{who.sex}{'|' * 24}{status}"


def _pv1(visit: str, place: tuple[str, str], discharged: float | None) -> str:
    if not visit:
        return "PV1|1|N"
    ward, treatment_function = place
    end = "" if discharged is None else at(discharged)
    return f"PV1|1|I|{ward}^B1^1^RXX|||||||{treatment_function}{'|' * 9}{visit}{'|' * 25}{at(0)}|{end}"


_KINDS = {"R01": "ORU^R01^ORU_R01", "O01": "ORM^O01", "O11": "RDE^O11", "O17": "RAS^O17"}


class Teller:
    """Writes the messages of one history, each with a control id of its own."""

    def __init__(self) -> None:
        self._told = 0

    def say(
        self,
        event: str,
        hour: float,
        *segments: str,
        who: Who = BABY,
        visit: str = "V1",
        place: tuple[str, str] = NICU,
        discharged: float | None = None,
    ) -> SentMessage:
        self._told += 1
        control_id = f"M{self._told:05d}"
        kind = _KINDS.get(event, f"ADT^{event}")
        head = f"MSH|^~\\&|PAS|RXX|CSOR|RXX|{at(hour)}||{kind}|{control_id}|P|2.4"
        evn = [] if event in _KINDS else [f"EVN|{event}|{at(hour)}"]
        lines = [head, *evn, _pid(who), _pv1(visit, place, discharged), *segments]
        raw = "".join(f"{line}\r" for line in lines).encode()
        moment = BORN + timedelta(hours=hour)
        return SentMessage(at=moment, control_id=control_id, raw=raw, subject=who.number, event=event, feed="epic")

    def page(self, hour: float, *resources: Resource) -> SentMessage:
        """What a FHIR server answers, its resources last changed then."""
        self._told += 1
        changed = {"versionId": str(self._told), "lastUpdated": (BORN + timedelta(hours=hour)).isoformat()}
        return page(
            [{**each, "meta": changed} for each in resources], at=BORN + timedelta(hours=hour), number=self._told
        )

    def result(
        self, hour: float, order: str, value: str, *, status: str = "F", who: Who = BABY, place: tuple[str, str] = NICU
    ) -> SentMessage:
        """A CRP."""
        obr = f"OBR|1||{order}^LAB|CRP^CRP^LAB|||{at(hour - 1)}{'|' * 8}BLDV&Venous blood&HL70070"
        obx = f"OBX|1|NM|CRP1^C-reactive protein^WINPATH||{value}|mg/L|0-5||||{status}"
        obr += f"{'|' * 7}{at(hour)}|||{status}"
        return self.say("R01", hour, f"ORC|RE||{order}^LAB", obr, obx, who=who, visit="", place=place)

    def confirmed(self, hour: float, *, who: Who = BABY, visit: str = "V1") -> SentMessage:
        """Gastroschisis and its closure."""
        return self.say("A08", hour, *_codes("Q79.3"), *_operations("T28.1"), who=who, visit=visit)

    def merged(self, hour: float, *, prior: str, into: str = OWN) -> SentMessage:
        return self.say("A40", hour, f"MRG|{prior}^^^RXX^MR", who=Who(number=into), visit="")


def _codes(*codes: str) -> list[str]:
    return [f"DG1|{n}||{code}^words^I10||{at(1)}|F" for n, code in enumerate(codes, 1)]


def _operations(*codes: str) -> list[str]:
    return [f"PR1|{n}||{code}^words^OPCS4||{at(2)}|P" for n, code in enumerate(codes, 1)]


def _working_diagnosis_struck_off(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.say("A08", 2, *_codes("P77")),
        t.say("A08", 4, *_codes("P77"), *_operations("G69.3")),
        t.result(5, "L1", "12"),
        t.say("A08", 6, *_codes("P78.0")),
    ]


def _confirmed_then_not_then_again(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.confirmed(2),
        t.say("A08", 4, *_codes("Q79.2")),
        t.result(5, "L1", "12"),
        t.confirmed(6),
        t.result(7, "L2", "13"),
    ]


def _admission_cancelled_and_made_again(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.confirmed(2),
        t.say("A11", 3),
        t.result(4, "L1", "12"),
        t.say("A01", 5, visit="V2"),
        t.confirmed(6, visit="V2"),
    ]


def _only_admission_cancelled(t: Teller) -> list[SentMessage]:
    return [t.say("A01", 0), t.confirmed(2), t.say("A11", 3), t.say("A08", 4), t.result(4.5, "L1", "12")]


def _discharge_cancelled(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        t.say("A03", 3, discharged=3),
        t.say("A13", 4),
        t.say("A08", 4.5),
        t.say("A03", 6, discharged=6),
    ]


def _preliminary_final_corrected(t: Teller) -> list[SentMessage]:
    return [t.confirmed(1), *(t.result(2 + n, "L1", str(5 + n), status=status) for n, status in enumerate("PFC", 1))]


def _deleted_result(t: Teller) -> list[SentMessage]:
    return [t.confirmed(1), t.result(3, "L1", "5"), t.result(4, "L1", "5", status="D"), t.result(5, "L2", "9")]


def _three_statements_of_one_clock(t: Teller) -> list[SentMessage]:
    return [t.confirmed(1), *(t.result(3, "L1", value, status=status) for value, status in ("5F", "6C", "5D"))]


def _wristband_number_merged(t: Teller) -> list[SentMessage]:
    wristband = Who(number=WRISTBAND)
    return [
        t.say("A01", 0, who=wristband),
        t.result(1, "L1", "5", who=wristband),
        t.confirmed(3),
        t.merged(4, prior=WRISTBAND),
        t.result(5, "L2", "8"),
    ]


def _chain_of_merges(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        t.result(1.5, "L1", "5", who=Who(number=WRISTBAND)),
        t.merged(2, prior=WRISTBAND, into=OTHER),
        t.merged(3, prior=OTHER),
    ]


def _birth_corrected(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0, who=Who(born="20260801")),
        t.say("A31", 2, who=Who(born="202609010600"), visit=""),
        t.confirmed(3),
        t.result(4, "L1", "5", who=Who(born="20260901")),
    ]


def _nhs_number_late(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.confirmed(2),
        t.say("A31", 3, who=Who(nhs=NHS), visit=""),
        t.result(4, "L1", "5", who=Who(nhs=NHS, status="")),
        t.result(5, "L2", "6", who=Who(number=OTHER, nhs=NHS)),
    ]


def _result_under_nhs_number_alone(t: Teller) -> list[SentMessage]:
    return [t.result(1, "L1", "5", who=Who(number="", nhs=NHS)), t.confirmed(2, who=Who(nhs=NHS))]


def _result_under_two_hospital_numbers(t: Teller) -> list[SentMessage]:
    return [t.result(1, "L1", "5", who=Who(number="3000003", also=OWN)), t.confirmed(2), t.result(4, "L2", "6")]


def _nhs_number_corrected(t: Teller) -> list[SentMessage]:
    other = Who(number=OTHER, nhs=OTHER_NHS)
    return [
        t.confirmed(1, who=Who(nhs=NHS)),
        t.confirmed(2, who=Who(number=OTHER, nhs=NHS), visit="V2"),
        t.say("A31", 3, who=other, visit=""),
        t.result(4, "L1", "5", who=other),
    ]


def _number_leaves_a_child(t: Teller) -> list[SentMessage]:
    other = Who(number=OTHER, nhs=NHS)
    return [
        t.confirmed(1, who=Who(nhs=NHS)),
        t.say("A01", 2, who=other, visit="V2"),
        t.result(4, "L1", "5", who=other),
        t.say("A31", 5, who=Who(number=OTHER, nhs=NHS, born="20260815"), visit=""),
    ]


def _sex_corrected(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1, who=Who(nhs=NHS)),
        t.confirmed(2, who=Who(number=OTHER, nhs=NHS, sex="M"), visit="V2"),
        t.say("A31", 3, who=Who(number=OTHER, nhs=NHS), visit=""),
    ]


def _well_baby_taken_ill(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0, place=POSTNATAL),
        t.result(1, "L1", "5", place=POSTNATAL),
        t.say("A02", 2),
        t.confirmed(3),
        t.say("A03", 5, place=POSTNATAL, discharged=5),
    ]


def _weights_of_two_children(t: Teller) -> list[SentMessage]:
    """An OBX of an ADT message has no order number: only the patient tells one weight from another."""
    weight = "OBX|1|NM|WT^Weight^LOCAL||{}|g|||||F"
    return [
        t.confirmed(1),
        t.confirmed(2, who=Who(number=OTHER), visit="V2"),
        t.say("A08", 3, *_codes("Q79.3"), weight.format(2100)),
        t.say("A08", 4, *_codes("Q79.3"), weight.format(1900), who=Who(number=OTHER), visit="V2"),
    ]


HISTORIES: dict[str, tuple[Callable[[Teller], list[SentMessage]], int]] = {
    "a working diagnosis struck off": (_working_diagnosis_struck_off, 0),
    "confirmed, not, and again": (_confirmed_then_not_then_again, 8),
    "admission cancelled and made again": (_admission_cancelled_and_made_again, 7),
    "the only admission cancelled": (_only_admission_cancelled, 0),
    "discharge cancelled": (_discharge_cancelled, 5),
    "preliminary, final, corrected": (_preliminary_final_corrected, 6),
    "a result deleted": (_deleted_result, 6),
    "three statements of one clock": (_three_statements_of_one_clock, 5),
    "wristband number merged": (_wristband_number_merged, 8),
    "a chain of merges": (_chain_of_merges, 6),
    "birth corrected": (_birth_corrected, 7),
    "NHS number late": (_nhs_number_late, 8),
    "a result under the NHS number alone": (_result_under_nhs_number_alone, 6),
    "a result under two hospital numbers": (_result_under_two_hospital_numbers, 7),
    "NHS number corrected": (_nhs_number_corrected, 11),
    "a number leaves a child": (_number_leaves_a_child, 5),
    "sex corrected": (_sex_corrected, 8),
    "a well baby taken ill": (_well_baby_taken_ill, 8),
    "weights of two children": (_weights_of_two_children, 12),
}
"""Each with the count of rows it leads to, whatever the order."""
