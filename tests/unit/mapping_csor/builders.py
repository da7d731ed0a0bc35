"""Builders for the tests of this folder: invented resources, and the packaged mappings read once."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from adapter.mapping.fhir_to_csor import CsorMaps, load_csor_maps

MAPPINGS = Path(__file__).parents[3] / "mappings"
V2_SPECIMEN = "http://terminology.hl7.org/CodeSystem/v2-0487"


@cache
def maps() -> CsorMaps:
    return load_csor_maps(MAPPINGS)


def an_observation(**changes: Any) -> dict[str, Any]:
    """A CRP of 12.5 mg/L by a local code with a name; `None` takes an element out."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:id:L", "code": "X77", "display": "C-reactive protein"}]},
        "valueQuantity": {"value": Decimal("12.5"), "unit": "mg/L"},
        "effectiveDateTime": "2026-03-01T10:00:00+00:00",
        "specimen": {"reference": "Specimen/1"},
        **changes,
    }
    return {name: value for name, value in resource.items() if value is not None}


def a_code(code: str, *, system: str = "http://loinc.org", display: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code, "display": display}
    return {"coding": [{name: value for name, value in coding.items() if value is not None}]}


def a_value(value: str, unit: str | None = None, **more: Any) -> dict[str, Any]:
    quantity = {"value": Decimal(value), "unit": unit, **more}
    return {name: each for name, each in quantity.items() if each is not None}


def a_specimen(code: str = "SER", *, system: str = V2_SPECIMEN) -> dict[str, Any]:
    """A context with one Specimen of that type."""
    return {"Specimen/1": {"resourceType": "Specimen", "type": {"coding": [{"system": system, "code": code}]}}}


def project(resource: dict[str, Any], context: dict[str, Any] | None = None, *, kind: str = "lab_result") -> Any:
    projection = maps().project(kind, resource, context=a_specimen() if context is None else context)
    assert projection is not None
    return projection
