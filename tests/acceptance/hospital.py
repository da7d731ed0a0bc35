"""What the acceptance tests share: a trust file for a simulated hospital, its rows, and their comparison with truth."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from adapter import config, simulator
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from adapter.simulator import SentMessage, Simulation, TruthRow

MASTER_KEY = "ab" * 32
"""One key for every hospital of the tests, so that record ids can be compared between runs."""

LABORATORY = "demo-lab.csv"

Row = dict[str, Any]


def trust_file(
    folder: Path,
    *,
    simulation: Simulation,
    sources: Sequence[Mapping[str, Any]] = (),
    sink: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Key, mappings with the laboratory's own table, and trust.yaml; the data folder is `folder/data`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(config.packaged("mappings"), folder / "mappings", dirs_exist_ok=True)
    (folder / "mappings" / "concepts" / LABORATORY).write_text(simulator.lab_codes_csv(simulation.lab_codes))
    (folder / "key").write_text(MASTER_KEY)
    whole: dict[str, Any] = {
        "vendor": "uk-generic",
        "site": {"ods_code": "RXX", "name": "Simulated hospital"},
        "test_mode": "yes",
        "data_folder": "data",
        "sealing": {"master_key": {"file": "key"}},
        "wards": [{"code": ward.code, "type": ward.type} for ward in simulation.wards],
        "identity": {"hospital_numbers": [{"authority": "RXX"}]},
        "mappings": "mappings",
        "settle": {"debounce_s": 0},
        "sources": [dict(source) for source in sources],
        **({"sink": dict(sink)} if sink else {}),
        **settings,
    }
    path = folder / "trust.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


def receive(works: Works, messages: Iterable[SentMessage], *, feed: str = "adt") -> None:
    """Into the inbox, as a listener would put them there."""
    Reception(works.inbox, works.ring).append(
        [Received(feed=feed, media=Media.HL7V2, received_at=each.at, body=each.raw) for each in messages]
    )


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


def against_truth(rows: Iterable[Row], truth: Iterable[TruthRow]) -> list[str]:
    """Every difference between rows and truth in words; empty where they agree."""
    found, expected = list(rows), list(truth)
    child_of = {row.key[0]: row.child for row in expected if row.kind == "admission"}
    names = {row["child"]: child_of.get(str(row.get("spell_id"))) for row in found if row["kind"] == "admission"}
    have: Counter[str] = Counter()
    by_kind = {row.kind: tuple(row.fields) for row in expected}
    for row in found:
        fields = {name: row.get(name) for name in by_kind.get(row["kind"], ())}
        have[_line(row["kind"], names.get(row["child"]) or "unknown child", fields)] += 1
    want = Counter(_line(row.kind, row.child, row.fields) for row in expected)
    missing = [f"missing {count} × {line}" for line, count in sorted((want - have).items())]
    return missing + [f"too many {count} × {line}" for line, count in sorted((have - want).items())]


def _line(kind: str, child: str, fields: Mapping[str, Any]) -> str:
    return f"{kind} of {child}: " + json.dumps({name: _plain(value) for name, value in sorted(fields.items())})


def _plain(value: Any) -> Any:
    """Numbers by value, not by how many zeros they were written with."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(Decimal(str(value)).normalize().__format__("f"))
    return value
