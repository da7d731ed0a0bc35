"""Killed by SIGKILL at any point of an export, the service ends with the rows of one without a fault, of one export."""

import os
import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import config
from adapter.cli.rows import read_rows
from adapter.service.assembly import Mappings
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_versions import Change
from tests.acceptance.export_run import INTERACTIONS, ExportRun
from tests.acceptance.hospital import comparable
from tests.fakes.exporting_hospital import GROUP, Exporting, exporting_trust
from tests.fakes.polled_hospital import END, polled
from tests.integration.trust import load
from tests.unit.simulator.fhir_courses import BORN, day

_BULK = f"{{groups: [{GROUP}], every: PT1S, full: PT6S, poll_min_s: 0.05, instead_of_search: yes}}"


def test_four_kills_lose_nothing_and_ask_for_no_export_twice(tmp_path: Path) -> None:
    _run(tmp_path, kills=4)


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_and_ask_for_no_export_twice(tmp_path: Path) -> None:
    _run(tmp_path, kills=100)


def test_kills_while_deletions_are_told_lose_none(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    print(f"\nCRASH_SEED={seed}")
    with polled(2, now=day(50)) as server:
        _be_slow(server)
        # An export of everything tells of no deletion.
        of_changes = _BULK.replace("PT6S", "P28D")
        trust = exporting_trust(tmp_path / "killed", server, mappings=_mappings(), more=_NO_SINK, bulk=of_changes)
        run = ExportRun(trust, server, seed=seed)
        try:
            run.service.ensure_up()
            run.wait_until_all_is_read()
            with_them = list(read_rows(config.load_trust(trust)))
            results = [each for each in server.archive.current("Observation") if "specimen" in each.resource]
            server.add(_deletion(each.resource) for each in results)
            server.advance(END)
            _kill_while_changes_are_told(run, random.Random(seed))
            run.wait_until_all_is_read()
            exit_code = run.service.stop()
        finally:
            run.service.abandon()
        expected = _faultless(tmp_path / "faultless", server)
    found = [row for row in read_rows(config.load_trust(trust)) if row["state"] != "deleted"]

    assert exit_code == 0
    assert comparable(found) == expected
    assert results
    assert {row["row"] for row in with_them} - {row["row"] for row in found}


def _deletion(resource: dict[str, Any]) -> Change:
    return Change(visible_at=END - timedelta(hours=1), resource=resource, is_deleted=True)


def _kill_while_changes_are_told(run: ExportRun, rng: random.Random) -> None:
    for _ in range(2):
        run.service.ensure_up()
        run.kill_behind_request("export-file", after=rng.randint(0, 6), delay_s=rng.uniform(0, 0.1))
        run.service.ensure_up()
        run.kill_at_statement(nth=rng.randint(10, 60))


def _run(folder: Path, *, kills: int) -> None:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    began = time.monotonic()
    with polled(2, now=day(2)) as server:
        _be_slow(server)
        trust = exporting_trust(folder / "killed", server, mappings=_mappings(), more=_NO_SINK, bulk=_BULK)
        run = ExportRun(trust, server, seed=seed)
        try:
            _kill_all_along(run, server, random.Random(seed), kills=kills)
            server.advance(END)
            run.wait_until_all_is_read()
            exit_code = run.service.stop()
        finally:
            run.service.abandon()
        asked_for, begun = run.exports, len(server.exports.jobs)
        expected = _faultless(folder / "faultless", server)
    found = comparable(row for row in read_rows(config.load_trust(trust)) if row["state"] != "deleted")
    died = ", ".join(f"{place} {count}" for place, count in sorted(run.service.kills.items()))
    print(f"\nCRASH_SEED={seed}: {run.service.kills.total()} kills ({died}) in {time.monotonic() - began:.0f} s;")
    print(f"  {begun} exports at the server, {len(found)} rows")

    assert exit_code == 0
    assert run.service.kills.total() >= kills
    assert found == expected
    assert len(expected) > 20
    assert begun == asked_for


_NO_SINK = {"sink": "{kind: folder, path: out}"}


def _mappings() -> Path:
    return config.packaged("mappings")


def _be_slow(server: FhirServer) -> None:
    """Many small steps, so that there are many places to die at; whatever was begun must be found again."""
    settings = server.exports.settings
    server.exports.groups = {GROUP: None}
    settings.polls = 2
    settings.lines_per_file = 5
    settings.names_earlier = True
    settings.is_gzipped = True


def _kill_all_along(run: ExportRun, server: FhirServer, rng: random.Random, *, kills: int) -> None:
    for number in range(kills):
        run.service.ensure_up()
        interaction = INTERACTIONS[number % len(INTERACTIONS)]
        after = rng.randint(0, 6) if interaction == "export-file" else rng.randint(0, 1)
        match number // len(INTERACTIONS) % 3:
            case 0:
                run.kill_at_request(interaction, after=after)
            case 1:
                run.kill_behind_request(interaction, after=after, delay_s=rng.uniform(0, 0.05))
            case _:
                run.kill_at_statement(nth=rng.randint(1, 60))
        if number % 3 == 2:
            server.advance(BORN + (END - BORN) * (number + 1) / (kills + 1))


def _faultless(folder: Path, server: FhirServer) -> list[str]:
    """The rows of one export of all there is, in this process."""
    for job in server.exports.jobs:
        job.is_deleted = True
    file = exporting_trust(folder, server, mappings=_mappings(), more=_NO_SINK)
    here = Exporting(file, Mappings.load(load(file)))
    try:
        here.until_idle()
        return here.rows
    finally:
        here.close()
