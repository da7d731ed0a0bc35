"""Radiology through the whole pipeline: an accession number of one examination or several, in any order of arrival."""

import json

import pytest

from tests.integration.conftest import Make
from tests.integration.messages import GASTROSCHISIS, a_baby, a_message, an_adt
from tests.integration.trust import Trust

ONE = a_baby(1)
MRN = "https://rxx.example/mrn"
IDENTITY = f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{MRN}'}}]}}"
ABDOMEN, CHEST = "XABDO^Abdomen X-ray^NICIP", "XCHES^Chest X-ray^NICIP"


def a_case(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))


def an_order(*codes: str, at: str = "202609020900", control: str = "NW") -> bytes:
    lines = []
    for n, code in enumerate(codes, start=1):
        lines += [f"ORC|{control}|P{code[:5]}|A7||||||{at}", f"OBR|{n}|P{code[:5]}|A7|{code}" + "|" * 20 + "RAD"]
    return a_message("ORM^O01", ONE, *lines, at=at)


def a_report(*codes: str, text: str = "Film of {}.", at: str = "202609021200", status: str = "F") -> bytes:
    lines = []
    for n, code in enumerate(codes, start=1):
        lines.append(f"OBR|{n}||A7|{code}|||202609021100" + "|" * 15 + f"{at}||RAD|{status}")
        lines.append(f"OBX|1|TX|REP||{text.format(code.partition('^')[0])}||||||{status}")
    return a_message("ORU^R01", ONE, *lines, at=at)


def pictures(at: str = "2026-09-02T11:30:00Z") -> bytes:
    study = {
        "resourceType": "ImagingStudy", "id": "s1", "status": "available", "meta": {"lastUpdated": at},
        "subject": {"reference": "Patient/1"}, "started": "2026-09-02T10:05:00Z", "numberOfSeries": 2,
        "identifier": [{"type": {"coding": [{"code": "ACSN"}]}, "value": "A7"}],
    }  # fmt: skip
    number = {"system": MRN, "value": ONE.number}
    patient = {"resourceType": "Patient", "id": "1", "birthDate": "2026-09-01", "identifier": [number]}
    entries = [{"resource": each} for each in (patient, study)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def studies(trust: Trust) -> list[tuple[str, bool, bool]]:
    """Study, whether asked for, whether done."""
    rows = trust.rows("imaging_study")
    return sorted((r["study"], bool(r.get("requested_dt")), bool(r.get("performed_dt"))) for r in rows)


def texts(trust: Trust) -> dict[str, str]:
    return {row["study"]: row["text"] for row in trust.rows("imaging_report")}


@pytest.mark.behaviour(138)
@pytest.mark.parametrize("order", ["0123", "3210", "2031", "1302"])
def test_two_films_under_one_number_are_two_rows_in_any_order(a_trust: Make, order: str) -> None:
    trust = a_trust(identity=IDENTITY)
    a_case(trust)
    told = [an_order(ABDOMEN, CHEST), a_report(ABDOMEN), a_report(CHEST, at="202609021300"), pictures()]
    for number in map(int, order):
        trust.take(told[number], is_fhir=number == 3)
    assert studies(trust) == [("abdominal_xray", True, True), ("chest_xray", True, True)]
    assert texts(trust) == {"abdominal_xray": "Film of XABDO.", "chest_xray": "Film of XCHES."}
    assert {row["n_series"] for row in trust.rows("imaging_study")} == {2}
    trust.dispatch()
    trust.assert_csor_agrees()


@pytest.mark.behaviour(138)
def test_order_pictures_and_report_of_one_film_are_one_row_though_its_code_differs(a_trust: Make) -> None:
    trust = a_trust(identity=IDENTITY)
    a_case(trust)
    trust.take(an_order("IMG1^Something^EPR"), is_fhir=False)
    assert [row["state"] for row in trust.rows("imaging_study", every=True)] == ["held"]
    trust.take(pictures(), is_fhir=True)
    trust.take(a_report(ABDOMEN), is_fhir=False)
    assert studies(trust) == [("abdominal_xray", True, True)]
    assert len(trust.rows("imaging_study", every=True)) == 1


@pytest.mark.behaviour(137)
def test_one_of_two_films_is_cancelled_and_the_other_reported(trust: Trust) -> None:
    a_case(trust)
    trust.each(an_order(ABDOMEN, CHEST), an_order(CHEST, control="CA", at="202609020930"), a_report(ABDOMEN))
    assert studies(trust) == [("abdominal_xray", True, True)]


@pytest.mark.behaviour(137)
def test_a_film_that_was_done_unasked_has_a_row(trust: Trust) -> None:
    a_case(trust)
    trust.receive(a_report(CHEST))
    assert studies(trust) == [("chest_xray", False, True)]


def test_a_corrected_report_under_another_code_is_the_same_row(trust: Trust) -> None:
    a_case(trust)
    trust.each(a_report(ABDOMEN), a_report(CHEST, text="Chest, not abdomen.", status="C", at="202609021500"))
    assert studies(trust) == [("chest_xray", False, True)]
    assert texts(trust) == {"chest_xray": "Chest, not abdomen."}
    assert len(trust.rows("imaging_report", every=True)) == 1


def test_the_text_of_either_film_may_raise_a_suspicion(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310"))
    trust.receive(a_report(CHEST, text="Clear lungs.", at="202609021300"))
    trust.receive(a_report(ABDOMEN, text="Pneumatosis, features of NEC.", at="202609021200"))
    assert trust.states() == {"nec": "suspected"}
