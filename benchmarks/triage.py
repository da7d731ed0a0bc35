"""Reports that are not ours against reports of a confirmed child, each of twenty results, from the inbox to rows.

What concerns no child of the study is put aside, sealed; only what concerns one is mapped and settled.
One process does both, with the collector set as the service sets it, from the inbox to the store. The two take turns,
as many at a time as one transaction takes; the median of the rounds' ratios counts. Run: `python -m benchmarks.triage`.
"""

import gc
import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from adapter.envelope import Media, Received
from adapter.pipeline.journey import BATCH
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from adapter.service.processes import COLLECT
from benchmarks.ward import Infant, a_trust

ROUNDS = 9
_BORN, _OF_AN_ADULT = b"||202601011130|", b"||19600101|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Triaged:
    """Medians of one run, milliseconds a report."""

    aside_ms: float
    mapped_ms: float
    ratio: float
    """How many reports are put aside in the time in which one of a child becomes rows."""


def measure(*, rounds: int = ROUNDS) -> Triaged:
    """One confirmed child and the adults of the same laboratory."""
    with tempfile.TemporaryDirectory(prefix="triage-") as name:
        works = Works(a_trust(Path(name)))
        reception = Reception(works.inbox, works.ring)
        works.pipeline.start()
        child = Infant(1)

        def milliseconds(bodies: list[bytes]) -> float:
            now = datetime.now(UTC)
            reception.append([Received(feed="lab", media=Media.HL7V2, received_at=now, body=body) for body in bodies])
            begun = time.perf_counter()
            while works.step():
                pass
            return (time.perf_counter() - begun) * 1e3 / len(bodies)

        milliseconds([child.admission()])
        gc.collect()
        gc.freeze()
        before = gc.get_threshold()
        gc.set_threshold(*COLLECT)
        aside, mapped = [], []
        for number in range(rounds):
            reports = range(number * BATCH + 1, (number + 1) * BATCH + 1)
            adults = [Infant(1 + each).report(each).replace(_BORN, _OF_AN_ADULT) for each in reports]
            aside.append(milliseconds(adults))
            mapped.append(milliseconds([child.report(each) for each in reports]))
        gc.set_threshold(*before)
        gc.unfreeze()
        works.close()
    ratios = [whole / glance for glance, whole in zip(aside, mapped, strict=True)]
    return Triaged(
        aside_ms=statistics.median(aside), mapped_ms=statistics.median(mapped), ratio=statistics.median(ratios)
    )


def main() -> int:
    """Print the run; exit 1 where the floor is missed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = measure()
    print(f"{found.aside_ms:.3f} ms put aside, {found.mapped_ms:.3f} ms to rows; ratio {found.ratio:.1f} (floor 10)")
    return int(found.ratio < 10)


if __name__ == "__main__":
    sys.exit(main())
