"""What the acceptance tests share: a trust file for a simulated hospital, its rows, and their comparison with truth."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from adapter import config, simulator
from adapter.cli import demo_site, demo_verdict
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from adapter.simulator import SentMessage, Simulation, Site, TruthRow

MASTER_KEY = "ab" * 32
"""One key for every hospital of the tests, so that record ids can be compared between runs."""

FHIR_FEED = "ehr"
"""What comes over it are pages of a FHIR server."""

Row = dict[str, Any]


def trust_file(
    folder: Path,
    *,
    simulation: Simulation,
    sources: Sequence[Mapping[str, Any]] = (),
    sink: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Key, the trust's own tables, and trust.yaml; the data folder is `folder/data`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(config.packaged("mappings"), folder / "mappings", dirs_exist_ok=True)
    demo_site.write_tables(folder, simulation)
    (folder / "key").write_text(MASTER_KEY)
    whole: dict[str, Any] = {
        "vendor": "uk-generic",
        "site": {"ods_code": "RXX", "name": "Simulated hospital"},
        "test_mode": "yes",
        "data_folder": "data",
        "sealing": {"master_key": {"file": "key"}},
        "wards": [{"code": ward.code, "type": ward.type} for ward in simulation.wards],
        "mappings": "mappings",
        "laboratory_tables": ["laboratory.csv"],
        "imaging_tables": ["imaging.csv"],
        "drug_tables": ["drugs.csv"],
        "identity": {"hospital_numbers": [_numbers_of(site) for site in simulation.sites]},
        "settle": {"debounce_s": 0},
        "sources": [dict(source) for source in sources],
        **({"sink": dict(sink)} if sink else {}),
        **settings,
    }
    path = folder / "trust.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


def _numbers_of(site: Site) -> dict[str, str]:
    over_fhir = {"fhir_system": simulator.HOSPITAL_NUMBER} if site.feed == demo_site.FHIR_SITE else {}
    return {"authority": site.authority, **over_fhir}


def listeners(simulation: Simulation, ports: Mapping[str, int]) -> list[dict[str, Any]]:
    """The sources of a trust file: an MLLP port for each feed."""
    return [{"name": site.feed, "kind": "mllp", "port": ports[site.feed]} for site in simulation.sites]


def receive(works: Works, messages: Iterable[SentMessage]) -> None:
    """Into the inbox, as a listener or a poller would put them there."""
    Reception(works.inbox, works.ring).append(
        [Received(feed=each.feed, media=_media(each), received_at=each.at, body=each.raw) for each in messages]
    )


def _media(message: SentMessage) -> Media:
    return Media.FHIR if message.feed == FHIR_FEED else Media.HL7V2


def take_all(settings: TrustSettings, batches: Iterable[Sequence[SentMessage]], *, now: datetime | None = None) -> None:
    """Each batch through the real pipeline, processed and settled before the next comes."""
    held = [list(batch) for batch in batches]
    last = now or max((each.at for batch in held for each in batch), default=datetime.now(UTC)) + timedelta(days=1)
    works = Works(settings, now=lambda: last)
    try:
        works.pipeline.start()
        for batch in held:
            receive(works, batch)
            works.drain()
        works.pipeline.stop()
    finally:
        works.close()


def comparable(rows: Iterable[Row]) -> list[str]:
    """Rows without arrival facts: a local person id becomes the row id of the child's `infant` row."""
    found = list(rows)
    infant_of = {row["child"]: row["row"] for row in found if row["kind"] == "infant"}
    plain = [{**row, "child": infant_of.get(row["child"], "no infant row")} for row in found]
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in plain)


def rows_of(settings: TrustSettings) -> list[str]:
    """What `csor-adapter rows` prints, comparable between runs."""
    return comparable(read_rows(settings))


def against_truth(rows: Iterable[Row], truth: Sequence[TruthRow]) -> list[str]:
    """Every difference between rows and truth in words; empty where they agree. All of these children are invented."""
    compared = demo_verdict.compared_inside(truth, rows)
    return [
        *compared.faults(),
        *(f"missing {count} × {kind} {dict(fields)}" for (kind, fields), count in compared.missing.items()),
        *(f"too many {count} × {kind} {dict(fields)}" for (kind, fields), count in compared.extra.items()),
    ]


def told_by_v2(simulation: Simulation) -> Simulation:
    """The same hospital without the patients whom FHIR tells of, or helps to tell of."""
    others = {course.person.hospital_number for course in simulation.courses if course.channel != "v2"}
    return replace(
        simulation,
        messages=tuple(each for each in simulation.messages if each.subject not in others),
        truth=tuple(row for row in simulation.truth if row.child not in others),
        lookalikes=tuple(each for each in simulation.lookalikes if each.hospital_number not in others),
        courses=tuple(course for course in simulation.courses if course.channel == "v2"),
    )
