"""What becomes of results, orders, procedures and bookings in the whole pipeline: who keeps them, who withdraws."""

from itertools import permutations

import pytest

from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, RESECTION, a_baby, a_message, an_adt, an_oru
from tests.integration.trust import Trust

ONE, STRANGER = a_baby(1), a_baby(9, born="201001010000")
CANARY = "CANARY4711"


def on_disk(trust: Trust) -> bytes:
    return b"".join(path.read_bytes() for path in trust.settings.data_folder.rglob("*") if path.is_file())


@pytest.mark.behaviour(135)
def test_a_result_of_somebody_who_is_not_of_the_cohort_is_sealed_and_then_erased(trust: Trust) -> None:
    trust.receive(an_oru(STRANGER, order=CANARY, value="11", ward="XRAY^"))
    assert trust.counts()["received.ORU^R01"] == 1 and trust.persons() == []
    assert trust.status()["messages"] == {"not_ours": 1}
    assert CANARY.encode() not in on_disk(trust) and STRANGER.nhs.encode() not in on_disk(trust)
    trust.later(days=400)
    trust.works.expiry.run(now=trust.now)
    assert trust.status()["messages"] == {"erased": 1}
    assert trust.rows(every=True) == []


@pytest.mark.behaviour(135)
def test_a_result_that_came_before_the_admission_is_the_childs_if_it_follows_in_time(trust: Trust) -> None:
    trust.receive(an_oru(ONE, order="L1", value="11", ward="XRAY^"))
    assert trust.persons() == []
    trust.receive(an_adt("A01", ONE, at="202609021000", codes=[GASTROSCHISIS]))
    assert trust.values() == ["11"]


@pytest.mark.behaviour(141)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_procedure_removed_at_recoding_is_withdrawn(trust: Trust, order: tuple[int, ...]) -> None:
    coded = [(RESECTION, "202609021000"), (CLOSURE, "202609031000")]
    told = [
        an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]),
        an_adt("A08", ONE, at="202609040900", codes=[GASTROSCHISIS], operations=coded),
        an_adt("A08", ONE, at="202609200900", codes=[GASTROSCHISIS], operations=coded[1:]),
    ]
    for number in order:
        trust.receive(told[number])
        trust.dispatch()
    assert [row["codes"][0]["code"] for row in trust.rows("operation")] == ["T28.1"]
    trust.assert_csor_agrees()


def a_coding(kind: str, at: str, *segments: str) -> bytes:
    return a_message(kind, ONE, *segments, at=at)


@pytest.mark.behaviour(140)
@pytest.mark.parametrize("kind", ["BAR^P01", "BAR^P05", "BAR^P12", "DFT^P03"])
def test_coded_data_of_billing_are_an_update_of_the_spell(trust: Trust, kind: str) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310"))
    trust.receive(an_adt("A03", ONE, at="202609150900", discharged="202609150830"))
    segments = [
        "DG1|1||Q793^Gastroschisis^ICD-10|||F|||||||||1",
        "DG1|2||P77X^Necrotising enterocolitis^ICD10|||F|||||||||2",
        "PR1|1||T281^Closure of gastroschisis^OPCS-4||202609011400",
    ]
    trust.receive(a_coding(kind, "202610010900", "EVN|P01|202610010900", *segments))
    diagnoses = {row["codes"][0]["code"] for row in trust.rows("diagnosis")}
    assert diagnoses == {"Q79.3", "P77"}
    (operation,) = trust.rows("operation")
    assert operation["codes"][0]["code"] == "T28.1" and operation["index_for"] == ["gastroschisis"]
    assert len(trust.rows("admission")) == 1
    assert trust.cases()["gastroschisis"] == "confirmed"


@pytest.mark.behaviour(140)
@pytest.mark.parametrize("is_charge_first", [False, True])
def test_the_codes_of_a_charge_add_to_the_visit_and_strike_nothing(trust: Trust, is_charge_first: bool) -> None:
    coded = an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011400")])
    segments = [
        "DG1|1||P77X^Necrotising enterocolitis^ICD10|||F",
        "PR1|1||G692^Resection of ileum^OPCS-4||202609050900",
    ]
    charge = a_coding("DFT^P03", "202609100900", "EVN|P03|202609100900", *segments)
    for message in (charge, coded) if is_charge_first else (coded, charge):
        trust.receive(message)
    assert {row["codes"][0]["code"] for row in trust.rows("diagnosis")} == {"Q79.3", "P77"}
    assert {row["codes"][0]["code"] for row in trust.rows("operation")} == {"T28.1", "G69.2"}
    assert trust.cases()["gastroschisis"] == "confirmed"
    trust.receive(an_adt("A08", ONE, at="202610010900", codes=[GASTROSCHISIS], operations=[]))
    assert {row["codes"][0]["code"] for row in trust.rows("diagnosis")} == {"Q79.3"}


@pytest.mark.behaviour(97)
@pytest.mark.parametrize("kind", ["ORM^O01", "OMG^O19", "OML^O21", "ORU^R01", "SIU^S12", "MDM^T02", "REF^I12"])
def test_the_reason_of_an_order_is_no_list_of_the_visit(trust: Trust, kind: str) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011400")]))
    reason = [
        "ORC|NW|P1|F1",
        "OBR|1|P1|F1|FBC",
        "DG1|1||Z38.0^Singleton^I10|||W",
        "PR1|1||X00.1^Other^OPCS-4||202609020800",
    ]
    trust.receive(a_coding(kind, "202609020900", *reason))
    assert {row["codes"][0]["code"] for row in trust.rows("diagnosis")} == {"Q79.3"}
    assert [row["codes"][0]["code"] for row in trust.rows("operation")] == ["T28.1"]
    assert trust.cases()["gastroschisis"] == "confirmed"


@pytest.mark.behaviour(142)
def test_a_booking_makes_no_visit_until_the_child_arrives(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
    sch = "SCH|B1^EPR|A1^RIS|||||||20|min|^^^202610011000^202610011020"
    for event, at in (("S12", "202609200900"), ("S13", "202609210900"), ("S26", "202610011200")):
        pv1 = "PV1|1|O|SCAN^^^RXX||||||||||||||||V99"
        trust.receive(a_message(f"SIU^{event}", ONE, pv1, sch, at=at, ward=""))
    assert len(trust.rows("admission")) == 1
    assert {row["state"] for row in trust.rows(every=True) if row["kind"] == "ward_stay"} <= {"live"}
    trust.receive(an_adt("A01", ONE, at="202610020900", visit="V99", admitted="202610020850"))
    assert len(trust.rows("admission")) == 2


@pytest.mark.behaviour(137)
@pytest.mark.parametrize(
    ("kind", "control", "is_there"),
    [("ORM^O01", "NW", True), ("OMG^O19", "XO", True), ("OMI^O23", "SC", True), ("OMG^O19", "CA", False),
     ("ORM^O01", "OC", False), ("OMI^O23", "DC", False), ("ORM^O01", "HD", True), ("ORM^O01", "CR", False)],
)  # fmt: skip
def test_an_order_of_a_film_follows_its_state(trust: Trust, kind: str, control: str, is_there: bool) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
    obr = "OBR|1|P7|A7|XABDO^Abdomen X-ray^NICIP" + "|" * 20 + "RAD"
    trust.receive(a_message(kind, ONE, "ORC|NW|P7|A7||||||202609020900", obr, at="202609020900"))
    trust.receive(a_message(kind, ONE, f"ORC|{control}|P7|A7", obr, at="202609021000"))
    assert [row["study"] for row in trust.rows("imaging_study")] == (["abdominal_xray"] if is_there else [])


@pytest.mark.behaviour(134)
def test_isolates_and_their_antibiograms_stay_apart(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
    obr = "OBR|{n}||{number}|{battery}|||202609020900||||||||BLDV|||||||20260905100000|||F|{parent}|||{child}"
    segments = [
        obr.format(n=1, number="M1", battery="BC^Blood culture^LAB", parent="", child=""),
        "OBX|1|NM|CRPB^C-reactive protein^WINPATH|1|11|mg/L|||||F",
        "OBX|2|NM|CRPB^C-reactive protein^WINPATH|2|12|mg/L|||||F",
        obr.format(n=2, number="M1", battery="SENS^Sensitivities^LAB", parent="BC^LAB^1", child="P1^M1"),
        "OBX|1|NM|CRPB^C-reactive protein^WINPATH|1|13|mg/L|||||F",
        obr.format(n=3, number="M1", battery="SENS^Sensitivities^LAB", parent="BC^LAB^2", child="P1^M1"),
        "OBX|1|NM|CRPB^C-reactive protein^WINPATH|1|14|mg/L|||||F",
    ]
    trust.receive(a_message("ORU^R01", ONE, *segments, at="202609051000"))
    assert trust.values() == ["11", "12", "13", "14"]


@pytest.mark.parametrize("kind", ["ORU^R30", "ORU^R31", "ORU^R32", "OUL^R21"])
def test_results_by_other_events_are_results(a_trust: Make, kind: str) -> None:
    trust = a_trust()
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
    obr = "OBR|1||G1|GAS|||202609020900||||||||BLDV|||||||20260902090100|||F"
    obx = "OBX|1|NM|CRPB^C-reactive protein^WINPATH||7|mg/L|||||F"
    trust.receive(a_message(kind, ONE, "ORC|NW", obr, obx, at="202609020901"))
    assert trust.values() == ["7"]


@pytest.mark.parametrize("kind", ["OUL^R22", "OUL^R23", "OUL^R24"])
def test_the_specimen_before_its_orders_is_the_specimen_of_their_results(trust: Trust, kind: str) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
    segments = []
    for n, (specimen, value) in enumerate((("BLDV^Venous blood", "7"), ("CSF^CSF", "8")), start=1):
        segments.append(f"SPM|{n}|S{n}||{specimen}|||||||||||||202609020900")
        segments.append(f"OBR|{n}||G{n}|BIO|||202609020900|||||||||||||||20260902090100|||F")
        segments.append(f"OBX|1|NM|CRPB^C-reactive protein^WINPATH||{value}|mg/L|||||F")
    trust.receive(a_message(kind, ONE, *segments, at="202609020901"))
    assert trust.values() == ["7"]
    held = [row for row in trust.rows("lab_result", every=True) if row["state"] == "held"]
    assert [row["value_original"] for row in held] == ["8"]
