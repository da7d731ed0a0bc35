"""What a server says of its answers: in a page, in place of one, in an error; by the rules of its vendor."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.errors import Declined, NotNow, PagingExpired, SourceError, SourceFault
from adapter.sources.fhir_outcomes import Action, Outcomes, issues_of
from adapter.sources.fhir_page import Page, read_page, read_resource
from adapter.sources.fhir_refusal import Answer, is_nothing, refusal
from adapter.sources.fhir_request import Request, follow, read, search

BASE = "https://fhir.example.nhs.uk/r4"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = "Quillfeather"
EPIC = Outcomes(
    [
        ("4101", Action.NOTHING_FOUND),
        ("4103", Action.DELETED),
        ("4107", Action.MERGED),
        ("4119", Action.MARK_INCOMPLETE),
        ("4130", Action.PERSON),
        ("4131", Action.PERSON),
        ("4134", Action.PERSON),
        ("4135", Action.PAUSE_UNTIL_TOMORROW),
        ("59100", Action.IGNORED_PARAMETER),
        ("4122", Action.IGNORED_PARAMETER),
        ("59999", Action.RESTART_SEARCH),
        ("4100", Action.IGNORE),
    ],
    expired={"http-404", "4113"},
)
SEARCH = search(BASE, "Observation", [("patient", "p1")])


def an_outcome(*codes: str, severity: str = "warning", code: str = "business-rule") -> dict[str, Any]:
    issues = [
        {"severity": severity, "code": code, "diagnostics": NAME, "details": {"coding": [{"code": each}], "text": NAME}}
        for each in codes
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


def bundle(*resources: dict[str, Any]) -> bytes:
    entries = [{"resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


def a_page(*codes: str, outcomes: Outcomes = EPIC, is_link: bool = False, **more: str) -> Page:
    body = bundle({"resourceType": "Observation", "id": "o1"}, an_outcome(*codes, **more))
    return read_page(body, url=SEARCH.url, outcomes=outcomes, is_link=is_link)


def an_error(status: int, *codes: str, request: Request = SEARCH, **headers: str) -> SourceError:
    answer = Answer(status, headers, json.dumps(an_outcome(*codes, severity="error")).encode() if codes else b"")
    return refusal(answer, request=request, outcomes=EPIC, now=NOW)


def ended(*codes: str, is_link: bool = False) -> SourceError:
    with pytest.raises(SourceError) as caught:
        a_page(*codes, is_link=is_link)
    return caught.value


@pytest.mark.parametrize("written", [NAME, NAME.lower(), f"MSG_{NAME.upper()}", "999001", "9990010019", "not-a-code"])
def test_a_name_or_a_number_where_a_code_stands_is_not_repeated(written: str) -> None:
    """In small letters or in capitals it has the form of a code of FHIR's, and six digits may be a hospital number."""
    coded = {"severity": written, "code": written, "details": {"coding": [{"code": written}]}}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [coded]}).encode()

    assert written not in repr(issues_of(body))
    assert written not in str(refusal(Answer(400, {}, body), request=SEARCH, outcomes=EPIC, now=NOW))


@pytest.mark.parametrize("code", ["not-found", "business-rule", "MSG_NO_MATCH", "4119", "59133"])
def test_codes_of_fhir_and_short_numbers_of_vendors_are(code: str) -> None:
    assert [issue.code for issue in a_page(code, outcomes=Outcomes()).issues] == [code]


@pytest.mark.behaviour(25)
def test_each_issue_of_a_page_is_classified_and_none_is_data() -> None:
    page = a_page("4119", "59100", "4100", "4101", "77777")

    assert [entry.name for entry in page.entries] == ["Observation/o1"]
    assert (page.incomplete, page.ignored, page.unknown) == (("4119",), ("59100",), ("77777",))
    assert [issue.code for issue in page.issues] == ["4119", "59100", "4100", "4101", "77777"]


@pytest.mark.behaviour(25)
def test_what_only_informs_is_no_unknown_code() -> None:
    assert a_page("77777", severity="information").unknown == ()
    assert a_page("77777", severity="error").unknown == ("77777",)


@pytest.mark.behaviour(27)
@pytest.mark.parametrize("code", ["incomplete", "suppressed"])
def test_the_standards_own_words_for_not_all_need_no_rule(code: str) -> None:
    page = a_page("77777", outcomes=Outcomes(), code=code)
    assert page.incomplete == ("77777",)


@pytest.mark.behaviour(26)
def test_the_standards_own_word_for_an_ignored_parameter_needs_no_rule_and_a_rule_may_say_otherwise() -> None:
    assert a_page("77777", outcomes=Outcomes(), code="not-supported").ignored == ("77777",)
    assert a_page("77777", outcomes=Outcomes([("77777", Action.IGNORE)]), code="not-supported").ignored == ()


def test_the_first_rule_for_a_code_counts() -> None:
    mine = Outcomes([("4119", Action.IGNORE), ("4119", Action.MARK_INCOMPLETE)])
    assert a_page("4119", outcomes=mine).incomplete == ()


@pytest.mark.behaviour(38)
@pytest.mark.parametrize("code", ["4130", "4131", "4134"])
def test_a_denial_by_break_the_glass_is_for_a_person_in_a_page_and_in_an_error(code: str) -> None:
    for error in (ended(code), an_error(403, code), an_error(500, code)):
        assert isinstance(error, Declined)
        assert (error.fault, error.code) == (SourceFault.PERSON, code)


@pytest.mark.behaviour(39)
@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_used_up_quota_pauses_the_type_and_is_not_tried_again(status: int) -> None:
    error = an_error(status, "4135")

    assert isinstance(error, Declined)
    assert (error.fault, error.code) == (SourceFault.PAUSED, "4135")
    assert ended("4135").fault is SourceFault.PAUSED


@pytest.mark.behaviour(23)
def test_an_expired_session_begins_the_search_again_also_within_a_200() -> None:
    assert isinstance(an_error(400, "4113", request=follow(f"{BASE}?page=2")), PagingExpired)
    assert isinstance(an_error(404, request=follow(f"{BASE}?page=2")), PagingExpired)
    assert isinstance(ended("4113", is_link=True), PagingExpired)
    assert isinstance(ended("59999"), PagingExpired)
    assert a_page("4113").unknown == ("4113",)  # no link was followed, so none has expired


@pytest.mark.behaviour(23)
def test_a_server_whose_searches_are_not_to_begin_again_is_left() -> None:
    given_up = Outcomes(expired={"http-410"}, is_restarted=False)
    error = refusal(Answer(410, {}, b""), request=follow(f"{BASE}?page=2"), outcomes=given_up, now=NOW)

    assert isinstance(error, Declined)
    assert error.fault is SourceFault.PAGING_EXPIRED


@pytest.mark.behaviour(37)
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, SourceFault.REFUSED),
        (403, SourceFault.DENIED),
        (404, SourceFault.NOT_FOUND),
        (410, SourceFault.GONE),
        (422, SourceFault.REFUSED),
    ],
)
def test_a_refusal_is_not_tried_again_and_what_was_said_comes_with_it(status: int, fault: SourceFault) -> None:
    error = an_error(status, "59177")

    assert isinstance(error, Declined)
    assert (error.fault, error.code) == (fault, "59177")
    assert NAME in error.told.decode()
    assert NAME not in str(error) + repr(error)
    assert an_error(status).told == b""


def test_nothing_found_is_an_empty_page_and_no_error() -> None:
    body = json.dumps(an_outcome("4101")).encode()

    assert is_nothing(Answer(404, {}, body), EPIC)
    assert read_page(body, url=SEARCH.url, outcomes=EPIC).entries == []
    assert not is_nothing(Answer(404, {}, json.dumps(an_outcome("59177")).encode()), EPIC)


@pytest.mark.behaviour(27)
def test_an_error_that_hides_something_is_told_as_such() -> None:
    error = an_error(500, "4119")
    assert isinstance(error, Declined)
    assert (error.fault, error.code) == (SourceFault.INCOMPLETE, "4119")


@pytest.mark.behaviour(67)
def test_a_read_that_is_redirected_to_another_patient_is_a_merge() -> None:
    asked = read(BASE, "Patient/p1")

    for error in (
        an_error(301, "4107", request=asked, Location=f"{BASE}/Patient/p2"),
        an_error(302, request=asked, Location="/r4/Patient/p2"),
    ):
        assert isinstance(error, Declined)
        assert (error.fault, error.survivor) == (SourceFault.MERGED, "p2")
    without = an_error(404, "4107", request=asked)
    assert isinstance(without, Declined)
    assert (without.fault, without.code, without.survivor) == (SourceFault.MERGED, "4107", "")


@pytest.mark.behaviour(10)
@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("Patient/p1", "https://login.example/sign-in"),
        ("Patient/p1", "https://elsewhere.example/r4/Patient/p2"),
        ("Patient/p1", "/r4/Patient/p1"),
        ("Patient/p1", "/r4/Patient/p2?x=1"),
        ("Patient/p1", "https://[::1"),
        ("Patient/p1", ""),
        ("Binary/b1", "/r4/Patient/p2"),
    ],
)
def test_any_other_redirect_is_no_merge(asked: str, location: str) -> None:
    error = an_error(302, request=read(BASE, asked), Location=location)

    assert isinstance(error, NotNow)
    assert error.fault is SourceFault.REDIRECT


@pytest.mark.behaviour(67)
def test_another_patient_than_asked_for_is_a_merge_however_it_came() -> None:
    body = b'{"resourceType":"Patient","id":"p2"}'
    with pytest.raises(Declined) as caught:
        read_resource(body, name="Patient/p1", url=f"{BASE}/Patient/p1")
    assert (caught.value.fault, caught.value.survivor) == (SourceFault.MERGED, "p2")

    entry = read_resource(body, name="Patient/p2", url=f"{BASE}/Patient/p2")
    assert (entry.name, entry.is_include) == ("Patient/p2", True)
    assert json.loads(entry.raw)["fullUrl"] == f"{BASE}/Patient/p2"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"resourceType":"Observation","id":"o1"}', SourceFault.REFUSED),
        (b"<html>", SourceFault.BROKEN_BODY),
        (json.dumps(an_outcome("4103")).encode(), SourceFault.GONE),
        (json.dumps(an_outcome("4101")).encode(), SourceFault.NOT_FOUND),
        (json.dumps(an_outcome("77777")).encode(), SourceFault.NOT_A_SEARCHSET),
    ],
)
def test_a_read_that_gives_something_else_gives_nothing(body: bytes, fault: SourceFault) -> None:
    with pytest.raises(SourceError) as caught:
        read_resource(body, name="Patient/p1", url=f"{BASE}/Patient/p1", outcomes=EPIC)
    assert caught.value.fault is fault


def test_what_is_told_of_a_page_is_the_outcome_alone_and_no_data_of_the_page() -> None:
    error = ended("4130")

    assert NAME in error.told.decode()
    assert "Observation" not in error.told.decode()


def test_a_code_that_is_no_code_is_never_repeated() -> None:
    written = json.dumps(an_outcome(NAME, "4119x", "9990000026", code=NAME)).encode()

    assert {code for issue in issues_of(written) for code in issue.codes} == {"other"}
