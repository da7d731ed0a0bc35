"""What a trust may say of exports."""

import pytest
from pydantic import ValidationError

from adapter.config import FhirSearchRules
from adapter.config.fhir_bulk import Bulk
from adapter.service.bulk_orders import levels_of, types_of


def rules(**of_bulk: object) -> FhirSearchRules:
    types: dict[str, object] = {"Patient": {}, "Observation": {}, "Encounter": {}}
    return FhirSearchRules.model_validate({"types": types, "bulk": of_bulk})


def test_types_named_for_exports_are_asked_for_as_they_are() -> None:
    assert types_of(rules(types=["Observation", "Location"])) == ("Patient", "Observation", "Location")


def test_else_those_searched_for_with_what_their_rows_are_made_with() -> None:
    assert types_of(rules()) == ("Patient", "Observation", "Encounter", "Specimen", "ServiceRequest", "Location")


def test_each_group_is_exported_by_itself_and_without_one_everybody() -> None:
    assert levels_of(rules(groups=["a", "b"])) == ["Group/a", "Group/b"]
    assert levels_of(rules()) == ["Patient"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"types": ["Obsrvation"]}, 'did you mean "Observation"'),
        ({"types": ["Coverage"]}, "no resource type that rows are made from"),
        ({"groups": ["../secret"]}, "String should match pattern"),
        ({"poll_min_s": 0}, "greater than 0"),
        ({"every": "PT0S"}, "one second"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Bulk.model_validate(said)
