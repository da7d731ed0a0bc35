"""Signs in reports: coded before text; present, absent, left open; what is asked, past or of another does not count."""

import base64
from typing import Any

import pytest

from tests.unit.mapping_csor.builders import a_code, maps


def signs(text: str | None = None, **report: Any) -> dict[str, Any]:
    resource = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "XR Abdomen"}, **report}
    if text is not None:
        resource["conclusion"] = text
    row = maps().project("imaging_report", resource, {})
    assert row is not None
    return {name: row.fields[f"signs_{name}"] for name in ("present", "absent", "uncertain")} | {
        "method": row.fields["method"]
    }


def one(text: str) -> list[tuple[str, str]]:
    return [
        (assertion, sign) for assertion, found in signs(text).items() if assertion != "method" for sign in found or ()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is pneumatosis.", [("present", "pneumatosis")]),
        ("Intramural gas in the right lower quadrant.", [("present", "pneumatosis")]),
        ("No pneumatosis or portal venous gas.", [("absent", "pneumatosis"), ("absent", "portal_venous_gas")]),
        ("Possible free air.", [("uncertain", "pneumoperitoneum")]),
        ("?pneumatosis", [("uncertain", "pneumatosis")]),
        ("The abdomen is gasless.", [("present", "gasless")]),
        ("The nasogastric tube is coiled in the upper pouch.", [("present", "coiled_tube")]),
        ("Loops of bowel in the left hemithorax.", [("present", "bowel_in_chest")]),
        ("No contrast leak. Short stricture at the anastomosis.", [("present", "stricture"), ("absent", "leak")]),
        ("Bilateral VUR.", [("present", "vesicoureteric_reflux")]),
        ("Keyhole appearance with a dilated posterior urethra.",
         [("present", "dilated_posterior_urethra"), ("present", "keyhole_bladder")]),
        ("Normal bowel gas pattern.", []),
        ("Indication: ?perforation, any free air?\nFindings: Normal.", []),
        ("Clinical details: pneumatosis seen elsewhere.\nReport: Unremarkable.", []),
        ("Previously noted pneumatosis has resolved.", []),
        ("Plan: repeat film if pneumatosis develops.", []),
    ],
)  # fmt: skip
def test_a_sentence_asserts_denies_or_leaves_open(text: str, expected: list[tuple[str, str]]) -> None:
    assert one(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Findings: Free air.\nConclusion: No free air.", "absent"),
        ("Findings: No free air.\nImpression: Pneumoperitoneum.", "present"),
        ("Findings: Free air seen.\nThere is no free air.", "uncertain"),
        ("Findings: No free air.\nConclusion: Possible free air. On discussion, pneumoperitoneum.", "present"),
        ("Findings: Free air.\nConclusion: Surgical review.", "present"),
    ],
)
def test_where_a_report_contradicts_itself_the_last_word_of_the_conclusion_counts(text: str, expected: str) -> None:
    assert one(text) == [(expected, "pneumoperitoneum")]


def test_a_coded_sign_counts_and_the_text_is_not_read() -> None:
    coded = a_code("197811007", system="http://snomed.info/sct")
    assert signs("No reflux. Pneumatosis.", conclusionCode=[coded]) == {
        "present": ["vesicoureteric_reflux"], "absent": None, "uncertain": None, "method": "coded",
    }  # fmt: skip


def test_a_code_of_something_else_leaves_the_text_to_speak() -> None:
    assert (
        signs("Pneumatosis.", conclusionCode=[a_code("38341003", system="http://snomed.info/sct")])["method"] == "text"
    )


def test_a_report_without_signs_or_text_says_so() -> None:
    assert (signs("Normal.")["method"], signs()["method"]) == ("none", "none")


def test_attached_plain_text_is_read_and_what_cannot_be_decoded_is_a_problem() -> None:
    text = base64.b64encode(b"Pneumatosis.").decode()
    assert signs(presentedForm=[{"contentType": "text/plain", "data": text}])["present"] == ["pneumatosis"]
    report = {"resourceType": "DiagnosticReport", "presentedForm": [{"contentType": "text/plain", "data": "%%%"}]}
    row = maps().project("imaging_report", report, {})
    assert row is not None
    assert "UNDECODABLE_TEXT" in [problem.code.name for problem in row.problems]


def test_a_picture_of_a_report_is_not_read() -> None:
    assert signs(presentedForm=[{"contentType": "application/pdf", "data": "JVBERi0="}])["method"] == "none"
