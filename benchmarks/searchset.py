"""A FHIR searchset of laboratory results from bytes to rows, against fhir.resources (R4B) that only validates it.

A hundred Observations in panels of ten, each panel with its Specimen and its ServiceRequest, as `_include` sends them.
The two take turns in one run; medians of processor time count, so that what else the machine does counts little. Run:
`python -m benchmarks.searchset`.
"""

import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from adapter import config, fhir, mapping
from adapter.assertion import ItemKind

RESULTS = 100
PANEL = 10
ROUNDS = 25
_TESTS = (
    ("1988-5", "C reactive protein", "mg/L"),
    ("777-3", "Platelets", "10*9/L"),
    ("2524-7", "Lactate", "mmol/L"),
    ("14682-9", "Creatinine", "umol/L"),
    ("2951-2", "Sodium", "mmol/L"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Medians for one searchset, in milliseconds."""

    ours_ms: float
    validated_ms: float
    rows: int

    @property
    def ratio(self) -> float:
        """How many times faster than validation alone."""
        return self.validated_ms / self.ours_ms


def a_searchset(number: int) -> bytes:
    """With values of its own; codes and units come again, as they do on real pages."""
    entries: list[dict[str, Any]] = []
    for at in range(RESULTS):
        panel = f"{number}-{at // PANEL}"
        if at % PANEL == 0:
            entries += [_entry(_specimen(panel), "include"), _entry(_order(panel), "include")]
        entries.append(_entry(_observation(number, at, panel), "match"))
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


def _entry(resource: dict[str, Any], mode: str) -> dict[str, Any]:
    address = f"https://fhir.example.nhs.uk/r4/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}


def _meta() -> dict[str, str]:
    return {"versionId": "1", "lastUpdated": "2026-01-03T12:10:00.000+00:00"}


def _specimen(panel: str) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "122555007", "display": "Venous blood specimen"}]}
    subject = {"reference": "Patient/p1"}
    return {"resourceType": "Specimen", "id": f"s{panel}", "meta": _meta(), "type": kind, "subject": subject}


def _order(panel: str) -> dict[str, Any]:
    number = {"type": {"coding": [{"code": "FILL"}]}, "system": "urn:lab", "value": f"F{panel}"}
    return {
        "resourceType": "ServiceRequest",
        "id": f"r{panel}",
        "meta": _meta(),
        "identifier": [number],
        "status": "completed",
        "intent": "order",
        "code": {"coding": [{"system": "urn:lab", "code": "FBC"}]},
        "subject": {"reference": "Patient/p1"},
    }


def _observation(number: int, at: int, panel: str) -> dict[str, Any]:
    code, name, unit = _TESTS[at % len(_TESTS)]
    laboratory = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    codings = [
        {"system": "http://loinc.org", "code": code, "display": name},
        {"system": "urn:lab", "code": f"{name[:3].upper()}{at % PANEL}"},
    ]
    quantity = {
        "value": (number * 7 + at * 13) % 300 / 10,
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": unit,
    }
    return {
        "resourceType": "Observation",
        "id": f"o{number}-{at}",
        "meta": _meta(),
        "status": "final",
        "category": [{"coding": [laboratory]}],
        "code": {"coding": codings},
        "subject": {"reference": "Patient/p1"},
        "basedOn": [{"reference": f"ServiceRequest/r{panel}"}],
        "effectiveDateTime": "2026-01-03T11:00:00+00:00",
        "issued": "2026-01-03T12:10:00.000+00:00",
        "valueQuantity": quantity,
        "specimen": {"reference": f"Specimen/s{panel}"},
        "referenceRange": [{"low": {"value": 1}, "high": {"value": 20}}],
    }


def measure(*, rounds: int = ROUNDS) -> Found:
    """Both sides on the same pages, in turn."""
    maps = mapping.load_csor_maps(config.packaged("mappings"))
    reader = fhir.Reader(maps.known)  # one for body after body, as the service has

    def rows_of(body: bytes) -> int:
        made = 0
        for statement in reader.read(body).statements:
            for item in statement.items:
                if item.kind is ItemKind.OBSERVATION:
                    row = maps.project("lab_result", item.resources[0], statement.context)
                    made += row is not None and row.fields["value_canonical"] is not None
        return made

    ours, validated = [], []
    for number in range(rounds):
        pages = [a_searchset(number * 10 + page) for page in range(10)]
        start = time.process_time()
        counts = [rows_of(page) for page in pages]
        ours.append((time.process_time() - start) / len(pages))
        start = time.process_time()
        _validate(pages[0])
        validated.append(time.process_time() - start)
        if set(counts) != {RESULTS}:
            raise AssertionError(f"not every result became a row: {sorted(set(counts))}")
    return Found(ours_ms=statistics.median(ours) * 1e3, validated_ms=statistics.median(validated) * 1e3, rows=RESULTS)


def _validate(page: bytes) -> None:
    for entry in json.loads(page)["entry"]:
        resource = entry["resource"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def main() -> int:
    """Print the run; exit 1 where the floor is missed."""
    found = measure()
    print(f"{found.rows} results: {found.ours_ms:.2f} ms to rows, {found.validated_ms:.1f} ms to validate alone")
    print(f"ratio {found.ratio:.1f} (floor 15)")
    return int(found.ratio < 15)


if __name__ == "__main__":
    sys.exit(main())
