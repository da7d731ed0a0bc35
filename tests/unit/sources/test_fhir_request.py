"""What is sent to a FHIR server: which parameters together, and where they stand."""

import pytest

from adapter.sources.fhir_request import Style, follow, read, search

BASE = "https://fhir.example.nhs.uk/r4"
OF_A_CHILD = [("category", "laboratory"), ("patient", "p1"), ("_count", "50")]


def test_a_search_stands_in_its_address() -> None:
    request = search(BASE, "Observation", OF_A_CHILD)

    assert request.url == f"{BASE}/Observation?category=laboratory&patient=p1&_count=50"
    assert (request.method, request.body, dict(request.headers)) == ("GET", None, {})


def test_with_post_nothing_of_a_search_stands_in_its_address() -> None:
    request = search(
        BASE, "Patient", [("identifier", "https://fhir.nhs.uk/Id/nhs-number|9990000026")], style=Style(post=True)
    )

    assert (request.url, request.method) == (f"{BASE}/Patient/_search", "POST")
    assert request.body == b"identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990000026"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("post", [False, True])
def test_a_lenient_search_says_so(post: bool) -> None:
    request = search(BASE, "Observation", OF_A_CHILD, style=Style(post=post, lenient=True))

    assert request.headers["Prefer"] == "handling=lenient"


@pytest.mark.behaviour(14)
def test_an_id_that_excludes_all_else_is_sent_alone() -> None:
    pairs = [("_id", "p1"), ("_include", "Patient:link"), ("_count", "50"), ("_lastUpdated", "ge2026-01-01")]

    alone = search(BASE, "Patient", pairs, style=Style(exclusive=(("_id", "*"),)))
    other_way_round = search(BASE, "Patient", pairs, style=Style(exclusive=(("*", "_id"),)))
    without_id = search(BASE, "Patient", pairs[1:], style=Style(exclusive=(("_id", "*"),)))

    assert alone.url == other_way_round.url == f"{BASE}/Patient?_id=p1"
    assert "_include" in without_id.url


@pytest.mark.behaviour(14)
def test_a_wish_gives_way_to_what_it_excludes() -> None:
    pairs = [("_lastUpdated", "ge2026-01-01"), ("_sort", "_lastUpdated"), ("_count", "9")]

    request = search(BASE, "Observation", pairs, style=Style(exclusive=(("_sort", "_lastUpdated"),)))

    assert request.url == f"{BASE}/Observation?_lastUpdated=ge2026-01-01&_count=9"


def test_a_read_and_a_link_are_asked_for_as_they_are_written() -> None:
    assert read(BASE, "Patient/p1").url == f"{BASE}/Patient/p1"
    assert not read(BASE, "Patient/p1").is_search
    link = follow(f"{BASE}?_getpages=a%7cb")
    assert (link.url, link.method, link.is_link, link.is_search) == (f"{BASE}?_getpages=a%7cb", "GET", True, True)
