"""The same small hospital behind a server that searches nobody but one patient at a time, and a trust that crawls it.

The trust learns of its children by HL7 v2, as a trust with such a server does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapter.simulator.fhir_modes import epic
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER
from tests.fakes.polled_hospital import END, TOKEN, TYPES, a_child, changes
from tests.integration.messages import Baby, an_adt
from tests.integration.trust import trust_file

NEEDED = frozenset(TYPES) - {"Patient"}
FAST = "{requests_per_second: 1000, peak: {hours: '07:00-19:00', requests_per_second: 1000}}"
INCLUDES = {
    "Encounter": ["location"], "Observation": ["specimen", "based-on"], "DiagnosticReport": ["based-on"],
    "ImagingStudy": ["basedon"], "MedicationRequest": ["medication"],
    "MedicationAdministration": ["medication", "request"],
}  # fmt: skip


@contextmanager
def crawled(children: int, *, now: datetime = END, settings: Settings | None = None) -> Iterator[FhirServer]:
    """Its server; strict, and without any search of a whole type."""
    settings = settings or Settings(patient_needed=NEEDED)
    with running(changes(children), replace(settings, token=TOKEN), now=now) as server:
        yield server


def an_epic(**more: Any) -> Settings:
    """Epic's refusals and errors."""
    return epic(**more)


def admission(number: int, *, at: str = "202610010500", event: str = "A01") -> bytes:
    """What the EPR says of one of them by HL7 v2."""
    person = a_child(number).person
    baby = Baby(
        number=person.hospital_number, nhs=person.nhs_number or "", born=f"{person.born:%Y%m%d}", sex=person.sex
    )
    return an_adt(event, baby, at=at, ward="NNU^422", visit=f"V1-{number}", admitted="202610010512")


def types(**more: str) -> str:
    """Every type patient by patient; `more` by type: what else is said of it."""
    return "{" + ", ".join(f"{each}: {{{_rules(each, more.get(each, ''))}}}" for each in TYPES) + "}"


def _rules(resource_type: str, more: str) -> str:
    found = ["scope: patient", *([more] if more else [])]
    if resource_type in INCLUDES:
        included = ", ".join(f"'{resource_type}:{each}'" for each in INCLUDES[resource_type])
        found.append(f"parameters: {{_include: [{included}]}}")
    return ", ".join(found)


def crawling_trust(
    folder: Path, server: FhirServer, *, mappings: Path, more: Mapping[str, str] | None = None, **of_source: str
) -> Path:
    """The file of a trust that has HL7 v2 and crawls the server."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(f"{TOKEN}\n")
    entries = {
        "name": "fhir", "kind": "fhir-search", "base_url": f"'{server.base}'", "token": "{file: token}",
        "from": "2026-09-01", "every": "PT1S", "types": types(), "limits": FAST,
        "patients": "{triggered_by: [epr], every: PT1H}",
        "retry": "{attempts: 3, first_s: 0.02, longest_s: 1}", **of_source,
    }  # fmt: skip
    source = ", ".join(f"{name}: {value}" for name, value in entries.items() if value)
    whole = {
        "wards": "[{code: NNU, type: nicu}, {code: PSW, type: surgical}, {code: NICU, type: nicu}]",
        "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{HOSPITAL_NUMBER}'}}]}}",
        "sources": f"[{{name: epr, kind: mllp, port: 0}}, {{{source}}}]",
        # The invented autumn must not end a hold while a test runs in some later year.
        "hold": "{unknown: P9000D, after_discharge: P9000D, max: P9000D}",
        **(more or {}),
    }
    return trust_file(folder, mappings=mappings, **whole)
