"""Nothing of the main types among the published examples is passed over in silence."""

from collections import Counter

import pytest

from adapter.fhir import LeftOut
from tests.mappings.fhir_coverage import MAIN_TYPES, PUBLISHED, fates

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published examples are not beside the repository")


def test_every_resource_of_the_main_types_is_a_row_a_problem_or_left_out_by_a_named_rule() -> None:
    found = [fate for fate in fates(PUBLISHED) if fate.resource_type in MAIN_TYPES]
    assert {fate.resource_type for fate in found} == set(MAIN_TYPES)
    assert [fate for fate in found if not fate.why or fate.why == LeftOut.NOT_NEEDED or "decided" in fate.why] == []
    assert Counter(fate.what for fate in found if fate.resource_type == "ImagingStudy").keys() <= {"row", "held row"}


def test_a_problem_names_its_place_by_a_json_pointer() -> None:
    problems = [fate for fate in fates(PUBLISHED) if fate.what == "problem" and fate.resource_type in MAIN_TYPES]
    assert problems
    assert all("#" in fate.at for fate in problems)
