"""Durable acknowledgements a second at 50 connections, against SQLite's own limit for the same rows.

Reference: rows of the same sealed size in the same table under synchronous=FULL, 50 per commit, nothing else done.
Both take turns in one run on one disk; the medians count. The senders are another process, and as MLLP senders do each
waits for its answer before it sends the next message (`window` 1); a second figure lets each have 16 under way.
"""

import asyncio
import logging
import os
import selectors
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from adapter.envelope import Media, Received
from adapter.hl7v2.framing import frame
from adapter.pipeline.reception import Reception
from adapter.sources.intake import Intake
from adapter.sources.mllp import MllpListener
from adapter.store.inbox import InboxRow, SqliteInbox
from adapter.store.sealing import KeyRing

CONNECTIONS = 50
ROWS_PER_COMMIT = 50
_HEAD = (
    "MSH|^~\\&|WinPath^2.16.840.1.113883.2.1.8.1.5.999^ISO|RXX|CSOR|RXX|20260301120000||ORU^R01^ORU_R01|M{number:09}"
    "|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN\r"
    "PID|1||X123456^^^RXX^MR~9990000018^^^NHS^NH||TESTER^INVENTED^BABY^^^^L||202602280312|M|||"
    "1 Invented Street^Nowhere^Testshire^^ZZ99 3VZ^GBR^H||^PRN^PH^^^00000^000000|||||||||A|||||||N\r"
    "PV1|1|I|NICU^ROOM1^COT4^RXX^^BED|||||C0000001^CONSULTANT^INVENTED^^^DR|||420||||||||V000001|||||||||||||||||||||"
    "|||||20260228033000\r"
    "ORC|RE|P0001^EPR|F0001^LAB||CM||||20260301110000|||C0000001^CONSULTANT^INVENTED^^^DR\r"
    "OBR|1|P0001^EPR|F0001^LAB|UE^Urea and electrolytes^WINPATH|||20260301110000|||||||20260301112000|"
    "BLD^Venous blood^WINPATH|C0000001^CONSULTANT^INVENTED^^^DR||||||20260301115500||CH|F\r"
)
_OBX = (
    "OBX|{n}|NM|TEST{n}^Invented analyte {n}^WINPATH^1000-{n}^Analyte in serum or plasma^LN||{n}.5|mmol/L^^UCUM|"
    "0.5-25|N|||F|||20260301110000||LAB\r"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableAck:
    """Medians of one run, each a second."""

    limit: float
    acks: float
    acks_window_16: float
    message_bytes: int

    @property
    def ratio(self) -> float:
        """Acknowledgements to SQLite's limit, each sender waiting for its answer."""
        return self.acks / self.limit

    @property
    def ratio_window_16(self) -> float:
        """The same with 16 messages under way on each connection."""
        return self.acks_window_16 / self.limit


def an_oru(number: int) -> bytes:
    """A laboratory report of twenty results, as long as those of UK laboratories are."""
    return (_HEAD.format(number=number) + "".join(_OBX.format(n=n) for n in range(1, 21))).encode()


class _Counters:
    def __init__(self) -> None:
        self.accepted = 0

    def count(self, name: str, n: int = 1) -> None:
        if name == "mllp.accepted":
            self.accepted += n


class _Limit:
    """SQLite alone: the same table, the same pragmas, the same row."""

    def __init__(self, folder: Path, row: InboxRow) -> None:
        SqliteInbox(folder / "limit.db").close()
        self._connection = sqlite3.connect(folder / "limit.db", isolation_level=None)
        for pragma in ("synchronous = FULL", "secure_delete = FAST", "wal_autocheckpoint = 16384"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._insert = f"INSERT INTO inbox ({', '.join(row._fields)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        self._rows = [row] * ROWS_PER_COMMIT

    def run(self, seconds: float) -> float:
        begun, written = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(self._insert, self._rows)
            self._connection.execute("COMMIT")
            written += ROWS_PER_COMMIT
        return written / spent


def send(port: int, *, window: int) -> None:
    """The senders: run until standard input closes."""
    selector = selectors.DefaultSelector()
    message = frame(an_oru(1))
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(message * window)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            connection = key.fileobj  # type: ignore[assignment]
            connection.sendall(message * connection.recv(65536).count(b"\x1c"))


async def _acks(port: int, counters: _Counters, *, window: int, seconds: float) -> float:
    senders = subprocess.Popen([sys.executable, __file__, str(port), str(window)], stdin=subprocess.PIPE)
    before = counters.accepted
    while counters.accepted < before + 10 * CONNECTIONS:
        await asyncio.sleep(0.01)
    begun, first = time.perf_counter(), counters.accepted
    await asyncio.sleep(seconds)
    rate = (counters.accepted - first) / (time.perf_counter() - begun)
    assert senders.stdin is not None
    senders.stdin.close()
    await asyncio.to_thread(senders.wait)
    return rate


async def _take_turns(folder: Path, *, rounds: int, seconds: float) -> DurableAck:
    ring, counters = KeyRing.open(folder / "keys", os.urandom(32), create=True), _Counters()
    inbox = SqliteInbox(folder / "inbox.db")
    reception = Reception(inbox, ring)
    loop = asyncio.get_running_loop()
    intake = Intake(reception.store, prepare=reception.row, is_quick=reception.is_quick, loop=loop)
    intake.start()
    listener = MllpListener("lab", keep=intake, counters=counters)
    await listener.start("127.0.0.1", 0)
    sample = Received(feed="lab", media=Media.HL7V2, received_at=datetime.now(UTC), body=an_oru(1))
    limit = _Limit(folder, reception.row(sample))
    limits, single, windowed = [], [], []
    for _ in range(rounds):
        limits.append(limit.run(seconds))
        single.append(await _acks(listener.port, counters, window=1, seconds=seconds))
        windowed.append(await _acks(listener.port, counters, window=16, seconds=seconds))
    await listener.stop()
    intake.stop()
    median = statistics.median
    return DurableAck(
        limit=median(limits), acks=median(single), acks_window_16=median(windowed), message_bytes=len(sample.body)
    )


def measure(*, rounds: int = 5, seconds: float = 1.0) -> DurableAck:
    """Run both in turns and return the medians."""
    with tempfile.TemporaryDirectory(prefix="durable-ack-") as folder:
        return asyncio.run(_take_turns(Path(folder), rounds=rounds, seconds=seconds))


def main() -> None:
    """Print the figures; with a port and a window, be the senders."""
    if len(sys.argv) == 3:
        send(int(sys.argv[1]), window=int(sys.argv[2]))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = measure()
    print(
        f"message {found.message_bytes} bytes, {CONNECTIONS} connections, {ROWS_PER_COMMIT} rows per reference commit"
    )
    print(f"SQLite group-commit limit  {found.limit:10,.0f} rows/s")
    print(f"durable ACK, window 1      {found.acks:10,.0f} /s   ratio {found.ratio:.2f}")
    print(f"durable ACK, window 16     {found.acks_window_16:10,.0f} /s   ratio {found.ratio_window_16:.2f}")


if __name__ == "__main__":
    main()
