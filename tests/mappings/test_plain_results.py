"""Observations of the examples and of the simulated hospital say the same the quick way and the long way."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapter import fhir, simulator
from adapter.fhir.bundle import cut
from adapter.fhir.plain import Assays
from adapter.simulator.fhir_records import fhir_timeline
from tests.mappings.examples import example, example_files, maps
from tests.unit.fhir.test_plain import the_long_way, told

_PAGE = 50


def a_page(resources: Sequence[Mapping[str, Any]]) -> bytes:
    body = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}
    return fhir.encode(body)


def plain_in(page: bytes) -> int:
    return sum(part.panel is not None for part in cut(page, Assays(maps().known)).parts)


def test_the_observations_of_the_examples() -> None:
    plain = 0
    for path in example_files():
        pair = example(path)
        resource = pair.decoded()
        if resource["resourceType"] == "Observation":
            page = json.dumps(json.loads(a_page([resource, *pair.decoded_context().values()]))).encode()
            assert told(fhir.read(page, known=maps().known)) == told(fhir.read(the_long_way(page), known=maps().known))
            plain += plain_in(page)
    assert plain > 40


def test_the_resources_of_a_simulated_hospital() -> None:
    sim = simulator.hospital(seed=20261122, infants=6)
    sent = [each.resource for each in fhir_timeline(sim.courses) if not each.is_deleted]
    pages = [a_page(sent[start : start + _PAGE]) for start in range(0, len(sent), _PAGE)]
    pages = [json.dumps(json.loads(page)).encode() for page in pages]
    for page in pages:
        assert told(fhir.read(page, known=maps().known)) == told(fhir.read(the_long_way(page), known=maps().known))
    results = sum(page.count(b'"resourceType": "Observation"') for page in pages)
    assert sum(map(plain_in, pages)) > results / 2 > 50
