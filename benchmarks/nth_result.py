"""The 5,000th result of one infant against its 50th: one at a time, received, settled and dispatched.

Two infants, each in a store of its own: one with no results, one with 4,950, which came as messages of their own, 25
settled and dispatched together. A hundred results around the 50th of the one and around the 5,000th of the other take
turns; the medians count. Each is one ORU^R01 of one result: appended to the inbox, processed, settled, frozen, written
by the folder sink and marked as accepted, with every commit and fsync on that way.
"""

import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from adapter.dispatch import Dispatcher
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from benchmarks.ward import Infant, a_trust

AROUND = 100
_FILLED_TOGETHER = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class NthResult:
    """Medians of one run, milliseconds a result."""

    early_ms: float
    late_ms: float
    early: int
    late: int

    @property
    def ratio(self) -> float:
        """What the late one costs for each that the early one costs."""
        return self.late_ms / self.early_ms


class _Bed:
    """One infant, its adapter and its sink."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._infant = Infant(1)
        self._works = Works(a_trust(folder, sink=folder / "out"))
        self._reception = Reception(self._works.inbox, self._works.ring)
        dispatcher = self._works.dispatcher()
        assert dispatcher is not None
        self._dispatcher: Dispatcher = dispatcher
        self._sink = folder / "out"
        self._number = 0
        self._works.pipeline.start()
        self._take(self._infant.admission())

    def next(self) -> float:
        """Milliseconds of the next result."""
        self._number += 1
        body = self._infant.report(self._number, results=1)
        begun = time.perf_counter()
        self._take(body)
        return (time.perf_counter() - begun) * 1e3

    def fill(self, count: int) -> None:
        """So many results before the measured ones."""
        while self._number < count:
            last = min(self._number + _FILLED_TOGETHER, count)
            self._take(*(self._infant.report(number, results=1) for number in range(self._number + 1, last + 1)))
            self._number = last

    def _take(self, *bodies: bytes) -> None:
        now = datetime.now(UTC)
        self._reception.append([Received(feed="lab", media=Media.HL7V2, received_at=now, body=body) for body in bodies])
        while self._works.step():
            pass
        while self._dispatcher.step(now=datetime.now(UTC)):
            pass

    def close(self) -> None:
        """Check that every result arrived, then close."""
        written = sum(path.read_text().count('"kind":"lab_result"') for path in self._sink.glob("*.ndjson"))
        if written != self._number:
            raise RuntimeError(f"{written} rows at the sink for {self._number} results")
        self._works.close()


def measure(*, late: int = 5000) -> NthResult:
    """The `late`-th result against the 50th."""
    with tempfile.TemporaryDirectory(prefix="nth-result-") as name:
        young, old = _Bed(Path(name) / "young"), _Bed(Path(name) / "old")
        old.fill(late - AROUND // 2)
        early_ms, late_ms = [], []
        for _ in range(AROUND):
            early_ms.append(young.next())
            late_ms.append(old.next())
        young.close()
        old.close()
        median = statistics.median
        return NthResult(early_ms=median(early_ms), late_ms=median(late_ms), early=AROUND // 2, late=late)


def main() -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = measure(late=1000) if "--quick" in sys.argv[1:] else measure()
    print(f"result {found.early}: {found.early_ms:.2f} ms; result {found.late}: {found.late_ms:.2f} ms")
    print(f"ratio {found.ratio:.2f} (floor: at most 1.3)")


if __name__ == "__main__":
    main()
