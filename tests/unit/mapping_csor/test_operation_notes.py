"""Structured operation notes: questions found by linkId or text, answers by code or words, nothing guessed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SetupError
from adapter.mapping.fhir_to_csor import load_csor_maps
from adapter.mapping.own_tables import OwnTables
from tests.unit.mapping_csor.builders import MAPPINGS, maps

FORM = "https://fhir.rxx.example/Questionnaire/operative-record-nec"
OWN = """kind: operation-note
means: "The form of another trust."
condition: nec
questionnaires: [https://other.example/Questionnaire/laparotomy]
fields:
  - name: technique
    question: [q1, "What was done?"]
    answers: {"Drain": peritoneal_drain, "Do not know": unknown}
  - name: bowel_remaining_cm
    question: q2
    units: {cm: 1, mm: 0.1}
"""


def a_note(*items: dict[str, Any], form: str = FORM) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": form, "item": list(items)}


def asked(link: str, *answers: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    return {"linkId": link, "answer": list(answers)} | ({"text": text} if text else {})


def fields(note: dict[str, Any], using: Any = None) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    row = (using or maps()).project("operation_note", note, {})
    assert row is not None
    known = {
        name: value for name, value in row.fields.items() if value is not None and name not in ("condition", "status")
    }
    return known, [(problem.code.name, problem.at) for problem in row.problems]


def test_questions_are_found_below_groups_and_below_answers() -> None:
    below = {"linkId": "procedure.approach", "answer": [{"valueString": "Open"}]}
    outer = {"linkId": "g", "item": [{"linkId": "h", "answer": [{"valueBoolean": True, "item": [below]}]}]}
    assert fields(a_note(outer)) == ({"approach": "open"}, [])


def test_a_question_may_be_known_by_its_words() -> None:
    note = a_note(asked("x.17", {"valueString": "clip and  DROP"}, text="Procedure performed"))
    assert fields(note) == ({"technique": "clip_and_drop"}, [])


def test_an_answer_that_no_table_knows_is_a_problem_and_no_value() -> None:
    note = a_note(asked("procedure.technique", {"valueString": "something new"}))
    assert fields(note) == ({}, [("UNKNOWN_CODE", "QuestionnaireResponse.item(procedure.technique)")])


def test_an_answer_that_nobody_knows_is_no_problem() -> None:
    assert fields(a_note(asked("findings.histology-confirmed", {"valueCoding": {"code": "awaited"}}))) == ({}, [])


def test_answers_that_contradict_each_other_give_no_value() -> None:
    note = a_note(asked("findings.extent", {"valueString": "focal"}, {"valueString": "multifocal"}))
    assert fields(note) == ({}, [("AMBIGUOUS_VALUE", "QuestionnaireResponse.item(findings.extent)")])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"valueDecimal": Decimal("35.5")}, Decimal("35.5")),
        ({"valueInteger": 35}, Decimal(35)),
        ({"valueQuantity": {"value": 350, "unit": "mm"}}, Decimal(35)),
    ],
)
def test_a_length_is_given_in_centimetres(answer: dict[str, Any], expected: Decimal) -> None:
    assert fields(a_note(asked("findings.bowel-remaining-cm", answer))) == ({"bowel_remaining_cm": expected}, [])


@pytest.mark.parametrize(
    ("answer", "code"),
    [({"valueQuantity": {"value": 35, "unit": "inch"}}, "UNKNOWN_UNIT"), ({"valueString": "a foot"}, "NOT_A_NUMBER")],
)  # fmt: skip
def test_a_length_that_cannot_be_read_is_a_problem(answer: dict[str, Any], code: str) -> None:
    found, problems = fields(a_note(asked("findings.bowel-remaining-cm", answer)))
    assert (found, [name for name, _ in problems]) == ({}, [code])


def test_a_local_time_gets_its_offset() -> None:
    note = a_note(asked("procedure.operated", {"valueDateTime": "2026-07-05T14:10:00"}))
    assert fields(note)[0]["operated_dt"] == "2026-07-05T14:10:00+01:00"


def test_the_version_of_a_form_does_not_matter_but_its_address_does() -> None:
    assert maps().project("operation_note", a_note(form=f"{FORM}|7"), {}) is not None
    assert maps().project("operation_note", a_note(form="https://elsewhere.example/operative-record-nec"), {}) is None


def with_own(tmp_path: Path, text: str) -> Any:
    table = tmp_path / "laparotomy.yaml"
    table.write_text(text)
    return load_csor_maps(MAPPINGS, own=OwnTables(operation_notes=[table]))


def test_a_trust_adds_its_own_form_by_path(tmp_path: Path) -> None:
    note = a_note(
        asked("q1", {"valueString": "drain"}),
        asked("q2", {"valueQuantity": {"value": 20, "unit": "mm"}}),
        form="https://other.example/Questionnaire/laparotomy",
    )
    found, problems = fields(note, with_own(tmp_path, OWN))
    assert (found, problems) == ({"technique": "peritoneal_drain", "bowel_remaining_cm": Decimal(2)}, [])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("peritoneal_drain", "peritoneal_drane", "is no value of technique"),
        ("name: technique", "name: tecnique", "did you mean"),
        ("condition: nec", "condition: nek", "is not one of"),
        ('    answers: {"Drain": peritoneal_drain, "Do not know": unknown}\n', "", "needs `answers`"),
        ("name: technique", "name: recorded_dt", "no question gives"),
    ],
)
def test_a_fault_in_a_form_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        with_own(tmp_path, OWN.replace(old, new))
