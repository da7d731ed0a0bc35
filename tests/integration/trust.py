"""One trust's adapter in this process: what is sent to it goes the whole way, and a sink that the test commands."""

import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapter import config
from adapter.assertion import ItemKind, Resource
from adapter.chart import sealed
from adapter.cli.rows import read_rows
from adapter.cli.status import read_status
from adapter.config import TrustSettings
from adapter.dispatch import Dispatcher, record_text
from adapter.envelope import Media, Received
from adapter.errors import DeliveryError
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Mappings, Works, early_reader
from adapter.settle.loading import source_of
from adapter.store import assertions, audit, counters, messages, persons, registry, rows
from adapter.store.persons import PersonRow
from adapter.store.sql import run

Row = dict[str, Any]


def trust_file(folder: Path, *, mappings: Path, url: str = "", **more: str) -> Path:
    """The file of an invented trust; `more` replaces whole top-level entries."""
    (folder / "key").write_text("ab" * 32)
    entries = {
        "vendor": "uk-generic",
        "site": "{ods_code: RXX, name: Invented Trust}",
        "test_mode": "yes",
        "data_folder": "data",
        "sealing": "{master_key: {file: key}}",
        "wards": "[{code: NICU, type: nicu}, {code: PSW, type: surgical}]",
        "identity": "{hospital_numbers: [{authority: RXX}]}",
        "mappings": str(mappings),
        "settle": "{debounce_s: 0}",
        "sink": "{kind: csor-api, url: 'http://127.0.0.1:9'}",
        **({"store": f"{{url: {json.dumps(url)}}}"} if url else {}),
        **more,
    }
    path = folder / "trust.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in entries.items()))
    return path


@dataclass
class Csor:
    """A sink that keeps what it is given, or raises what the test wants."""

    batches: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[Callable[[], DeliveryError]] = field(default_factory=list)
    """What the next attempts get; an empty list: everything is accepted."""
    rows: dict[str, Row] = field(default_factory=dict)
    """Each row as CSOR last accepted it, with its csor_id."""
    regressions: list[str] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)

    def deliver(self, batch: bytes, *, idempotency_key: str) -> object:
        self.batches.append((idempotency_key, batch))
        if self.answers:
            raise self.answers.pop(0)()
        self.accept(batch)
        return None

    def accept(self, batch: bytes) -> None:
        said = json.loads(batch)
        for row in said["rows"]:
            before = self.rows.get(row["record_id"])
            if before is not None and before["version"] > row["version"]:
                self.regressions.append(row["record_id"])
            if before is None or before["version"] < row["version"]:
                self.rows[row["record_id"]] = {**row, "csor_id": said["csor_id"]}
                self.applied[row["record_id"]] += 1

    def live(self, kind: str = "") -> list[Row]:
        return [row for row in self.rows.values() if not row["deleted"] and kind in ("", row["kind"])]


class ReaderHere:
    """Reads ahead as the service's second process does, in this one."""

    def __init__(self, answer_to: Callable[[bytes], bytes]) -> None:
        self._answer_to = answer_to
        self._answers: deque[bytes] = deque()

    def has_room(self) -> bool:
        return len(self._answers) < 3

    def ask(self, question: bytes) -> None:
        self._answers.append(self._answer_to(question))

    def has_answered(self) -> bool:
        return True

    def answer(self) -> bytes:
        return self._answers.popleft()


class Trust:
    """An adapter with its clock in the test's hand."""

    def __init__(self, settings: TrustSettings, *, mappings: Mappings, reads_ahead: bool = False) -> None:
        self.settings = settings
        self._reads_ahead = reads_ahead
        self.now = datetime(2026, 9, 20, 12, tzinfo=UTC)
        self.csor = Csor()
        self._mappings = mappings
        self.works = self._open()
        self.dispatcher = self._dispatcher()

    def _open(self) -> Works:
        reader = ReaderHere(early_reader(self.settings, self._mappings)) if self._reads_ahead else None
        works = Works(self.settings, now=lambda: self.now, mappings=self._mappings, reader=reader)
        works.pipeline.start()
        return works

    def _dispatcher(self) -> Dispatcher:
        dispatcher = self.works.dispatcher()
        assert dispatcher is not None
        dispatcher._sink = self.csor
        dispatcher.start(now=self.now)
        return dispatcher

    def restart(self) -> None:
        """As after a crash: nothing in memory is left."""
        self.works.close()
        self.works = self._open()
        self.dispatcher = self._dispatcher()

    def close(self) -> None:
        self.works.close()

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def receive(self, *raw: bytes, feed: str = "epr") -> None:
        """All in one batch, processed and settled."""
        received = [Received(feed=feed, media=Media.HL7V2, received_at=self.now, body=each) for each in raw]
        Reception(self.works.inbox, self.works.ring).append(received)
        self.works.drain()

    def take(self, body: bytes, *, is_fhir: bool) -> None:
        """One message, or one FHIR body of the feed `ehr`."""
        feed, media = ("ehr", Media.FHIR) if is_fhir else ("epr", Media.HL7V2)
        received = Received(feed=feed, media=media, received_at=self.now, body=body)
        Reception(self.works.inbox, self.works.ring).append([received])
        self.works.drain()

    def take_from(self, feed: str, *bodies: bytes) -> None:
        """FHIR bodies of a feed, all in one batch."""
        received = [Received(feed=feed, media=Media.FHIR, received_at=self.now, body=body) for body in bodies]
        Reception(self.works.inbox, self.works.ring).append(received)
        self.works.drain()

    def states(self) -> dict[str, str]:
        """Of each condition that anything speaks for in any child, what settling last made of it."""
        summaries = [self.works.settler.summary(person) for person in self.persons()]
        return {name: state for summary in summaries for name, state, _ in summary.cases if state != "none"}

    def each(self, *raw: bytes) -> None:
        """One after the other, each processed and settled before the next comes."""
        for one in raw:
            self.receive(one)

    def dispatch(self) -> None:
        """Until nothing more can be done now."""
        for _ in range(200):
            if not self.dispatcher.step(now=self.now):
                return
        raise AssertionError("dispatch goes round in circles")

    def rows(self, kind: str = "", *, every: bool = False) -> list[Row]:
        """What `csor-adapter rows` prints, without the rows that are held."""
        found = [row for row in read_rows(self.settings, every=every) if kind in ("", row["kind"])]
        return found if every else [row for row in found if row["state"] in ("live", "confirmed")]

    def values(self, child: int | None = None) -> list[str]:
        """The numbers of all live results, as sent."""
        found = self.rows("lab_result")
        return sorted(row["value_original"] for row in found if child in (None, row["child"]))

    def cases(self, *, every: bool = True) -> dict[str, str]:
        return {row["condition"]: row["state"] for row in self.rows("condition_case", every=every)}

    def status(self) -> dict[str, Any]:
        return read_status(self.settings)

    def counts(self) -> dict[str, int]:
        with self.works.database.read() as conn:
            return counters.all_counts(conn)

    def persons(self) -> list[PersonRow]:
        with self.works.database.read() as conn:
            return persons.all_of(conn)

    def versions(self) -> dict[str, int]:
        with self.works.database.read() as conn:
            found = [row for person in persons.all_of(conn) for row in rows.of_person(conn, person.id)]
        return {record_text(row.record_id): row.version for row in found}

    def documents(self) -> list[Resource]:
        """What the record holds of documents, whether they count or not."""
        with self.works.database.read() as conn:
            found = [row for person in persons.all_of(conn) for row in registry.by_person(conn, [person.id])]
            stored = assertions.of_identifiers(conn, [row.id for row in found])
            sources = [source_of(self.works.ring, row) for row in stored]
        items = [item for source in sources for item in source.assertion.items if item.kind is ItemKind.DOCUMENT]
        return [item.resources[0] for item in items]

    def parked(self) -> list[str]:
        with self.works.database.read() as conn:
            return [message.reason for message in messages.parked(conn)]

    def bodies(self, kind: str) -> list[str]:
        """Of every message of this kind whose body is kept, the body."""
        with self.works.database.read() as conn:
            found = run(conn, "SELECT id FROM message WHERE kind = ? AND state <> 'erased'", (kind,))
            rows = [messages.by_id(conn, number) for (number,) in found]
        return [
            self.works.ring.unseal(row.key_id, row.sealed, sealed.MESSAGE).decode()
            for row in rows
            if row is not None and row.key_id is not None and row.sealed is not None
        ]

    def audited(self, kind: str) -> Sequence[dict[str, object]]:
        with self.works.database.read() as conn:
            return [entry.detail for entry in audit.entries(conn) if entry.kind == kind]

    def assert_csor_agrees(self) -> None:
        """What CSOR has is what the trust has, and no version ever went back."""
        assert not self.csor.regressions
        ours = {row["row"]: row["kind"] for row in self.rows()}
        assert {row["record_id"]: row["kind"] for row in self.csor.live()} == ours


def load(path: Path) -> TrustSettings:
    return config.load_trust(path)
