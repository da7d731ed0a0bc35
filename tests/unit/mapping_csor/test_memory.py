"""What the maps remember does not grow with what a sender writes."""

import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter import config
from adapter.mapping import CsorMaps, load_csor_maps

LONG = 100_000


@pytest.fixture(scope="module")
def maps() -> CsorMaps:
    return load_csor_maps(Path(config.packaged("mappings")))


def a_result(number: int) -> dict[str, Any]:
    said = f"{number}" + "x" * LONG
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "L", "code": said}], "text": said},
        "valueQuantity": {"value": Decimal("1.5"), "unit": said},
        "effectiveDateTime": said,
        "issued": said,
        "interpretation": [{"coding": [{"code": said}]}],
    }


def test_long_texts_are_read_and_not_kept(maps: CsorMaps) -> None:
    for number in range(3):
        maps.project("lab_result", a_result(number), {})
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(3, 203):
        assert maps.project("lab_result", a_result(number), {}) is not None
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20 * LONG, "of 200 results with five long texts each"
