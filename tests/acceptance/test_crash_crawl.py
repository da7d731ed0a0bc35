"""Killed by SIGKILL at any page of any child, the service ends with the rows of a run without a fault."""

import os
import random
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter import config
from adapter.cli.rows import read_rows
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works, open_store
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import FhirServer
from tests.acceptance.hospital import comparable
from tests.acceptance.polling_run import PollingRun
from tests.fakes.crawled_hospital import admission, crawled, crawling_trust
from tests.fakes.polled_hospital import END
from tests.unit.simulator.fhir_courses import BORN, day

PER_PAGE = "4"


@pytest.mark.behaviour(19)
def test_four_kills_at_pages_of_children_lose_nothing(tmp_path: Path) -> None:
    _run(tmp_path, children=2, kills=4)


@pytest.mark.long
def test_a_hundred_kills_at_pages_of_children_lose_nothing(tmp_path: Path) -> None:
    _run(tmp_path, children=4, kills=100)


def _run(folder: Path, *, children: int, kills: int) -> None:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    began = time.monotonic()
    with crawled(children, now=day(2)) as server:
        trust = _trust(folder / "killed", server)
        _admit(config.load_trust(trust), children)
        run = PollingRun(trust, server, seed=seed)
        try:
            _kill_all_along(run, server, random.Random(seed), kills=kills)
            server.advance(END)
            run.wait_until_all_is_read()
            exit_code = run.service.stop()
        finally:
            run.service.abandon()
        requests = len(server.seen)
        violations = list(server.violations)
        expected = _faultless(folder / "faultless", server, children)
    settings = config.load_trust(trust)
    found = list(read_rows(settings))
    died = ", ".join(f"{place} {count}" for place, count in sorted(run.service.kills.items()))
    print(f"\nCRASH_SEED={seed}: {run.service.kills.total()} kills ({died}) in {time.monotonic() - began:.0f} s;")
    print(f"  {requests} requests, {len(found)} rows")

    assert exit_code == 0
    assert run.service.kills.total() >= kills
    assert _live(found) == expected
    assert len(expected) > 10 * children
    assert _resources(settings) == _resources(config.load_trust(folder / "faultless" / "trust.yaml"))
    assert violations == []


def _kill_all_along(run: PollingRun, server: FhirServer, rng: random.Random, *, kills: int) -> None:
    """While the hospital goes on: look-ups, first readings, then changes again and again."""
    for number in range(kills):
        run.service.ensure_up()
        match number % 6:
            case 0 | 3:
                run.kill_at_page(after=rng.randint(1, 12))
            case 1:
                run.kill_behind_page(after=rng.randint(0, 12), delay_s=rng.uniform(0, 0.03))
            case 2:
                run.kill_at_write(nth=rng.randint(1, 40), place="child-page")
            case 4:
                run.kill_at_write(nth=rng.randint(1, 4), place="child")
            case _:
                run.kill_anywhere()
        if number % 2:
            server.advance(BORN + (END - BORN) * (number + 1) / (kills + 1))


def _admit(settings: TrustSettings, children: int) -> None:
    """What HL7 v2 has told of them before."""
    works = Works(settings)
    try:
        works.pipeline.start()
        now = datetime.now(UTC)
        bodies = [admission(number) for number in range(children)]
        Reception(works.inbox, works.ring).append(
            [Received(feed="epr", media=Media.HL7V2, received_at=now, body=body) for body in bodies]
        )
        works.drain()
        works.pipeline.stop()
    finally:
        works.close()


def _faultless(folder: Path, server: FhirServer, children: int) -> list[str]:
    """The rows of one reading of all there is, in this process."""
    settings = config.load_trust(_trust(folder, server))
    _admit(settings, children)
    works = Works(settings)
    poller = Poller(settings, next(each for each in settings.sources if isinstance(each, FhirSearchSource)))
    try:
        works.pipeline.start()
        for _ in range(2):  # by number; then by the id that was found
            poller.turn(threading.Event())
            works.drain()
        return _live(read_rows(settings))
    finally:
        poller.close()
        works.close()


def _trust(folder: Path, server: FhirServer) -> Path:
    limits = "{requests_per_second: 1000, parallel: 2}"
    patients = "{triggered_by: [epr], every: PT1S}"
    more = {"sink": f"{{kind: folder, path: '{folder / 'out'}'}}"}
    return crawling_trust(
        folder,
        server,
        mappings=config.packaged("mappings"),
        more=more,
        count=PER_PAGE,
        limits=limits,
        patients=patients,
    )


def _resources(settings: TrustSettings) -> int:
    """How many resources are known of all children."""
    database = open_store(settings, migrate=False)
    try:
        with database.read() as conn:
            return int(conn.exec_driver_sql("SELECT count(*) FROM crawl_resource").scalar_one())
    finally:
        database.close()


def _live(rows: Any) -> list[str]:
    return comparable(row for row in rows if row["state"] != "deleted")
