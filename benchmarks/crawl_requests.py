"""How many requests it takes to read children patient by patient, against the fewest that the vendor's rules allow.

A simulated server of each vendor that has no search of whole types enforces its rules; the trust file says the vendor,
the address, and little else. The children are known by HL7 v2, as at such a site: looking up their ids counts with what
we ask, and not with the fewest. The fewest are full pages of every search, references by the page, and one token. Run:
`python -m benchmarks.crawl_requests [CHILDREN]`.
"""

import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from adapter import config
from adapter.config import FhirSearchRules, FhirSearchSource
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from adapter.service.polling import Poller
from adapter.simulator.fhir_minimum import least_requests
from adapter.simulator.fhir_modes import epic, oracle, uk_core
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER, reference
from adapter.simulator.fhir_token import Client, TokenDesk
from tests.fakes.crawled_hospital import FAST, admission
from tests.fakes.polled_hospital import END, a_child, changes
from tests.integration.trust import trust_file

CHILDREN = 200
CEILING = 1.1
_SECRET = "invented-for-a-benchmark"
_SITES = {"epic": epic, "oracle-millennium": oracle, "uk-core-generic": uk_core}
_TURNS = 3
"""By number; then by the id that was found; then nobody is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One vendor."""

    vendor: str
    children: int
    requests: int
    looked_up: int
    """Requests among them that found an id."""
    least: int

    @property
    def ratio(self) -> float:
        """How many times the fewest."""
        return self.requests / self.least


def measure(*, children: int = CHILDREN, vendors: Sequence[str] = tuple(_SITES)) -> list[Found]:
    """Each vendor in turn."""
    return [_measured(vendor, children) for vendor in vendors]


def _measured(vendor: str, children: int) -> Found:
    desk = TokenDesk(clients=(Client(client_id="csor", secret=_SECRET),))
    settings = replace(_SITES[vendor](), sign_in=desk)
    with tempfile.TemporaryDirectory() as folder, running(changes(children), settings, now=END) as server:
        trust = config.load_trust(_trust(Path(folder), server, vendor))
        source = next(each for each in trust.sources if isinstance(each, FhirSearchSource))
        works, poller = Works(trust), Poller(trust, source)
        try:
            works.pipeline.start()
            _admit(works, children)
            for _ in range(_TURNS):
                poller.turn(threading.Event())
                works.drain()
        finally:
            poller.close()
            works.close()
        if server.violations:
            raise AssertionError(f"{vendor}: {server.violations[0]}")
        rules = config.rules_of(source, trust.fhir_search)
        least = 1 + _least(server, settings, rules, children)
        looked_up = sum("identifier" in one.query for one in server.seen if one.resource_type == "Patient")
        requests = len(server.seen) + len(desk.asked)
    return Found(vendor=vendor, children=children, requests=requests, looked_up=looked_up, least=least)


def _least(server: FhirServer, settings: Settings, rules: FhirSearchRules, children: int) -> int:
    numbers = [a_child(number).person.hospital_number for number in range(children)]
    ids = [reference("Patient", each)["reference"].removeprefix("Patient/") for each in numbers]
    searches: dict[str, list[dict[str, str]]] = {}
    for resource_type, each in (rules.types or {}).items():
        fixed = {name: values[0] for name, values in each.parameters.items()}
        parts = [{name: value} for name, values in each.split.items() for value in values] or [{}]
        searches[resource_type] = [{**fixed, **part} for part in parts]
    paths = [each.path for each in rules.hydrate]
    return least_requests(server.archive, settings, ids, searches=searches, references=paths)


def _admit(works: Works, children: int) -> None:
    now = datetime.now(UTC)
    bodies = [admission(number) for number in range(children)]
    received = [Received(feed="epr", media=Media.HL7V2, received_at=now, body=body) for body in bodies]
    Reception(works.inbox, works.ring).append(received)
    works.drain()


def _trust(folder: Path, server: FhirServer, vendor: str) -> Path:
    (folder / "secret").write_text(_SECRET)
    root = server.base.removesuffix("/fhir/r4")
    auth = (
        f"{{method: client_secret_post, token_url: '{root}/token', client_id: csor, secret: {{file: secret}},"
        " scopes: [system/*.rs]}"
    )
    source = (
        f"{{name: fhir, kind: fhir-search, base_url: '{server.base}', auth: {auth}, from: 2026-09-01, limits: {FAST}}}"
    )
    return trust_file(
        folder,
        mappings=config.packaged("mappings"),
        vendor=vendor,
        sources=f"[{{name: epr, kind: mllp, port: 0}}, {source}]",
        wards="[{code: NNU, type: nicu}, {code: PSW, type: surgical}, {code: NICU, type: nicu}]",
        identity=f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{HOSPITAL_NUMBER}'}}]}}",
        hold="{unknown: P9000D, after_discharge: P9000D, max: P9000D}",
    )


def main() -> int:
    """Print the figures; 1 if too many are asked for."""
    children = int(sys.argv[1]) if len(sys.argv) > 1 else CHILDREN
    found = measure(children=children)
    for each in found:
        print(
            f"{each.vendor}: {each.requests} requests for {each.children} children ({each.looked_up} of them look-ups),"
            f" the fewest {each.least}: {each.ratio:.3f}"
        )
    return int(any(each.ratio > CEILING for each in found))


if __name__ == "__main__":
    sys.exit(main())
