"""Visits through the whole pipeline: admissions, moves, leave, discharges and the cancel of each, in every order."""

import json
from pathlib import Path

import pytest

from adapter.cli.convert import Converter, Target
from tests.integration.adt import dg1, in_every_order, message, pid, pr1, pv1, short
from tests.integration.messages import CLOSURE, GASTROSCHISIS, Baby, a_baby, an_oru
from tests.integration.trust import Trust

ONE, OTHER = a_baby(1), a_baby(2, sex="M")
STAYS = {"ward_stay": ("ward_code", "start_dt", "end_dt")}
ADMISSION = {"admission": ("ward_code", "status", "admit_dt", "discharge_dt")}


def visit_of(baby: Baby) -> str:
    return f"V{baby.number}"


def case(baby: Baby) -> list[bytes]:
    """Of the register by a code under the person, so that no visit is needed for it."""
    return [message("A31", pid(baby), dg1(GASTROSCHISIS), at="202609010305")]


def admit(baby: Baby, *, at: str = "202609010310", ward: str = "NICU^422", event: str = "A01") -> bytes:
    return message(event, pid(baby), pv1(visit_of(baby), ward, admitted="202609010300"), at=at, happened="202609010300")


def event_of(baby: Baby, event: str, *, at: str, ward: str = "NICU^422", happened: str = "", more: str = "") -> bytes:
    segments = [pid(baby), pv1(visit_of(baby), ward, discharged=more)]
    return message(event, *segments, at=at, happened=happened)


def stays(rows: dict[str, list[tuple[object, ...]]]) -> list[tuple[str, str, str]]:
    return [(str(ward), short(start), short(end)) for ward, start, end in rows["ward_stay"]]


@pytest.mark.behaviour(114)
@pytest.mark.parametrize("event", ["A01", "A04"])
def test_an_admission_of_an_unknown_patient_makes_child_and_visit(trust: Trust, event: str) -> None:
    kind = {"A01": "I", "A04": "O"}[event]
    segments = [pid(ONE), pv1("V1", admitted="202609010300", kind=kind), dg1(GASTROSCHISIS)]
    trust.receive(message(event, *segments, at="202609010310"))
    (row,) = trust.rows("admission")
    assert (row["spell_id"], row["class"]) == ("V1", "inpatient" if kind == "I" else "outpatient")
    trust.receive(message("A08", pid(ONE), pv1("V1", "PSW^171"), at="202609020310"))
    (row,) = trust.rows("admission")
    assert row["ward_code"] == "PSW" and len(trust.persons()) == 1


@pytest.mark.behaviour(114)
@pytest.mark.parametrize("event", ["A05", "A14"])
@pytest.mark.parametrize("kind", ["P", "I"])
def test_a_planned_visit_is_no_admission_until_the_patient_comes(trust: Trust, event: str, kind: str) -> None:
    """Some senders write into PV1-2 already what the visit will be."""

    def told(baby: Baby) -> list[bytes]:
        visit = pv1(visit_of(baby), kind=kind, admitted="202609010300")
        return [message(event, pid(baby), visit, at="202609010200")]

    assert in_every_order(trust, told, case, **ADMISSION, **STAYS) == {"admission": [], "ward_stay": []}
    trust.receive(admit(a_baby(100)))
    (row,) = trust.rows("admission")
    assert row["status"] == "in-progress"


@pytest.mark.behaviour(115)
def test_a_transfer_moves_the_child_and_closes_nothing(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            admit(baby),
            event_of(baby, "A02", at="202609021005", ward="PSW^171", happened="202609021000"),
            event_of(baby, "A08", at="202609021105", ward="PSW^171"),
        ]

    found = in_every_order(trust, told, case, **STAYS, **ADMISSION)
    assert stays(found) == [("NICU", "09-01 03:00", "09-02 10:00"), ("PSW", "09-02 10:00", "")]
    assert [(row[0], row[1], row[3]) for row in found["admission"]] == [("PSW", "in-progress", None)]


@pytest.mark.behaviour(115)
def test_leave_and_return_are_times_of_one_visit(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            admit(baby),
            event_of(baby, "A21", at="202609051005", ward="PSW^171", happened="202609051000"),
            event_of(baby, "A22", at="202609061205", happened="202609061200"),
        ]

    found = in_every_order(trust, told, case, **STAYS, **ADMISSION)
    assert stays(found) == [
        ("NICU", "09-01 03:00", "09-05 10:00"),
        ("NICU", "09-06 12:00", ""),
        ("PSW", "09-05 10:00", "09-06 12:00"),
    ]
    assert [row[1] for row in found["admission"]] == ["in-progress"]


@pytest.mark.behaviour(115)
def test_leave_with_the_bed_kept_interrupts_no_stay(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [admit(baby), event_of(baby, "A21", at="202609051005"), event_of(baby, "A22", at="202609061205")]

    assert stays(in_every_order(trust, told, case, **STAYS)) == [("NICU", "09-01 03:00", "")]


@pytest.mark.behaviour(115)
@pytest.mark.behaviour(118)
def test_a_cancelled_transfer_restores_the_former_place_whatever_came_in_between(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            admit(baby),
            event_of(baby, "A02", at="202609021005", ward="PSW^171", happened="202609021000"),
            event_of(baby, "A08", at="202609021015", ward="PSW^171"),
            event_of(baby, "A12", at="202609021030", ward="PSW^171"),
        ]

    found = in_every_order(trust, told, case, **STAYS, **ADMISSION)
    assert stays(found) == [("NICU", "09-01 03:00", "")]
    assert [row[:2] for row in found["admission"]] == [("NICU", "in-progress")]


@pytest.mark.behaviour(115)
def test_a_cancel_takes_back_the_newest_transfer_only(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            event_of(baby, "A02", at="202609021005", ward="PSW^171", happened="202609021000"),
            event_of(baby, "A02", at="202609031005", ward="XRAY", happened="202609031000"),
            event_of(baby, "A12", at="202609031105", ward="PSW^171"),
        ]

    def before(baby: Baby) -> list[bytes]:
        return [*case(baby), admit(baby)]

    found = in_every_order(trust, told, before, **STAYS, **ADMISSION)
    assert stays(found) == [("NICU", "09-01 03:00", "09-02 10:00"), ("PSW", "09-02 10:00", "")]
    assert found["admission"][0][0] == "PSW"


@pytest.mark.behaviour(116)
@pytest.mark.behaviour(118)
def test_a_discharge_closes_and_its_cancel_reopens(trust: Trust) -> None:
    def closed(baby: Baby) -> list[bytes]:
        return [admit(baby), event_of(baby, "A03", at="202609091005", happened="202609091000")]

    def reopened(baby: Baby) -> list[bytes]:
        end = "202609091000"
        return [
            admit(baby),
            event_of(baby, "A03", at="202609091005", more=end),
            event_of(baby, "A13", at="202609091105", more=end),
        ]

    found = in_every_order(trust, closed, case, **ADMISSION)
    assert [(row[1], short(row[3])) for row in found["admission"]] == [("finished", "09-09 10:00")]
    other = a_baby(50)
    trust.each(*case(other), *reversed(reopened(other)))
    assert [row["status"] for row in trust.rows("admission") if row["spell_id"] == visit_of(other)] == ["in-progress"]
    assert [row["discharge_dt"] for row in trust.rows("admission") if row["spell_id"] == visit_of(other)] == [None]


@pytest.mark.behaviour(117)
@pytest.mark.behaviour(118)
def test_a_cancelled_admission_takes_along_what_it_alone_created(trust: Trust) -> None:
    """The planned visit, and the codes said under it, were there before."""

    def told(baby: Baby) -> list[bytes]:
        visit = visit_of(baby)
        return [
            message("A05", pid(baby), pv1(visit, kind="P"), dg1("K40.9^Hernia^I10"), at="202608310900"),
            admit(baby),
            message("A08", pid(baby), pv1(visit), dg1("K56.6^Obstruction^I10"), pr1(CLOSURE), at="202609020900"),
            event_of(baby, "A11", at="202609021000"),
        ]

    rows = {**ADMISSION, "diagnosis": ("code",), "operation": ("procedure_code",), "ward_stay": ("ward_code",)}
    found = in_every_order(trust, told, case, **rows)
    assert found["admission"] == found["ward_stay"] == found["operation"] == []
    assert sorted(code for (code,) in found["diagnosis"]) == ["K40.9", "Q79.3"]
    assert len(trust.persons()) == 8


@pytest.mark.behaviour(117)
@pytest.mark.parametrize(("cancel", "original"), [("A38", "A05"), ("A27", "A14")])
def test_the_cancel_of_a_plan_leaves_an_admission_alone(trust: Trust, cancel: str, original: str) -> None:
    def told(baby: Baby) -> list[bytes]:
        plan = message(original, pid(baby), pv1(visit_of(baby), kind="P"), at="202608310900")
        return [plan, admit(baby), event_of(baby, cancel, at="202609010900")]

    found = in_every_order(trust, told, case, **ADMISSION)
    assert [row[1] for row in found["admission"]] == ["in-progress"]


@pytest.mark.behaviour(117)
@pytest.mark.parametrize(("cancel", "original"), [("A38", "A05"), ("A27", "A14")])
def test_the_cancel_of_a_plan_withdraws_it_and_deletes_nobody(trust: Trust, cancel: str, original: str) -> None:
    def told(baby: Baby) -> list[bytes]:
        visit = visit_of(baby)
        return [
            message(original, pid(baby), pv1(visit, kind="P"), dg1("K56.6^Obstruction^I10"), at="202608310900"),
            message(cancel, pid(baby), pv1(visit, kind="P"), at="202609010900"),
        ]

    found = in_every_order(trust, told, case, **ADMISSION, diagnosis=("code",))
    assert found["admission"] == [] and [code for (code,) in found["diagnosis"]] == ["Q79.3"]


@pytest.mark.behaviour(119)
@pytest.mark.parametrize("event", ["A28", "A31"])
def test_a_person_event_changes_the_person_and_makes_no_visit(trust: Trust, event: str) -> None:
    trust.each(*case(ONE), admit(ONE))
    trust.receive(message(event, pid(ONE.but(sex="M")), pv1("V9", "PSW^171"), at="202609020900"))
    assert trust.rows("infant")[0]["sex"] == "male"
    assert [(row["spell_id"], row["ward_code"]) for row in trust.rows("admission")] == [(visit_of(ONE), "NICU")]


@pytest.mark.behaviour(119)
def test_an_update_changes_the_person_and_that_visit_alone(trust: Trust) -> None:
    trust.each(*case(ONE), message("A01", pid(ONE), pv1("V1", admitted="202609010300"), at="202609010310"))
    trust.receive(message("A01", pid(ONE), pv1("V2", admitted="202609100300"), at="202609100310"))
    trust.receive(message("A08", pid(ONE.but(sex="M")), pv1("V2", "PSW^171"), at="202609110310"))
    assert sorted((row["spell_id"], row["ward_code"]) for row in trust.rows("admission")) == [
        ("V1", "NICU"),
        ("V2", "PSW"),
    ]
    assert trust.rows("infant")[0]["sex"] == "male"


@pytest.mark.behaviour(121)
def test_a_swap_changes_both_beds_in_one_step_and_mixes_nothing(trust: Trust) -> None:
    trust.each(*case(ONE), *case(OTHER), admit(ONE), admit(OTHER, ward="PSW^171"))
    swap = message(
        "A17",
        pid(ONE),
        pv1(visit_of(ONE), "PSW^171"),
        pid(OTHER),
        pv1(visit_of(OTHER), "NICU^422"),
        at="202609031005",
        happened="202609031000",
    )
    trust.receive(swap)
    assert {row["spell_id"]: row["ward_code"] for row in trust.rows("admission")} == {
        visit_of(ONE): "PSW",
        visit_of(OTHER): "NICU",
    }
    assert {row["spell_id"]: short(row["start_dt"]) for row in trust.rows("ward_stay") if row["end_dt"] is None} == {
        visit_of(ONE): "09-03 10:00",
        visit_of(OTHER): "09-03 10:00",
    }
    assert sorted(row["sex"] for row in trust.rows("infant")) == ["female", "male"] and len(trust.persons()) == 2
    assert trust.counts()["separated"] == 1
    versions = trust.versions()
    trust.receive(swap)
    assert trust.versions() == versions


@pytest.mark.behaviour(121)
def test_of_a_swap_the_bytes_of_each_child_are_kept_apart(trust: Trust) -> None:
    trust.each(*case(ONE), *case(OTHER))
    trust.receive(message("A17", pid(ONE), pv1("V1"), pid(OTHER), pv1("V2", "PSW^171"), at="202609031005"))
    bodies = trust.bodies("ADT^A17")
    assert sorted((ONE.number in body, OTHER.number in body) for body in bodies) == [(False, True), (True, False)]


def test_a_report_on_two_patients_gives_each_its_own_results(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.each(*case(ONE), *case(OTHER))
    first, other = an_oru(ONE, order="L1", value="11"), an_oru(OTHER, order="L2", value="22")
    trust.receive(first + b"\r".join(other.split(b"\r")[1:]))
    sexes = {row["child"]: row["sex"] for row in trust.rows("infant")}
    assert {sexes[child]: trust.values(child) for child in sexes} == {"female": ["11"], "male": ["22"]}
    bodies = trust.bodies("ORU^R01")
    assert sorted((ONE.number in body, OTHER.number in body) for body in bodies) == [(False, True), (True, False)]


def test_convert_mixes_no_two_patients_of_a_message(tmp_path: Path) -> None:
    segments = [pid(ONE), pv1("V1", admitted="202609010300"), pid(OTHER), pv1("V2", "PSW^171", admitted="202609010300")]
    file = tmp_path / "swap.hl7"
    file.write_bytes(message("A17", *segments, at="202609031005"))
    rows = json.loads(Converter(vendor=None, to=Target.CSOR, is_checked=False).convert(file))
    assert sorted(row["sex"] for row in rows["infant"]) == ["female", "male"]
    assert len({row["child"] for row in rows["admission"]}) == len(rows["admission"]) == 2


@pytest.mark.behaviour(123)
def test_what_happened_is_clinical_time_and_what_was_recorded_is_the_order(trust: Trust) -> None:
    """Written down late: the transfer to PSW happened before the one to NICU that was recorded before it."""

    def told(baby: Baby) -> list[bytes]:
        return [
            event_of(baby, "A02", at="202609031200", ward="NICU^422", happened="202609031100"),
            event_of(baby, "A02", at="202609031300", ward="PSW^171", happened="202609030900"),
        ]

    found = in_every_order(trust, told, lambda baby: [*case(baby), admit(baby)], **STAYS, **ADMISSION)
    assert stays(found) == [
        ("NICU", "09-01 03:00", "09-03 09:00"),
        ("NICU", "09-03 11:00", ""),
        ("PSW", "09-03 09:00", "09-03 11:00"),
    ]
    assert found["admission"][0][0] == "PSW"  # the last word on where the child is


@pytest.mark.behaviour(124)
def test_updates_in_the_wrong_order_end_as_in_the_right_one(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        visit = visit_of(baby)
        return [
            message("A08", pid(baby.but(sex="M")), pv1(visit, "NICU^422"), at="202609020900"),
            message(
                "A08", pid(baby.but(sex="F")), pv1(visit, "PSW^171"), dg1("K56.6^Obstruction^I10"), at="202609030900"
            ),
            message("A08", pid(baby.but(birth_order="2")), pv1(visit, "", kind="I"), at="202609040900"),
        ]

    rows = {"infant": ("sex", "birth_order"), **ADMISSION, "diagnosis": ("code",)}
    found = in_every_order(trust, told, lambda baby: [*case(baby), admit(baby)], **rows)
    assert found["infant"] == [("female", 2)] and found["admission"][0][0] == "PSW"
    assert sorted(code for (code,) in found["diagnosis"]) == ["K56.6", "Q79.3"]
