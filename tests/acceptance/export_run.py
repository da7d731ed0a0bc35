"""A service that takes exports of a FHIR server, and kills: at a request, some moments after its answer, at a write."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from adapter.cli.status import read_status
from adapter.errors import SetupError
from adapter.service.assembly import open_store
from adapter.simulator.fhir_faults import Answer, Effect, Fault, Interaction, Request
from adapter.simulator.fhir_versions import instant
from adapter.store import bulk
from adapter.store.faults import StoreError
from tests.acceptance.polling_run import PART_KILLS, PollingRun
from tests.fakes.exporting_hospital import GROUP

_WAIT_S = 90.0
"""One export may have to end and the next begin before a place is reached."""
INTERACTIONS: tuple[Interaction, ...] = ("export", "export-status", "export-file", "export-delete")


class ExportRun(PollingRun):
    """Kills the service while it exports, and waits for it to have taken all."""

    def kill_at_request(self, interaction: Interaction, *, after: int) -> None:
        """So many of these go well; the process is gone before the next is answered, though the server has acted."""
        self._kill_at(lambda _, answer: self._killed(answer), interaction, after=after)

    def kill_behind_request(self, interaction: Interaction, *, after: int, delay_s: float) -> None:
        """It dies some moment after the answer: while it reads, stores or notes it."""

        def soon(_: Request, answer: Answer) -> Answer:
            threading.Timer(delay_s, self._kill).start()
            return answer

        self._kill_at(soon, interaction, after=after)

    def kill_at_statement(self, *, nth: int) -> None:
        """It dies at the nth statement of the steps of an export."""
        if self._since_group >= PART_KILLS:
            self._kill()
            self.service.ensure_up()
        self.service.arm("export", nth)
        self._wait_for_death(self.service.died_inside)
        self.service.disarm()
        self._since_group += 1

    def _kill_at(self, effect: Effect, interaction: Interaction, *, after: int) -> None:
        kills = self.service.kills.total()
        self._server.faults.add(Fault(effect=effect, interactions=(interaction,), skip=after))
        self._wait_for_death(lambda: self.service.kills.total() > kills)
        self._server.faults.clear()

    def _wait_for_death(self, is_dead: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not is_dead():
            assert time.monotonic() < deadline, f"the place was not reached\n{self.service.tail()}"
            time.sleep(0.005)

    @property
    def exports(self) -> int:
        """How many were ever asked for."""
        database = open_store(self._settings, migrate=False)
        try:
            with database.read() as conn:
                statement = "SELECT seq FROM sqlite_sequence WHERE name = 'bulk_job'"
                return int(conn.exec_driver_sql(statement).scalar_one())
        finally:
            database.close()

    def _left(self, since: datetime) -> dict[str, Any]:
        try:
            status = read_status(self._settings)
            standing = self._standing()
        except (StoreError, SetupError) as error:  # in the middle of its start
            return {"store": type(error).__name__}
        found = {
            "types behind": [name for name, at in standing.items() if at != instant(self._server.archive.now)],
            "nothing yet": not standing,
            "queue": status["queue"]["waiting"],
            "to settle": status["children"]["to_settle"],
            "received": status["messages"].get("received", 0),
        }
        return {name: value for name, value in found.items() if value}

    def _standing(self) -> dict[str, str]:
        database = open_store(self._settings, migrate=False)
        try:
            with database.read() as conn:
                return {name: row.since for name, row in bulk.types(conn, "fhir", f"Group/{GROUP}").items()}
        finally:
            database.close()
