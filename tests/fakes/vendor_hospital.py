"""A hospital whose EPR is of a certain make: its server, and a trust file that names that vendor and little else."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adapter.simulator.course import Course
from adapter.simulator.fhir_modes import epic, hapi, oracle, uk_core
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER
from adapter.simulator.fhir_versions import Change
from tests.fakes.polled_hospital import END, TOKEN
from tests.integration.trust import trust_file
from tests.unit.simulator.fhir_courses import BORN

MODES = {"epic": epic, "oracle-millennium": oracle, "uk-core-generic": uk_core, "hapi": hapi}
"""By vendor file."""
QUICKLY = "{requests_per_second: 1000, parallel: 2, peak: {hours: '07:00-19:00', requests_per_second: 1000}}"
_WARDS = "[{code: NNU, type: nicu}, {code: PSW, type: surgical}, {code: NICU, type: nicu}]"


@contextmanager
def served(
    courses: Iterable[Course], settings: Settings, *, now: datetime = END, also: Iterable[Change] = ()
) -> Iterator[FhirServer]:
    """The server of such a hospital."""
    with running([*fhir_timeline(courses), *also], replace(settings, token=TOKEN), now=now) as server:
        yield server


def vendor_trust(folder: Path, server: FhirServer, *, vendor: str, mappings: Path, source: Mapping[str, str]) -> Path:
    """Only what a trust must say itself; limits that do not make a test wait."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(f"{TOKEN}\n")
    said = {
        "name": "fhir", "kind": "fhir-search", "base_url": f"'{server.base}'", "token": "{file: token}",
        "from": str(BORN.date().replace(year=2010)), "every": "PT1S", "limits": QUICKLY,
        "retry": "{attempts: 3, first_s: 0.02, longest_s: 1}", **source,
    }  # fmt: skip
    entries = {
        "vendor": vendor,
        "wards": _WARDS,
        "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{HOSPITAL_NUMBER}'}}]}}",
        "sources": "[{name: epr, kind: mllp, port: 2575}, {"
        + ", ".join(f"{name}: {value}" for name, value in said.items() if value)
        + "}]",
        # The invented autumn must not end a hold while a test runs in some later year.
        "hold": "{unknown: P9000D, after_discharge: P9000D, max: P9000D}",
    }
    return trust_file(folder, mappings=mappings, **entries)
