"""Pages of any JSON: what is kept of them is decided without an error, and nothing of the patient's own is lost."""

import json
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapter.errors import SourceError
from adapter.sources.fhir_filter import Asked, Newest, keep_ours
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_hydrate import Hydrator, Path
from adapter.sources.fhir_page import body_of, read_page, read_resource
from adapter.sources.smart_auth import NoCredentials
from tests.fakes.paces import a_pace

BASE = "http://127.0.0.1:9/r4"
ASKED = Asked(
    "Observation",
    [
        ("category", "laboratory"),
        ("code", "a|b"),
        ("date", "ge2026-03-01"),
        ("_lastUpdated", "ge2026"),
        ("patient", "p1"),
    ],
    "p1",
)
PATHS = (Path("Observation", ("specimen",)), Path("DiagnosticReport", ("result",)))

_words = st.sampled_from(["Patient/p1", "Patient/p2", "#x", "urn:uuid:1", "laboratory", "2026-03-01", "2026", "", "p1"])
_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | _words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "reference", "start", "end", "lastUpdated", "versionId", "id"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
_resources = st.dictionaries(
    st.sampled_from(
        ["id", "meta", "subject", "patient", "category", "code", "effectivePeriod", "effectiveDateTime", "specimen"]
    ),
    _values,
    max_size=6,
).map(lambda found: {"resourceType": "Observation", **found})
_deep: Any = "laboratory"
for _ in range(400):
    _deep = {"coding": _deep}
_entries = st.one_of(_values, st.fixed_dictionaries({"resource": _resources}, optional={"fullUrl": _words}))


def a_page(entries: list[Any]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "entry": entries}).encode()


@given(st.lists(_entries, max_size=5))
@example([{"resource": {"resourceType": "Observation", "category": _deep}}])
@settings(max_examples=80)
def test_any_page_is_sorted_without_an_error(entries: list[Any]) -> None:
    page = read_page(a_page(entries), url=BASE)
    newest = Newest()

    once = newest.only(page.entries)
    ours = keep_ours(page._replace(entries=once, ignored=("59100",)), ASKED)

    assert len(once) <= len(page.entries)
    assert len(ours.page.entries) + ours.strangers + ours.dropped == len(once)
    msgspec.json.decode(body_of(ours.page.entries, timestamp=""))


@given(st.lists(_entries, max_size=4))
@settings(max_examples=40)
def test_references_of_any_form_are_followed_or_counted(entries: list[Any]) -> None:
    page = read_page(a_page(entries), url=BASE)
    server = FhirServer(BASE, credentials=NoCredentials(), pace=a_pace(), limits=Limits(attempts=1, first_wait_s=0.001))
    try:
        filled = Hydrator(PATHS, server=server, stop=threading.Event()).fill(page.entries)
    except SourceError:  # it would ask, and nobody is there
        return
    finally:
        server.close()
    assert filled.entries == page.entries


@given(st.binary(max_size=40) | _values.map(lambda value: json.dumps(value).encode()))
@example(b'{"resourceType":"Patient","id":"p1"}')
def test_whatever_answers_a_read_is_the_resource_or_an_error_of_the_source(body: bytes) -> None:
    try:
        entry = read_resource(body, name="Patient/p1", url=f"{BASE}/Patient/p1")
    except SourceError:
        return
    assert entry.name == "Patient/p1"


@pytest.mark.parametrize("depth", [100, 900])
def test_lists_within_lists_refer_to_nothing(depth: int) -> None:
    nested: Any = {"reference": "Specimen/s1"}
    for _ in range(depth):
        nested = [nested]
    page = read_page(a_page([{"resource": {"resourceType": "Observation", "id": "o", "specimen": nested}}]), url=BASE)
    server = FhirServer(BASE, credentials=NoCredentials(), pace=a_pace(), limits=Limits(attempts=1))
    hydrator = Hydrator([Path("Observation", ("specimen", "x"))], server=server, stop=threading.Event())
    assert hydrator.fill(page.entries).fetched == 0
    server.close()
