"""Killed by SIGKILL at any page of a FHIR server, the service ends with the rows of a run without a fault."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from adapter import config, receiver
from adapter.cli.rows import read_rows
from adapter.config import FhirSearchSource
from adapter.service.assembly import Works
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer
from tests.acceptance.crash_truth import unchanged_twice
from tests.acceptance.hospital import comparable
from tests.acceptance.polling_run import PollingRun
from tests.fakes.polled_hospital import END, polled, polling_trust
from tests.unit.simulator.fhir_courses import BORN, day

PER_PAGE = "4"


def test_eight_kills_at_pages_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    _run(tmp_path, children=2, kills=8)


@pytest.mark.long
def test_a_hundred_kills_at_pages_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    _run(tmp_path, children=4, kills=100)


def _run(folder: Path, *, children: int, kills: int) -> None:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    began = time.monotonic()
    with polled(children, now=day(2)) as server, _csor(folder) as url:
        trust = _trust(folder / "killed", server, sink=f"{{kind: csor-api, url: '{url}'}}")
        run = PollingRun(trust, server, seed=seed)
        try:
            _kill_all_along(run, server, random.Random(seed), kills=kills)
            server.advance(END)
            run.wait_until_all_is_read()
            exit_code = run.service.stop()
        finally:
            run.service.abandon()
        pages = len(server.seen)
        expected = _faultless(folder / "faultless", server)
        received, applied = list(_listed(url, "rows")), list(_listed(url, "applied"))
    found = list(read_rows(config.load_trust(trust)))
    died = ", ".join(f"{place} {count}" for place, count in sorted(run.service.kills.items()))
    print(f"\nCRASH_SEED={seed}: {run.service.kills.total()} kills ({died}) in {time.monotonic() - began:.0f} s;")
    print(f"  {pages} pages asked for, {len(found)} rows, {len(applied)} applied by the receiver")

    assert exit_code == 0
    assert run.service.kills.total() >= kills
    assert _live(found) == expected
    assert len(expected) > 10 * children
    assert unchanged_twice(applied) == []
    outside = {row["record_id"]: row["kind"] for row in received if not row["deleted"]}
    assert outside == {row["row"]: row["kind"] for row in found if row["state"] in ("live", "confirmed")}


def _kill_all_along(run: PollingRun, server: FhirServer, rng: random.Random, *, kills: int) -> None:
    """While the hospital goes on: a load of all there is, then changes again and again."""
    for number in range(kills):
        run.service.ensure_up()
        match number % 4:
            case 0 | 1:
                run.kill_at_page(after=rng.randint(1, 3))
            case 2:
                run.kill_behind_page(after=rng.randint(0, 3), delay_s=rng.uniform(0, 0.03))
            case _ if number % 8 == 3:
                run.kill_at_write(nth=rng.randint(1, 12))
            case _:
                run.kill_anywhere()
        if number % 3 == 2:
            server.advance(BORN + (END - BORN) * (number + 1) / (kills + 1))


def _faultless(folder: Path, server: FhirServer) -> list[str]:
    """The rows of one reading of all there is, in this process."""
    settings = config.load_trust(_trust(folder, server))
    works = Works(settings)
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    poller = Poller(settings, source)
    try:
        works.pipeline.start()
        poller.turn(threading.Event())
        works.drain()
        return _live(read_rows(settings))
    finally:
        poller.close()
        works.close()


def _trust(folder: Path, server: FhirServer, **more: str) -> Path:
    return polling_trust(folder, server, mappings=config.packaged("mappings"), more=more, count=PER_PAGE)


@contextmanager
def _csor(folder: Path) -> Iterator[str]:
    with receiver.running(receiver.Settings(data_folder=folder / "receiver", port=0)) as url:
        yield url


def _live(rows: Any) -> list[str]:
    return comparable(row for row in rows if row["state"] != "deleted")


def _listed(url: str, name: str) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = requests.get(f"{url}/v1/{name}", params={"after": after}, timeout=10).json()
        yield from page[name]
        after = page["next"]


def test_a_stop_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    with polled(1) as server:
        server.faults.add(Fault(effect=faults.slow(pause_s=30), resource_type="Encounter", times=None))
        run = PollingRun(_trust(tmp_path, server), server, seed=1)
        try:
            run.service.ensure_up()
            deadline = time.monotonic() + 20
            while not any(one.resource_type == "Encounter" for one in server.seen):
                assert time.monotonic() < deadline, run.service.tail()
                time.sleep(0.02)
            began = time.monotonic()
            assert run.service.stop() == 0
            took_s = time.monotonic() - began
        finally:
            run.service.abandon()
    print(f"\nstopped in {took_s:.1f} s")
    assert took_s < 2.5
