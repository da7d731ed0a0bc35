"""FHIR R4B's verdict is written beside a resource of a child of the register, and loses nothing of it."""

import json

import pytest
from typer.testing import CliRunner

from adapter import fhir
from adapter.cli.app import app
from adapter.cli.explain import explainer
from adapter.dispatch import record_bytes
from adapter.store import verdicts
from adapter.store.sql import run
from tests.integration.conftest import Make
from tests.integration.fhir_child import SETTINGS, a_known_child, a_page, a_patient, a_result, a_sample, at, by_v2

STRANGE = {"vendorFlag": {"secret": "QUILLFEATHER"}, "comment": "an element of STU3"}


@pytest.mark.behaviour(33)
def test_a_resource_that_r4b_refuses_still_gives_its_row_and_its_verdict_is_kept(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(**STRANGE), a_sample()), is_fhir=True)

    (row,) = trust.rows("lab_result")
    with explainer(trust.settings) as explain:
        found = explain.explain(record_bytes(row["row"]))
    assert found is not None

    assert fhir.validate(a_result(**STRANGE))
    assert (row["analyte"], row["value_original"]) == ("crp", "12")
    assert trust.status()["fhir_verdicts"] == {"waiting": 0, "refused": {"Observation extra_forbidden": 1}}
    assert {verdict.partition(", ")[2] for verdict in found.verdicts} == {
        "Observation/o1/comment: extra_forbidden",
        "Observation/o1/vendorFlag: extra_forbidden",
    }
    assert "QUILLFEATHER" not in json.dumps([*found.verdicts, trust.status()])


def test_explain_prints_it(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(**STRANGE), a_sample()), is_fhir=True)
    (row,) = trust.rows("lab_result")
    file = trust.settings.data_folder.parent / "trust.yaml"

    printed = CliRunner().invoke(app, ["explain", row["row"], "--config", str(file)]).stdout

    assert "not as FHIR R4B defines it: message 3, Observation/o1/comment: extra_forbidden" in printed


def test_the_verdict_is_worked_out_after_the_row(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    inspect, trust.works.inspector.step = trust.works.inspector.step, lambda **_: False  # type: ignore[method-assign]
    trust.take(a_page(a_result(**STRANGE), a_sample()), is_fhir=True)

    before = trust.values(), trust.status()["fhir_verdicts"]["waiting"]
    while inspect(now_us=0):
        pass

    assert before == (["12"], 1)
    assert trust.status()["fhir_verdicts"]["waiting"] == 0


def test_of_a_held_infant_nothing_is_held_to_it_until_it_is_of_the_register(a_trust: Make) -> None:
    trust = a_trust(**SETTINGS)
    visit = {"resourceType": "Encounter", "id": "e1", "meta": {"lastUpdated": at(0)}, "status": "in-progress",
             "subject": {"reference": "Patient/p1"}, "serviceType": {"coding": [{"code": "422"}]}}  # fmt: skip
    trust.take(a_page(a_patient(), visit, a_result(**STRANGE), a_sample()), is_fhir=True)
    before = trust.status()["fhir_verdicts"]
    by_v2(trust)

    assert before == {"waiting": 0, "refused": {}}
    # R4B wants an Encounter.class, too.
    assert trust.status()["fhir_verdicts"]["refused"] == {"Encounter missing": 1, "Observation extra_forbidden": 1}


def test_the_place_is_sealed_as_an_element_may_have_any_name(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(Baby_QUILLFEATHER="x"), a_sample()), is_fhir=True)
    with trust.works.database.read() as conn:
        rows = [verdicts.VerdictRow._make(row) for row in run(conn, "SELECT * FROM verdict")]

    assert [(row.type, row.rule) for row in rows] == [("Observation", "extra_forbidden")]
    assert all(b"QUILLFEATHER" not in row.sealed and "QUILLFEATHER" not in row.rule + row.type for row in rows)
