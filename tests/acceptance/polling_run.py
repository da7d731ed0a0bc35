"""A service that polls a FHIR server, and kills: at a request, some moments after its answer, at a write, anywhere."""

import random
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from adapter import config
from adapter.cli.status import read_status
from adapter.errors import SetupError
from adapter.service.assembly import open_store
from adapter.simulator.fhir_faults import Answer, Effect, Fault, Request
from adapter.simulator.fhir_server import FhirServer
from adapter.store import crawls
from adapter.store.faults import StoreError
from tests.acceptance.crash_service import Service

PART_KILLS = 3
"""A supervisor waits longer before each new start of a part: after so many kills of one the whole group goes."""
_WAIT_S = 20.0
_QUIET_S = 90.0


class PollingRun:
    """Kills the service while it reads, and waits for it to have read all."""

    def __init__(self, trust: Path, server: FhirServer, *, seed: int) -> None:
        self.service = Service(trust, trust.parent)
        self._settings = config.load_trust(trust)
        self._server = server
        self._rng = random.Random(seed)
        self._since_group = 0

    def kill_at_page(self, *, after: int) -> None:
        """So many pages go well; the process is gone before the next is answered."""
        self._kill_by(lambda _, answer: self._killed(answer), after=after)

    def kill_behind_page(self, *, after: int, delay_s: float) -> None:
        """It dies some moment after a page was sent: while it reads, stores or notes it."""

        def soon(_: Request, answer: Answer) -> Answer:
            threading.Timer(delay_s, self._kill).start()
            return answer

        self._kill_by(soon, after=after)

    def kill_at_write(self, *, nth: int, place: str = "page") -> None:
        """It dies at the nth statement with which a page is noted: its messages are in the inbox already."""
        self.service.arm(place, nth)
        self._wait_for_death(self.service.died_inside)
        self.service.disarm()
        self._since_group += 1

    def kill_anywhere(self) -> None:
        """From outside, at a random time."""
        time.sleep(self._rng.uniform(0, 1.5))
        self._kill()

    def _kill_by(self, effect: Effect, *, after: int) -> None:
        kills = self.service.kills.total()
        self._server.faults.add(Fault(effect=effect, skip=after))
        self._wait_for_death(lambda: self.service.kills.total() > kills)
        self._server.faults.clear()

    def _wait_for_death(self, is_dead: Any) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not is_dead():
            assert time.monotonic() < deadline, f"the place was not reached\n{self.service.tail()}"
            time.sleep(0.005)

    def _killed(self, answer: Answer) -> Answer:
        self._kill()
        return answer

    def _kill(self) -> None:
        if self._since_group >= PART_KILLS:
            self._since_group = 0
            self.service.kill("all")
        elif self.service.kill("work"):
            self._since_group += 1

    def wait_until_all_is_read(self) -> None:
        """All that the server has at this moment is in, and nothing is left to do."""
        since = datetime.now().astimezone()
        deadline = time.monotonic() + _QUIET_S
        while left := self._left(since):
            assert time.monotonic() < deadline, f"not quiet: {left}\n{self.service.tail()}"
            self.service.ensure_up()
            time.sleep(0.1)

    def _is_unread(self, since: datetime) -> bool:
        """Of a server that is read child by child: whether the last whole answer to any of them is older."""
        database = open_store(self._settings, migrate=False)
        try:
            with database.read() as conn:
                rows = crawls.due(conn, "fhir", now_us=2**62, limit=1000)
        finally:
            database.close()
        read = [row.whole_us or 0 for row in rows if row.state not in ("linked", "elsewhere")]
        return not read or min(read) < int(since.timestamp() * 1_000_000)

    def _left(self, since: datetime) -> dict[str, Any]:
        try:
            status = read_status(self._settings)
        except (StoreError, SetupError) as error:  # in the middle of its start
            return {"store": type(error).__name__}
        age_s = (datetime.now().astimezone() - since).total_seconds() - 1
        success_s = status["fhir_sources"]["fhir"]["last_success_s"]
        found = {
            "reading": self._is_unread(since) if success_s is None else success_s >= age_s,
            "queue": status["queue"]["waiting"],
            "to settle": status["children"]["to_settle"],
            "received": status["messages"].get("received", 0),
            "deliveries": sum(n for state, n in status["deliveries"].items() if state != "accepted"),
            "unsent": status["unsent_rows"],
        }
        return {name: value for name, value in found.items() if value}
