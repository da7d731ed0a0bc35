"""A bulk export from its first request into the inbox, and on to rows: resources a second, and memory at its peak.

Each size runs in a process of its own (`VmHWM`: `ru_maxrss` would begin with that of the parent), against a server in
another one that makes its lines as it sends them. The bar is the peak of the larger export ÷ that of the smaller one,
ten times as long: streaming keeps it flat.
Run: `python -m benchmarks.bulk`.
"""

import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapter import config
from adapter.config import FhirSearchSource
from adapter.outbound import open_session
from adapter.service.assembly import Works
from adapter.service.bulk_running import Exports
from adapter.service.pacing import pace_of
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.smart_auth import NoCredentials
from adapter.store import counters
from benchmarks.bulk_server import LINES_OF_A_CHILD, TYPES

LINES = 100_000
TIMES = 10
CEILING = 1.2
_ANSWER_S = 3600
_TRUST = """
vendor: uk-generic
site: {{ods_code: RXX, name: Invented Trust}}
test_mode: yes
data_folder: data
sealing: {{master_key: {{file: key}}}}
wards: [{{code: NICU, type: nicu}}]
identity: {{hospital_numbers: [{{authority: RXX, fhir_system: "https://fhir.rxx.example/Id/hospital-number"}}]}}
mappings: {mappings}
settle: {{debounce_s: 0}}
hold: {{unknown: P9000D, after_discharge: P9000D, max: P9000D}}
sources:
  - name: fhir
    kind: fhir-search
    base_url: {base}
    from: 2026-01-01
    types: {{Patient: {{}}}}
    limits: {{requests_per_second: 1000}}
    bulk: {{types: [{types}], poll_min_s: 0.01, instead_of_search: yes}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export, as it went."""

    lines: int
    into_inbox_s: float
    to_rows_s: float | None
    rows: int
    peak_mb: float
    """While it went into the inbox."""

    @property
    def per_s(self) -> float:
        """Resources a second, from the first request until all is in the inbox and noted."""
        return self.lines / self.into_inbox_s

    @property
    def rows_per_s(self) -> float | None:
        """Resources a second from the inbox to rows."""
        return None if self.to_rows_s is None else self.lines / self.to_rows_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A short export and a long one."""

    short: Export
    long: Export

    @property
    def ratio(self) -> float:
        """Of their peaks."""
        return self.long.peak_mb / self.short.peak_mb


def measure(*, lines: int = LINES, times: int = TIMES) -> Found:
    """Both, one after the other; the short one goes on to rows."""
    return Found(short=_run(lines, to_rows=True), long=_run(lines * times, to_rows=False))


def _run(lines: int, *, to_rows: bool) -> Export:
    children = lines // LINES_OF_A_CHILD
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bulk_server", str(children)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory(prefix="bulk-") as folder:
            asked = [sys.executable, "-m", "benchmarks.bulk", "--one", folder, f"http://127.0.0.1:{port}"]
            asked += ["--to-rows"] * to_rows
            told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=_ANSWER_S)
    finally:
        server.kill()
        server.wait()
    return Export(**json.loads(told.stdout.splitlines()[-1]))


def _one(folder: Path, base: str, *, to_rows: bool) -> Export:
    """In this process, which does nothing else."""
    (folder / "key").write_text("ab" * 32)
    file = folder / "trust.yaml"
    types = ", ".join(TYPES)
    file.write_text(_TRUST.format(mappings=config.packaged("mappings"), base=base, types=types))
    settings = config.load_trust(file)
    works = Works(settings)
    works.pipeline.start()
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    pace = pace_of(source, settings, works.database)

    def open_server() -> FhirServer:
        session = open_session(ca=None, proxy=None)
        return FhirServer(base, credentials=NoCredentials(), pace=pace, limits=Limits(), session=session)

    exports = Exports(settings, source, open_server=open_server, queue_limit=10**9)
    began = time.monotonic()
    exports.turn(threading.Event())
    into_inbox_s = time.monotonic() - began
    peak_mb = _peak_mb()
    with works.database.read() as conn:
        counted = counters.all_counts(conn)
    if counted.get("poll.fhir.bulk.runs") != 1:
        raise RuntimeError(f"the export did not come to its end: {counted}")
    to_rows_s, rows = None, 0
    if to_rows:
        began = time.monotonic()
        works.drain()
        to_rows_s = time.monotonic() - began
        with works.database.read() as conn:
            rows = conn.exec_driver_sql("SELECT count(*) FROM csor_row").scalar_one()
    lines = counted["poll.fhir.bulk.lines"]
    return Export(lines=lines, into_inbox_s=into_inbox_s, to_rows_s=to_rows_s, rows=rows, peak_mb=peak_mb)


def _peak_mb() -> float:
    """The most memory this process ever held; of Linux, from its own start on."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> int:
    """Print what was measured."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if "--one" in sys.argv:
        found = _one(Path(sys.argv[2]), sys.argv[3], to_rows="--to-rows" in sys.argv)
        print(json.dumps({name: getattr(found, name) for name in found.__slots__}))
        return 0
    both = measure()
    for each in (both.short, both.long):
        rows = f", to rows {each.rows_per_s:,.0f}/s ({each.rows:,} rows)" if each.rows_per_s else ""
        print(f"{each.lines:,} lines: into the inbox {each.per_s:,.0f}/s{rows}, peak {each.peak_mb:.0f} MB")
    print(f"peak ratio {both.ratio:.2f}, at most {CEILING}")
    return int(both.ratio > CEILING)


if __name__ == "__main__":
    sys.exit(main())
