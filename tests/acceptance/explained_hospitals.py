"""The hospitals whose rows are explained: the six stories, and two sites that send v2 alone, or v2 and FHIR."""

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from adapter import config, simulator
from adapter.chart import sealed
from adapter.cli.explain import explained_json, explainer
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.dispatch import record_bytes
from adapter.envelope import Media, Received
from adapter.fhir import encode
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from tests.acceptance.check_explain import Checker
from tests.acceptance.hospital import trust_file
from tests.acceptance.replayed_files import Files
from tests.integration.stories import TABLES, Story

Object = dict[str, Any]
Told = dict[tuple[str, str], Object]
FEED = "ehr"
_TABLES = {"laboratory": "laboratory_tables", "imaging": "imaging_tables", "drugs": "drug_tables"}
_NOT_OF_THE_DICTIONARY = {"kind", "child", "state"}


class Sent(NamedTuple):
    """One body, and the feed it came over."""

    feed: str
    media: Media
    at: datetime
    body: bytes


class Hospital:
    """What was sent, by inbox id, and the rows it became."""

    def __init__(self, trust: Path, *, messages: Mapping[int, bytes], own: Iterable[Path] = ()) -> None:
        self.trust = trust
        self.settings = config.load_trust(trust)
        self.messages = messages
        self.mappings = trust.parent / "mappings"
        self.rows = {row["row"]: row for row in read_rows(self.settings)}
        self.own = list(own)

    @property
    def files(self) -> Files:
        """What an outsider has beside the messages."""
        return Files(self.mappings, own=self.own, trust=self.trust)

    def checker(self) -> Checker:
        return Checker(self.messages, self.rows, self.files)

    def explain(self, rows: Iterable[str]) -> Told:
        return explain_all(self.settings, set(rows))


def fields_of(row: Object) -> list[str]:
    """Those that have a value."""
    own = {"state"} if row["kind"] == "condition_case" else set()
    return [name for name, value in row.items() if value is not None and name not in _NOT_OF_THE_DICTIONARY - own]


def explain_all(settings: TrustSettings, rows: set[str]) -> Told:
    """As `--json` prints it, by row and field."""
    told = {}
    with explainer(settings) as asked:
        for key in sorted(rows):
            found = asked.explain(record_bytes(key))
            assert found is not None and found.is_of_today
            for each in explained_json(key, found):
                told[key, each["field"]] = json.loads(sealed.ENCODER.encode(each), parse_float=Decimal)
    return told


def of_story(folder: Path, story: Story) -> Hospital:
    """One worked story."""
    empty = simulator.hospital(seed=1, infants=1)
    own = [shutil.copy(path, _made(folder) / f"own-{path.name}") for path in sorted(TABLES.glob("*.csv"))]
    trust = trust_file(
        folder,
        simulation=empty,
        wards=[{"code": "NICU", "type": "nicu"}, {"code": "PSW", "type": "surgical"}],
        identity=_numbers("https://example-trust.nhs.uk/id/hospital-number", ["RXX"]),
        **_tables(own),
    )
    sent = [
        Sent(FEED, Media.FHIR, at, step.wire()) if step.resources else Sent("epr", Media.HL7V2, at, step.wire())
        for step in story.steps
        for at in [datetime.fromisoformat(step.at)]
    ]
    return _sent(trust, sent, own=own)


def of_two_sites(folder: Path, *, seed: int, infants: int, has_fhir: bool) -> Hospital:
    """Two sites that send v2, and one of them FHIR of some children as well or instead."""
    simulation = simulator.hospital(seed=seed, infants=infants)
    also = simulator.also_as_fhir
    tables = {
        "laboratory": simulator.lab_codes_csv(also(simulation.lab_codes)),
        "imaging": simulator.imaging_codes_csv(also(simulation.imaging_codes)),
        "drugs": simulator.drugs_csv(also(simulation.drugs)),
    }
    own = [_made(folder) / f"own-{name}.csv" for name in tables]
    for path, text in zip(own, tables.values(), strict=True):
        path.write_text(text)
    authorities = [site.authority for site in simulation.sites]
    trust = trust_file(
        folder, simulation=simulation, identity=_numbers(simulator.HOSPITAL_NUMBER, authorities), **_tables(own)
    )
    sent = [Sent(each.feed, Media.HL7V2, each.at, each.raw) for each in simulation.messages]
    end = max(each.at for each in sent)
    sent += [Sent(FEED, Media.FHIR, end, body) for body in _bodies(simulation) if has_fhir]
    return _sent(trust, sent, own=own)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tables(own: Iterable[Path]) -> Object:
    return {_TABLES[path.stem.removeprefix("own-")]: [str(path)] for path in own}


def _numbers(system: str, authorities: list[str]) -> Object:
    first, *others = authorities
    with_system: list[Object] = [{"authority": first, "fhir_system": system}]
    return {"hospital_numbers": with_system + [{"authority": each} for each in others]}


def _bodies(simulation: simulator.Simulation) -> list[bytes]:
    """For each patient one Bundle with the newest version of everything, as it was at the end."""
    latest: dict[tuple[str, str], Object] = {}
    for change in simulator.fhir_timeline(simulation.courses):
        key = (change.resource["resourceType"], change.resource["id"])
        latest.pop(key, None)
        if not change.is_deleted:
            updated = (change.updated_at or change.visible_at).isoformat()
            meta = {**change.resource.get("meta", {}), "lastUpdated": updated}
            latest[key] = {**change.resource, "meta": meta}
    shared = [each for each in latest.values() if each["resourceType"] in ("Location", "Medication")]
    owned: dict[str, list[Object]] = {}
    for each in latest.values():
        reference = (each.get("subject") or each.get("patient") or {}).get("reference", "")
        own = f"Patient/{each['id']}" if each["resourceType"] == "Patient" else reference
        if own.startswith("Patient/"):
            owned.setdefault(own, []).append(each)
    return [
        encode(
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in [*own, *shared]]}
        )
        for own in owned.values()
    ]


def _sent(trust: Path, sent: list[Sent], *, own: Iterable[Path]) -> Hospital:
    settings = config.load_trust(trust)
    last = max((each.at for each in sent), default=datetime.now(UTC)) + timedelta(days=1)
    works = Works(settings, now=lambda: last)
    try:
        works.pipeline.start()
        received = [Received(feed=each.feed, media=each.media, received_at=each.at, body=each.body) for each in sent]
        Reception(works.inbox, works.ring).append(received)
        works.drain()
        works.pipeline.stop()
    finally:
        works.close()
    return Hospital(trust, messages={number: each.body for number, each in enumerate(sent, start=1)}, own=own)
