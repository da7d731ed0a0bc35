"""One crash run: a service, a sender, a receiver, and a list of kills drawn from a seed."""

import random
import socket
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from adapter import config, receiver, simulator
from adapter.cli.rows import read_rows
from adapter.simulator import SentMessage, Simulation, TruthRow
from tests.acceptance.crash_sender import Senders
from tests.acceptance.crash_service import Service
from tests.acceptance.hospital import listeners, told_by_v2, trust_file

FAR_NTH = {
    "release": 6, "merge": 12, "regroup": 8, "settle": 25, "freeze": 6, "receipt": 5, "acknowledge": 2,
}  # fmt: skip
"""The nth statement (or append) is drawn from 1 to here: about what one visit has."""
WAIT_INSIDE_S = 6.0
"""How long an armed place is waited for; if it is not reached, the part is killed from outside."""
RARE = {"release": 6, "merge": 1}
"""How many times its share of the messages a place may use up; others may use it twice."""
PART_KILLS = 3
"""A supervisor waits longer before each new start of a part: after so many kills of one the whole group goes."""

EACH_PLACE_ONCE = (
    "acknowledge", "merge", "release", "settle", "offer", "work", "receive", "freeze", "receipt", "supervisor",
)  # fmt: skip
ROUND = (
    "acknowledge", "merge", "merge", "regroup", "release", "release", "settle", "offer", "work", "receive", "receipt",
    "all", "freeze", "settle", "release", "acknowledge", "offer", "work", "supervisor", "settle", "receipt",
)  # fmt: skip
"""Kills of one simulated hospital, in this order; names of processes are killed from outside at a random time."""


_OPEN_WORK = {
    "received": "SELECT count(*) FROM message WHERE state = 'received'",
    "dirty": "SELECT count(*) FROM dirty",
    # Of a row that came and went before CSOR heard of it, CSOR need not hear.
    "unsent": "SELECT count(*) FROM csor_row WHERE version <> sent_version AND (deleted = 0 OR sent_version > 0)",
    "undelivered": "SELECT count(*) FROM delivery WHERE state <> 'accepted'",
}
_POSITION = "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM cursor WHERE name = 'inbox'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What stands where after the last kill, when nothing moves any more."""

    truth: list[TruthRow]
    messages: list[bytes]
    acknowledged: list[bytes]
    offered: int
    faults: list[str]
    rows: list[dict[str, Any]]
    received: list[dict[str, Any]]
    applied: list[dict[str, Any]]
    states: Counter[str]
    contents: int
    duplicates: int
    kills: Counter[str]
    exit_code: int


class CrashRun:
    """Kills at least `kills` times while `hospitals` simulated hospitals send one after the other."""

    def __init__(self, folder: Path, *, seed: int, hospitals: int, infants: int) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._simulations = [_hospital(1 + number, infants=infants) for number in range(hospitals)]
        self._ports = {site.feed: free_port() for site in self._simulations[0].sites}

    def run(self, *, first_starts: int, places: Sequence[str]) -> Outcome:
        """All of it: kills, the end of the work, a clean stop, and what then stands where."""
        settings = receiver.Settings(data_folder=self._folder / "receiver", port=0)
        with receiver.running(settings) as url:
            trust = self._trust_file(url)
            service = Service(trust, self._folder)
            sender = Senders(self._ports)
            try:
                self._kill_first_starts(service, first_starts)
                sender.start()
                for simulation in self._simulations:
                    self._round(service, sender, simulation, places)
                service.disarm()
                service.ensure_up()
                self._wait_until_quiet(service, sender)
                exit_code = service.stop()
                return self._outcome(trust, url, service, sender, exit_code)
            finally:
                sender.close()
                service.abandon()

    def _trust_file(self, url: str) -> Path:
        return trust_file(
            self._folder,
            simulation=self._simulations[0],
            sources=listeners(self._simulations[0], self._ports),
            sink={"kind": "csor-api", "url": url},
            # The simulated year must not end a hold while the test runs.
            hold={"after_discharge": "P9000D", "max": "P9000D"},
        )

    def _kill_first_starts(self, service: Service, times: int) -> None:
        """In the making of the data folder: key file, schema, binding."""
        for _ in range(times):
            service.arm("first-start", self._rng.randint(1, 60))
            service.start()
            deadline = time.monotonic() + 10
            while not service.died_inside() and service.part("work") is None and time.monotonic() < deadline:
                time.sleep(0.02)
            service.disarm()
            if service.is_up:
                service.kill("all")

    def _round(self, service: Service, sender: Senders, simulation: Simulation, places: Sequence[str]) -> None:
        """One hospital: it goes on sending until each place was met, and sends its rest after the last kill."""
        rest = deque(simulation.messages)
        merge_at = next(n for n, message in enumerate(simulation.messages) if message.event == "A40")
        since_group: Counter[str] = Counter()
        for number, place in enumerate(places):
            part = "receive" if place in ("receive", "acknowledge") else "work"
            if since_group[part] >= PART_KILLS and place not in ("all", "supervisor"):
                service.kill("all")
                since_group.clear()
            service.ensure_up()
            if place == "merge" and places[number - 1] != "merge":
                sender.send(_take(rest, merge_at - (len(simulation.messages) - len(rest))))
                self._wait_until_settled(service, sender)
            share = RARE.get(place, 2) * len(rest) // (len(places) - number + 1)
            kept = max(0, len(rest) - share)
            self._kill_once(service, sender, place, rest, kept=kept)
            since_group[part] += 1
            if place in ("all", "supervisor"):
                since_group.clear()
        service.ensure_up()
        sender.send(rest)

    def _kill_once(self, service: Service, sender: Senders, place: str, rest: deque[SentMessage], *, kept: int) -> None:
        """One kill; at an armed place it goes on sending until `kept` messages are left for the other kills."""
        if place in ("work", "receive", "all", "supervisor"):
            sender.send(_take(rest, 6))
            time.sleep(self._rng.uniform(0.0, 1.2))
            while not service.kill(place):
                service.ensure_up()
            return
        service.arm(place, *self._moment(place))
        deadline = time.monotonic() + WAIT_INSIDE_S
        while not service.died_inside() and time.monotonic() < deadline:
            # Nothing new while the last is not processed: the place may be in it.
            if not sender.left and not self._open_work().keys() - {"unsent", "undelivered"}:
                if len(rest) <= kept:
                    deadline = min(deadline, time.monotonic() + 0.3)
                sender.send(_take(rest, min(3, len(rest) - kept)))
            time.sleep(0.01)
        if not service.disarm():
            service.ensure_up()
            service.kill("receive" if place == "acknowledge" else "work")

    def _moment(self, place: str) -> tuple[int, float]:
        """The nth statement; of a request its beginning, its body, or some milliseconds later."""
        if place == "offer":
            return self._rng.choice([(1, 0.0), (2, 0.0), (1, self._rng.uniform(0.5, 25.0))])
        return self._rng.randint(1, FAR_NTH[place]), 0.0

    def _wait_until_settled(self, service: Service, sender: Senders) -> None:
        """All that was sent is acknowledged and in the rows; who has no number yet may have rows that stay."""
        self._wait(service, sender, besides={"unsent", "undelivered"})

    def _wait_until_quiet(self, service: Service, sender: Senders) -> None:
        """CSOR has it all, too."""
        self._wait(service, sender, besides=set())

    def _wait(self, service: Service, sender: Senders, *, besides: set[str]) -> None:
        deadline = time.monotonic() + 90
        while sender.left or self._open_work().keys() - besides:
            assert time.monotonic() < deadline, f"not quiet: {sender.left} left, {self._open_work()}\n{service.tail()}"
            service.ensure_up()
            time.sleep(0.05)

    def _open_work(self) -> dict[str, int]:
        """What is still to be done, by the tables of the store."""
        data = self._folder / "data"
        try:
            found = {name: _one(data / "work.db", statement) for name, statement in _OPEN_WORK.items()}
            position = _one(data / "work.db", _POSITION)
            found["queued"] = _one(data / "inbox.db", f"SELECT count(*) FROM inbox WHERE id > {position}")
        except sqlite3.OperationalError:
            return {"store not ready": 1}
        return {name: count for name, count in found.items() if count}

    def _outcome(self, trust: Path, url: str, service: Service, sender: Senders, exit_code: int) -> Outcome:
        work = self._folder / "data" / "work.db"
        with closing(sqlite3.connect(work)) as store:
            states = Counter(dict(store.execute("SELECT state || ' ' || reason, count(*) FROM message GROUP BY 1")))
        return Outcome(
            truth=[row for simulation in self._simulations for row in simulation.truth],
            messages=[message.raw for simulation in self._simulations for message in simulation.messages],
            acknowledged=sender.acknowledged,
            offered=sender.offered,
            faults=sender.faults,
            rows=list(read_rows(config.load_trust(trust))),
            received=list(_pages(url, "rows")),
            applied=list(_pages(url, "applied")),
            states=states,
            contents=_one(work, "SELECT count(DISTINCT content) FROM message"),
            duplicates=_one(work, "SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'duplicate'"),
            kills=service.kills,
            exit_code=exit_code,
        )


def _hospital(seed: int, *, infants: int) -> Simulation:
    return told_by_v2(simulator.hospital(seed=seed, infants=infants))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _take(rest: deque[SentMessage], count: int) -> list[SentMessage]:
    return [rest.popleft() for _ in range(max(0, min(count, len(rest))))]


def _one(database: Path, statement: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as store:
        return int(store.execute(statement).fetchone()[0])


def _pages(url: str, name: str) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = requests.get(f"{url}/v1/{name}", params={"after": after}, timeout=10).json()
        yield from page[name]
        after = page["next"]
