"""A part of the published examples, scored: no difference without a cause that a check confirms."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.mappings.official_tables import segment_maps
from tests.mappings.v2_score import (
    COLUMNS,
    DIFFERENCES,
    FLOOR,
    PAGE,
    RULED_OUT,
    Cause,
    Score,
    listed,
    page_with,
    read_causes,
    report,
    score,
)
from tests.mappings.v2_score_checks import CHECKS, Case, Segments, confirmed
from tests.mappings.v2_score_compare import Comparison, Difference, Leaf, compare

FOLDER = Path(__file__).parents[1] / "data" / "v2-score"
MESSAGE = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.4\rPID|1||1\rIN1|1|P|N77\rPV1|1|P\rORC|RE|1||G1&L^F1\r"


@cache
def scored() -> Score:
    return score(FOLDER)


def a_difference(path: str, value: str, *rivals: str) -> Difference:
    return Difference(
        message="m",
        resource=path.partition(".")[0],
        source="s",
        path=path,
        value=value,
        whole=(Leaf(path, value),),
        made=tuple((path, rival) for rival in rivals) or None,
        rivals=rivals,
        others=(tuple((path, rival) for rival in rivals),),
    )


def holds(check: str, difference: Difference, *arguments: str) -> bool:
    return confirmed(Case(difference, Segments(MESSAGE)), check, arguments)


def test_no_difference_is_unexplained() -> None:
    assert [(each.message, each.path, each.value) for each in scored().unexplained()] == []


def test_recall_is_above_the_floor_where_nothing_is_ruled_out() -> None:
    """Of messages that were chosen because they differ; precision is that of all messages, on the page."""
    after = scored().without().values()
    assert sum(tally.agreeing for tally in after) / sum(tally.expected for tally in after) >= FLOOR


def test_every_difference_is_one_value_that_does_not_agree() -> None:
    tallies = scored().comparison.tallies.values()
    assert len(scored().explained) == sum(tally.expected - tally.agreeing for tally in tallies)


def test_the_list_of_differences_says_the_same_of_these_messages() -> None:
    with DIFFERENCES.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    messages = {difference.message for difference, _ in scored().explained}
    assert [row for row in rows if row[0] in messages] == listed(scored())
    assert [row for row in rows if row[5] == "unexplained"] == []


def test_the_page_names_the_causes_that_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = {line.split("|")[1].strip() for line in text.splitlines() if line.count("|") == 7}
    assert named & {cause.cause for cause in read_causes()} == {
        cause.cause for cause in read_causes() if f"| {cause.cause} |" in text
    }
    assert "**Unexplained: 0.**" in text
    assert page_with(text, ["x"]) != text


@pytest.mark.parametrize("cause", read_causes(), ids=lambda cause: cause.cause)
def test_a_cause_has_a_check_a_verdict_and_what_decides(cause: Cause) -> None:
    assert cause.check in CHECKS
    assert cause.verdict in {*RULED_OUT, "choice"}
    assert cause.decided_by
    assert cause.says


@pytest.mark.parametrize(
    ("check", "difference", "arguments", "is_so"),
    [
        ("same-instant", ("Patient.deceasedDateTime", "2026-01-01T12:00+00:00", "2026-01-01T13:00+01:00"), (), True),
        ("same-instant", ("Patient.deceasedDateTime", "2026-01-01T12:00+00:00", "2026-01-01T12:00+01:00"), (), False),
        ("same-instant", ("Patient.deceasedDateTime", "2026-01-01T12:00", "2026-01-01T12:00"), (), False),
        ("value-without-map", ("Patient.identifier.value", "N77"), ("IN1",), True),
        ("value-without-map", ("Patient.identifier.value", "N77"), ("IN2",), False),
        ("value-without-map", ("Patient.identifier.value", "1"), ("IN1",), False),
        (
            "value-of-field",
            ("ServiceRequest.identifier.value", "G1"),
            ("ORC-4", "ORC[ServiceRequest]", "requisition"),
            True,
        ),
        (
            "value-of-field",
            ("ServiceRequest.identifier.value", "G2"),
            ("ORC-4", "ORC[ServiceRequest]", "requisition"),
            False,
        ),
        (
            "value-of-field",
            ("ServiceRequest.identifier.value", "1"),
            ("ORC-2", "ORC[ServiceRequest]", "identifier"),
            False,
        ),
        (
            "code-table-says",
            ("Encounter.status", "in-progress", "planned"),
            ("PatientClass[EncounterStatus]", "PV1-2"),
            True,
        ),
        (
            "code-table-says",
            ("Encounter.status", "in-progress", "onleave"),
            ("PatientClass[EncounterStatus]", "PV1-2"),
            False,
        ),
        ("value-of-field", ("Encounter.identifier.value", " "), ("PID-18", "PID[Account]", "identifier"), False),
        ("value-without-map", ("Patient.identifier.value", " "), ("IN1",), False),
        ("blank", ("Encounter.identifier.value", " "), (), True),
        ("blank", ("Encounter.identifier.value", "1"), (), False),
        ("no-instant-of-a-date", ("DiagnosticReport.issued", "2026"), (), True),
        ("no-instant-of-a-date", ("DiagnosticReport.issued", "2026-01-01T12:00:00+00:00"), (), False),
    ],
)
def test_a_check_confirms_what_it_sees_and_nothing_else(
    check: str, difference: tuple[str, ...], arguments: tuple[str, ...], is_so: bool
) -> None:
    assert holds(check, a_difference(*difference), *arguments) is is_so


def test_a_report_of_an_order_is_ruled_out_only_in_an_order() -> None:
    difference = a_difference("DiagnosticReport.code.coding.code", "X")
    order = Segments("MSH|^~\\&|||||||ORM^O01\rOBR|1||F1|X^Panel")
    result = Segments("MSH|^~\\&|||||||ORU^R01\rOBR|1||F1|X^Panel")
    arguments = ("ORM_O01", "OBR-4", "ORM/OMG")
    assert confirmed(Case(difference, order), "order-makes-none", arguments)
    assert not confirmed(Case(difference, result), "order-makes-none", arguments)
    # The guide's own results make a report: the same excuse fails where the map has one.
    assert not confirmed(Case(difference, result), "order-makes-none", ("ORU_R01", "OBR-4", "ORU"))


def test_a_difference_that_nothing_confirms_is_unexplained_and_counts() -> None:
    expected = {"Patient": {("s", "0"): [Leaf("Patient.gender", "male"), Leaf("Patient.birthDate", "2026-01-01")]}}
    one = compare("m", expected, [{"resourceType": "Patient", "gender": "male", "birthDate": "2026-01-02"}])
    (difference,) = one.differences
    case = Case(difference, Segments(MESSAGE))
    assert [cause.cause for cause in read_causes() if cause.holds(case)] == []
    found = Score(comparison=one, explained=[(difference, None)])
    assert found.unexplained() == [difference]
    assert found.without()["Patient"] == replace(one.tallies["Patient"])
    assert "**Unexplained: 1.**" in list(report(found))


def test_what_a_choice_makes_differ_counts_against_us() -> None:
    difference = a_difference("Procedure.status", "unknown", "completed")
    choice = next(cause for cause in read_causes() if cause.verdict == "choice")
    table = next(cause for cause in read_causes() if cause.verdict == "table")
    comparison = Comparison()
    comparison.tallies["Procedure"].expected = comparison.tallies["Procedure"].produced = 1
    assert Score(comparison=comparison, explained=[(difference, choice)]).without()["Procedure"].expected == 1
    assert Score(comparison=comparison, explained=[(difference, table)]).without()["Procedure"].expected == 0


def test_the_inventory_is_that_of_the_guide() -> None:
    assert segment_maps()["OBX[Observation]"] == "Ready for Ballot"
    assert not any(name.startswith("OBX[DiagnosticReport") for name in segment_maps())
