"""What a server has deleted, told on: each with its time, and in the same bytes however often."""

import json
from typing import Any

import pytest

from adapter import fhir
from adapter.fhir import Deletion
from adapter.sources.fhir_bulk_deletions import DELETIONS_IN_BUNDLE, deletions_of

SERVER_TIME = "2026-09-03T00:00:00Z"


def at(hour: int) -> str:
    return f"2026-09-02T{hour:02}:00:00Z"


def us(hour: int) -> int:
    return 1_788_307_200_000_000 + hour * 3_600_000_000


def a_bundle(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries, **more}).encode()


def an_entry(url: str = "Observation/1", **more: Any) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": url}, **more}


def heard(raw: bytes) -> list[Deletion]:
    """As the pipeline hears it."""
    found = deletions_of(raw, server_time=SERVER_TIME)
    assert found is not None
    return [each for body in found.bodies for each in fhir.read(body).deletions]


@pytest.mark.behaviour(48)
@pytest.mark.parametrize(
    ("bundle", "entry", "when"),
    [
        ({}, {}, us(24)),
        ({"meta": {"lastUpdated": at(3)}}, {}, us(3)),
        ({"meta": {"lastUpdated": at(3)}, "timestamp": at(4)}, {}, us(4)),
        ({"meta": {"lastUpdated": at(3)}, "timestamp": "yesterday"}, {}, us(3)),
        ({"meta": {"lastUpdated": at(3)}}, {"response": {"status": "204", "lastModified": at(2)}}, us(2)),
        ({}, {"response": {"status": "204"}}, us(24)),
    ],
)
def test_the_time_is_the_servers_own_else_that_of_the_export(
    bundle: dict[str, Any], entry: dict[str, Any], when: int
) -> None:
    assert heard(a_bundle(an_entry(**entry), **bundle)) == [Deletion("Observation/1", when)]


def test_the_address_may_be_whole() -> None:
    urls = ["https://fhir.rxx.example/r4/Observation/1", "/Condition/2", "Specimen/3/_history/4"]
    names = [each.name for each in heard(a_bundle(*map(an_entry, urls)))]
    assert names == ["Observation/1", "Condition/2", "Specimen/3"]


def test_only_what_was_deleted_is_told_and_of_it_nothing_else() -> None:
    more = {"request": {"method": "PUT", "url": "Patient/1"}}
    raw = a_bundle(an_entry(resource={"resourceType": "Observation", "id": "1"}), more, {}, id="gone")
    found = deletions_of(raw, server_time=SERVER_TIME)

    assert found is not None
    assert json.loads(found.bodies[0]) == {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": SERVER_TIME,
        "entry": [an_entry()],
    }
    assert found.told == 1


def test_many_are_told_some_at_a_time_always_in_the_same_bytes() -> None:
    raw = a_bundle(*(an_entry(f"Observation/{number}") for number in range(DELETIONS_IN_BUNDLE + 1)))
    found = deletions_of(raw, server_time=SERVER_TIME)

    assert found is not None
    assert (len(found.bodies), found.told) == (2, DELETIONS_IN_BUNDLE + 1)
    assert len(heard(raw)) == DELETIONS_IN_BUNDLE + 1
    assert deletions_of(raw, server_time=SERVER_TIME) == found


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b'{"resourceType": "Patient"}', b'{"resourceType": "Bundle", "entry": 1}']
)
def test_what_is_no_bundle_is_none(raw: bytes) -> None:
    assert deletions_of(raw, server_time=SERVER_TIME) is None


def test_without_deletions_there_is_nothing_to_tell() -> None:
    found = deletions_of(a_bundle(), server_time=SERVER_TIME)
    assert found is not None
    assert found == ([], 0)
