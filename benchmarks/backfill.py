"""Backfill by one process against two: a history of HL7 v2 files, mostly of nobody of ours, to the same rows.

An archive of a trust as its files hold it: laboratory reports and admissions of adults, infants who are held, a few
confirmed children with thousands of results. Each run begins with an empty store, in an interpreter of its own as the
command does, and ends when all is settled; runs of one and of two processes take turns, and the median of the pairs'
ratios counts. Mappings are loaded before the clock starts, since a real history takes hours. Run:
`python -m benchmarks.backfill [--quick]`.
"""

import gc
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import structlog

from adapter import config
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.service.assembly import Mappings, prepare
from adapter.service.backfill import Backfill
from adapter.service.processes import COLLECT
from benchmarks.ward import Infant, a_trust

ROUNDS = 5
CONFIRMED, HELD, REPORTS = 6, 8, 150
"""Children, and days of which each has one report: five months of a small archive."""
OTHERS_PER_REPORT = 24
_BORN, _OF_AN_ADULT = b"||202601011130|", b"||19600101|"
_OTHER_WARD = b"GENMED"
_CODE = b"DG1|1||Q79.3^Gastroschisis^I10||202601011200|F\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Of one run."""

    one_s: list[float] = field(default_factory=list)
    two_s: list[float] = field(default_factory=list)
    messages: int = 0
    rows: int = 0

    @property
    def ratios(self) -> list[float]:
        """Time of one process ÷ time of two, pair by pair."""
        return [one / two for one, two in zip(self.one_s, self.two_s, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)


def history(folder: Path, *, rounds: int = REPORTS) -> int:
    """Write the files, one for each day; how many messages there are."""
    folder.mkdir()
    count = 0
    ours = [Infant(number) for number in range(CONFIRMED + HELD)]
    serial = CONFIRMED + HELD
    for day in range(rounds):
        messages: list[bytes] = []
        for infant in ours:
            if day == 0:
                admission = infant.admission()
                messages.append(admission if infant.child < CONFIRMED else admission.replace(_CODE, b""))
            messages.append(infant.report(day))
            for _ in range(OTHERS_PER_REPORT):
                messages.append(_of_another(serial))
                serial += 1
        (folder / f"{day:05}.hl7").write_bytes(b"\r".join(messages) + b"\r")
        count += len(messages)
    return count


def _of_another(serial: int) -> bytes:
    """One message of somebody whom the register does not concern."""
    somebody = Infant(serial)
    if serial % 4 == 0:
        text = somebody.admission().replace(_CODE, b"DG1|1||J18.9^Pneumonia^I10||202601011200|F\r")
    else:
        text = somebody.report(serial % 40, results=8)
    return text.replace(_BORN, _OF_AN_ADULT).replace(b"NICU", _OTHER_WARD).replace(b"||422||", b"||300||")


def _run(folder: Path, files: Path, processes: int) -> float:
    """In seconds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    gc.set_threshold(*COLLECT)
    settings = config.load_trust(folder / "trust.yaml")
    shutil.rmtree(settings.data_folder, ignore_errors=True)
    prepare(settings)
    mappings = Mappings.load(settings)
    os.sync()  # what the run before left to be written would go to the disk during this one, on the second core
    backfill = Backfill(settings, feed="lab", report=_refuse, processes=processes, mappings=mappings)
    begun = time.perf_counter()
    backfill.take_in([files])
    return time.perf_counter() - begun


def _refuse(path: str, problem: object) -> None:
    raise RuntimeError(f"{path}: {problem}")


def _rows(settings: TrustSettings) -> list[str]:
    """Without numbers of our own: who came first is not the same in every run."""
    kept = ({name: value for name, value in row.items() if name != "child"} for row in read_rows(settings, every=True))
    return sorted(repr(sorted(row.items())) for row in kept)


def measure(*, rounds: int = ROUNDS, reports: int = REPORTS) -> Filled:
    """RuntimeError where two processes make other rows than one."""
    with tempfile.TemporaryDirectory(prefix="backfill-") as name:
        folder, files = Path(name), Path(name) / "history"
        settings = a_trust(folder)
        messages = history(files, rounds=reports)
        found = Filled(messages=messages)
        rows: list[str] = []
        for number in range(rounds):
            for processes in (1, 2) if number % 2 else (2, 1):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                    took_s = alone.submit(_run, folder, files, processes).result()
                (found.one_s if processes == 1 else found.two_s).append(took_s)
                here = _rows(settings)
                if rows and here != rows:
                    raise RuntimeError(f"{len(here)} rows where there were {len(rows)}, or others")
                rows = here
    return Filled(one_s=found.one_s, two_s=found.two_s, messages=messages, rows=len(rows))


def main() -> int:
    """Print the run; exit 1 where the floor is missed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = measure(rounds=3, reports=15) if "--quick" in sys.argv[1:] else measure()
    one, two = statistics.median(found.one_s), statistics.median(found.two_s)
    print(f"{found.messages} messages, {found.rows} rows, the same; load {os.getloadavg()[0]:.1f}")
    print(f"one process {one:.2f} s ({one / found.messages * 1e3:.3f} ms a message), two {two:.2f} s")
    print(f"ratio {found.ratio:.2f} (floor 1.6); by pair: {' '.join(f'{each:.2f}' for each in found.ratios)}")
    return int(found.ratio < 1.6)


if __name__ == "__main__":
    sys.exit(main())
