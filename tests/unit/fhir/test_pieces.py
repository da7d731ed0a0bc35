"""Resources of one body, element by element: what they share is shared, what is not of the form is refused."""

import json
from typing import Any

import pytest

from adapter import fhir
from adapter.fhir.pieces import Pieces
from adapter.fhir.resource import decode


def an_observation(**elements: Any) -> bytes:
    given = {"resourceType": "Observation", "id": "o1", "code": {"coding": [{"code": "1988-5"}]}, **elements}
    return json.dumps(given).encode()


def test_what_two_resources_share_word_for_word_is_one_object() -> None:
    pieces = Pieces()
    first, second = pieces.sound(an_observation()), pieces.sound(an_observation(id="o2"))
    assert first is not None
    assert second is not None
    assert first["code"] is second["code"]


def test_it_is_what_decoding_the_resource_gives() -> None:
    body = (
        b'{"resourceType":"Observation","id":"o\\u00e9","valueQuantity":{"value":72.50},"unknown":[1,null,{"a":true}]}'
    )
    assert repr(Pieces().sound(body)) == repr(decode(body))


@pytest.mark.parametrize(
    "body",
    [
        an_observation(id=5),
        an_observation(code="CRP"),
        an_observation(code={"coding": [{"code": 5}]}),
        an_observation(valueQuantity={"value": "5"}),
        an_observation(subject=["Patient/1"]),
        b'{"resourceType":7}',
        b'{"id":"x"}',
        b"[]",
        b'{"resourceType":"Observation","note":[}',
        b'{"resourceType":"Observation","status":"\xff"}',
    ],
)
def test_what_has_not_the_form_of_its_kind_is_left_to_be_told(body: bytes) -> None:
    assert Pieces().sound(body) is None


def test_a_fault_is_told_by_its_pointer_though_a_sound_resource_shares_its_page() -> None:
    entries = b",".join(b'{"resource":' + body + b"}" for body in (an_observation(), an_observation(code="CRP")))
    problems = fhir.read(b'{"resourceType":"Bundle","entry":[' + entries + b"]}").problems
    assert "/entry/1/resource/code" in {problem.at for problem in problems}
