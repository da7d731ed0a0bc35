"""All bars in one go: `python -m benchmarks [--quick]`. Exit 1 where a floor is missed.

Each is a ratio whose two sides took turns in one run, so that a slow or busy machine slows both. `--quick` takes fewer
messages; its figures are rougher.
"""

import logging
import os
import platform
import sqlite3
import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version

import structlog

from benchmarks import (
    ack_during_release,
    backfill,
    bulk,
    crawl_requests,
    durable_ack,
    journey,
    nth_result,
    parse_and_map,
    radiology_to_rows,
    searchset,
    triage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One ratio and its floor (or, where less is better, its ceiling)."""

    name: str
    medians: str
    ratio: float
    floor: float
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the run reached it."""
        return self.ratio <= self.floor if self.is_ceiling else self.ratio >= self.floor

    def line(self) -> str:
        """As printed."""
        sign = "≤" if self.is_ceiling else "≥"
        return (
            f"{'met   ' if self.is_met else 'MISSED'}  {self.ratio:8.2f}  {sign} {self.floor:<5g} {self.name}\n"
            f"                            {self.medians}"
        )


def _journey(*, quick: bool) -> Bar:
    found = journey.measure(reports=15, per_slice=5) if quick else journey.measure()
    return Bar(
        name=f"whole journey, {found.messages} reports of 20 results over 100 confirmed children ÷ hl7apy parse only",
        medians=f"{found.journey_ms:.3f} ms a report, hl7apy {found.hl7apy_ms:.1f} ms",
        ratio=found.ratio,
        floor=75,
    )


def _parse_and_map(*, quick: bool) -> list[Bar]:
    parsed, compiled = parse_and_map.measure(rounds=5 if quick else parse_and_map.ROUNDS)
    return [
        Bar(
            name="v2 parse + map ÷ python-hl7 parse only",
            medians=f"{parsed.ours_us:.1f} µs a report, python-hl7 {parsed.reference_us:.0f} µs",
            ratio=parsed.ratio,
            floor=parsed.floor,
        ),
        Bar(
            name="compiled mapping ÷ hand-written",
            medians=f"{compiled.ours_us:.1f} µs a report, written by hand {compiled.reference_us:.0f} µs",
            ratio=compiled.ratio,
            floor=compiled.floor,
        ),
    ]


def _searchset(*, quick: bool) -> Bar:
    found = searchset.measure(rounds=5 if quick else searchset.ROUNDS)
    return Bar(
        name="FHIR searchset bytes → rows ÷ fhir.resources R4B validate only",
        medians=f"{found.ours_ms:.2f} ms for {found.rows} results, fhir.resources {found.validated_ms:.1f} ms",
        ratio=found.ratio,
        floor=15,
    )


def _triage(*, quick: bool) -> Bar:
    found = triage.measure(rounds=3 if quick else triage.ROUNDS)
    return Bar(
        name="triage of messages that are not ours ÷ full mapping",
        medians=f"{found.aside_ms:.3f} ms put aside, {found.mapped_ms:.3f} ms to rows",
        ratio=found.ratio,
        floor=10,
    )


def _radiology(*, quick: bool) -> Bar:
    found = radiology_to_rows.measure(rounds=5 if quick else radiology_to_rows.ROUNDS)
    return Bar(
        name="radiology ORU → rows ÷ hl7v2-fhir-bridge convert + validate",
        medians=f"{found.ours_us:.0f} µs a report, hl7v2-fhir-bridge {found.bridge_us:.0f} µs",
        ratio=found.ratio,
        floor=radiology_to_rows.FLOOR,
    )


def _ack_during_release(*, quick: bool) -> list[Bar]:
    found = ack_during_release.measure(rounds=2 if quick else ack_during_release.ROUNDS)
    name = f"ACK p99 at 10 connections while {ack_during_release.HELD:,} held results are released ÷ fdatasync p99"
    return [
        Bar(
            name=f"{name} during the release",
            medians=f"{found.ack_p99_ms:.2f} ms, fdatasync {found.beside_p99_ms:.2f} ms",
            ratio=found.ratio,
            floor=ack_during_release.FLOOR,
            is_ceiling=True,
        ),
        Bar(
            name=f"{name} of the disk alone",
            medians=f"{found.ack_p99_ms:.2f} ms, fdatasync {found.fdatasync_p99_ms:.2f} ms",
            ratio=found.ratio_to_disk_alone,
            floor=ack_during_release.FLOOR,
            is_ceiling=True,
        ),
    ]


def _durable_ack(*, quick: bool) -> list[Bar]:
    found = durable_ack.measure(rounds=3 if quick else 7)
    limit = f"SQLite FULL, 50 a commit {found.limit:,.0f}/s"
    return [
        Bar(
            name="durable ACK/s at 50 connections, 16 messages under way on each ÷ group-commit limit",
            medians=f"{found.acks_window_16:,.0f}/s, {limit}",
            ratio=found.ratio_window_16,
            floor=0.40,
        ),
        Bar(
            name="durable ACK/s at 50 connections, each waiting for its answer ÷ group-commit limit",
            medians=f"{found.acks:,.0f}/s, {limit}",
            ratio=found.ratio,
            floor=0.40,
        ),
    ]


def _crawl_requests(*, quick: bool) -> Bar:
    found = crawl_requests.measure(children=20 if quick else crawl_requests.CHILDREN)
    worst = max(found, key=lambda each: each.ratio)
    each = ", ".join(f"{one.vendor} {one.requests:,} ÷ {one.least:,}" for one in found)
    return Bar(
        name=f"requests for {worst.children} children ÷ the fewest that the vendor's rules allow, the worst of three",
        medians=each,
        ratio=worst.ratio,
        floor=crawl_requests.CEILING,
        is_ceiling=True,
    )


def _nth_result(*, quick: bool) -> Bar:
    found = nth_result.measure(late=1000) if quick else nth_result.measure()
    return Bar(
        name=f"{found.late:,}th ÷ {found.early}th result of one infant, settle and dispatch included",
        medians=f"{found.late_ms:.2f} ms, {found.early_ms:.2f} ms",
        ratio=found.ratio,
        floor=1.3,
        is_ceiling=True,
    )


def _bulk(*, quick: bool) -> Bar:
    found = bulk.measure(lines=20_000, times=5) if quick else bulk.measure()
    per_s = f"into the inbox {found.long.per_s:,.0f} resources/s, to rows {found.short.rows_per_s or 0:,.0f}/s"
    return Bar(
        name=f"peak memory of an export of {found.long.lines:,} lines ÷ of {found.short.lines:,}",
        medians=f"{found.long.peak_mb:.0f} MB, {found.short.peak_mb:.0f} MB; {per_s}",
        ratio=found.ratio,
        floor=bulk.CEILING,
        is_ceiling=True,
    )


def _backfill(*, quick: bool) -> Bar:
    found = backfill.measure(rounds=3, reports=15) if quick else backfill.measure()
    one, two = statistics.median(found.one_s), statistics.median(found.two_s)
    return Bar(
        name=f"backfill of {found.messages:,} messages by one process ÷ by two",
        medians=f"{one:.2f} s, {two:.2f} s; {found.rows:,} rows, the same",
        ratio=found.ratio,
        floor=1.6,
    )


def _machine() -> str:
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("hl7apy", "hl7", "msgspec", "cryptography", "sqlalchemy")
    )
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores, load {load}\n"
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def main() -> int:
    """Run them all and print each as soon as it is known."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    quick = "--quick" in sys.argv[1:]
    print(_machine(), flush=True)
    bars: list[Bar] = []
    unmeasured = 0
    for measured in (
        _parse_and_map,
        _searchset,
        _radiology,
        _triage,
        _durable_ack,
        _ack_during_release,
        _journey,
        _nth_result,
        _crawl_requests,
        _bulk,
        _backfill,
    ):
        try:
            found = measured(quick=quick)
        except radiology_to_rows.NotInstalled as missing:
            unmeasured += 1
            print(f"NOT MEASURED              {missing}", flush=True)
            continue
        for bar in found if isinstance(found, list) else [found]:
            bars.append(bar)
            print(bar.line(), flush=True)
    missed = unmeasured + sum(not bar.is_met for bar in bars)
    print(
        f"{len(bars) + unmeasured - missed} of {len(bars) + unmeasured} bars met" + (" (quick form)" if quick else "")
    )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
