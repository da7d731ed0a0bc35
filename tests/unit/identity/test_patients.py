"""Who one message says the patient is."""

import pytest

from adapter.assertion import Resource, SourceIdentifier
from adapter.errors import IdentityConflict, ProblemCode
from adapter.identity import NumberKind, PatientFacts, read_patient
from tests.unit.identity.builders import (
    TRUST,
    a_patient,
    an_identifier,
    an_nhs_identifier,
    mrn,
    nhs,
    number,
    settings,
    with_check_digit,
)


def read(patient: Resource, *related: Resource) -> PatientFacts:
    return read_patient(patient, related=list(related), settings=settings())


def conflict(patient: Resource, *related: Resource) -> ProblemCode:
    with pytest.raises(IdentityConflict) as raised:
        read(patient, *related)
    assert number(1) not in str(raised.value)
    return raised.value.problem.code


@pytest.mark.behaviour(100)
@pytest.mark.parametrize(
    "identifier",
    [
        an_nhs_identifier(number(1)),
        an_identifier(f"N3{number(1)}", authority="NHS", kind="HN"),
        an_identifier(number(1), authority="", kind="NH"),
        an_identifier(number(1)[:3] + " " + number(1)[3:6] + " " + number(1)[6:], authority="", kind="SS"),
        {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number(1)},
    ],
)
def test_the_nhs_number_is_found_in_any_repetition_and_form(identifier: Resource) -> None:
    facts = read(a_patient(an_identifier("H1"), an_identifier("", kind="PI"), identifier))
    assert facts.nhs_number == nhs(1)
    assert facts.identifiers == (mrn("H1"),)
    assert facts.national_kind is NumberKind.NHS
    assert facts.problems == ()


@pytest.mark.behaviour(101)
def test_two_different_valid_nhs_numbers_in_one_message_are_a_conflict() -> None:
    patient = a_patient(an_identifier("H1"), an_nhs_identifier(number(1)), an_nhs_identifier(number(2)))
    assert conflict(patient) is ProblemCode.TWO_NHS_NUMBERS


def test_the_same_nhs_number_twice_is_no_conflict() -> None:
    facts = read(a_patient(an_identifier("H1"), an_nhs_identifier(number(1)), an_nhs_identifier(f" {number(1)}")))
    assert facts.nhs_number == nhs(1)


def test_an_invalid_nhs_number_is_a_problem_and_the_hospital_number_still_counts() -> None:
    facts = read(a_patient(an_identifier("H1"), an_nhs_identifier("9990000000")))
    assert facts.nhs_number is None
    assert facts.identifiers == (mrn("H1"),)
    assert [problem.code for problem in facts.problems] == [ProblemCode.BAD_NHS_NUMBER]


@pytest.mark.behaviour(102)
@pytest.mark.parametrize(
    ("status", "read_as", "verified"),
    [
        ("01", "01", True),
        ("NSTS01", "01", True),
        ("1", "01", True),
        ("NSTS02", "02", False),
        ("NSTS08", "08", False),
        ("08", "08", False),
        ("", "", False),
    ],
)
def test_only_trace_status_01_verifies_and_08_waits_without_an_error(status: str, read_as: str, verified: bool) -> None:
    facts = read(a_patient(an_identifier("H1"), an_nhs_identifier(number(1), status=status)))
    assert (facts.nhs_status, facts.nhs_verified) == (read_as, verified)
    assert facts.nhs_number == nhs(1)
    assert facts.problems == ()


def test_a_trust_may_say_that_its_feeds_send_no_trace_status() -> None:
    patient = a_patient(an_identifier("H1"), an_nhs_identifier(number(1), status=""))
    facts = read_patient(patient, related=[], settings=settings(absent_status_is_verified=True))
    assert facts.nhs_verified


@pytest.mark.behaviour(103)
@pytest.mark.parametrize(("nine", "kind"), [("010126000", NumberKind.CHI), ("320000000", NumberKind.HCN)])
@pytest.mark.parametrize("authority", ["NHS", "CHI"])
def test_another_nations_number_never_becomes_the_nhs_number(nine: str, kind: NumberKind, authority: str) -> None:
    facts = read(a_patient(an_identifier("H1"), an_identifier(with_check_digit(nine), authority=authority, kind="NI")))
    assert facts.nhs_number is None
    assert facts.national_kind is kind


@pytest.mark.behaviour(106)
@pytest.mark.parametrize(
    "patient",
    [
        a_patient(),
        a_patient(an_identifier("")),
        a_patient(an_identifier("H1", authority="OTHER")),
        a_patient(an_identifier("H1", authority="")),
        a_patient(an_identifier("V1", kind="AN")),
        a_patient(an_nhs_identifier("12345")),
        a_patient({"system": "urn:elsewhere", "value": "H1"}),
        {"resourceType": "Patient", "name": [{"family": "Zzyzx"}]},
    ],
)
def test_a_patient_without_a_usable_identifier_is_a_conflict(patient: Resource) -> None:
    assert conflict(patient) is ProblemCode.NO_IDENTIFIER


def test_a_number_of_another_hospital_is_ignored_with_a_problem() -> None:
    facts = read(a_patient(an_identifier("H1"), an_identifier("H1", authority="OTHER")))
    assert facts.identifiers == (mrn("H1"),)
    assert [problem.code for problem in facts.problems] == [ProblemCode.FOREIGN_AUTHORITY]


def test_several_hospital_numbers_are_kept_the_primary_first_and_old_ones_last() -> None:
    old = an_identifier("H0") | {"use": "old"}
    facts = read(a_patient(old, an_identifier("H2"), an_identifier("H1"), an_identifier("H2")))
    assert facts.identifiers == (mrn("H2"), mrn("H1"), mrn("H0"))


def test_authorities_and_systems_lead_to_one_name() -> None:
    chosen = settings(hospital_authorities={"MRENTR": TRUST}, fhir_systems={"https://rxx.example/mrn": TRUST})
    for identifier in (
        an_identifier("H1", authority="MRENTR", kind="MEDREC"),
        {"system": "https://rxx.example/mrn", "value": "H1"},
    ):
        facts = read_patient(a_patient(identifier), related=[], settings=chosen)
        assert facts.identifiers == (mrn("H1"),)


def test_a_patient_with_only_an_nhs_number_is_found_again_by_it() -> None:
    facts = read(a_patient(an_nhs_identifier(number(1))))
    assert facts.identifiers == (SourceIdentifier("nhs", number(1)),)


def a_relative(*identifiers: Resource, role: str = "MTH") -> Resource:
    return {
        "resourceType": "RelatedPerson",
        "identifier": list(identifiers),
        "relationship": [{"coding": [{"code": role}]}],
    }


@pytest.mark.parametrize(
    "mothers",
    [
        an_nhs_identifier(number(1)),
        an_identifier(number(1), authority="", kind=""),
        an_identifier("H1"),
        an_identifier("H1", authority="", kind=""),
    ],
)
def test_a_number_equal_to_the_mothers_is_a_conflict(mothers: Resource) -> None:
    patient = a_patient(an_identifier("H1"), an_nhs_identifier(number(1)))
    assert conflict(patient, a_relative(mothers)) is ProblemCode.MOTHERS_NUMBER


@pytest.mark.parametrize(
    "relative",
    [
        a_relative(an_nhs_identifier(number(2)), an_identifier("H2")),
        a_relative(an_identifier("H1", authority="OTHER")),
        a_relative(an_identifier("H1"), role="SEL"),
        a_relative(),
    ],
)
def test_the_mothers_own_number_beside_the_babys_is_no_conflict(relative: Resource) -> None:
    assert read(a_patient(an_identifier("H1"), an_nhs_identifier(number(1))), relative).identifiers == (mrn("H1"),)


@pytest.mark.behaviour(105)
@pytest.mark.parametrize("family", ["BABY ZZYZX", "Infant of Zzyzx", "Twin 1", "Zzyzx"])
def test_what_the_baby_is_called_changes_nothing(family: str) -> None:
    named = read(a_patient(an_identifier("H1"), name=[{"family": family}]))
    assert named == read(a_patient(an_identifier("H1")))


def test_a_birth_time_completes_the_birth_date() -> None:
    time = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
        "valueDateTime": "2026-01-03T04:05:00+00:00",
    }
    assert read(a_patient(an_identifier("H1"), _birthDate={"extension": [time]})).birth == "2026-01-03T04:05:00+00:00"
    late = a_patient(an_identifier("H1"), birthDate="2026-01-04", _birthDate={"extension": [time]})
    assert read(late).birth == "2026-01-04"
    assert read({"resourceType": "Patient", "identifier": [an_identifier("H1")]}).birth is None
