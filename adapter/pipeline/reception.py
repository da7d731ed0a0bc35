"""What sources received, made ready for the inbox: sealed under the day's key, with keyed hashes to find a resend.

Reads the header alone. Everything a sender wrote stays inside the seal; the kind is one of our words or `other`.
"""

import re
from collections.abc import Sequence

from adapter.chart import sealed
from adapter.chart.sealed import Note, Refusal, encode_note
from adapter.envelope import Media, Received, utc_us
from adapter.hl7v2.header import read_header
from adapter.pipeline.keeping import REFUSED
from adapter.sources.intake import Framed, Unaccepted
from adapter.store.inbox import Inbox, InboxRow
from adapter.store.sealing import KeyRing


def content_blind(ring: KeyRing, feed: str, body: bytes) -> bytes:
    """How a body is known again."""
    return ring.blind("content", feed, body)


_KIND = re.compile(rb"[A-Z]{3}\^[A-Z][0-9A-Z]{2}")
OTHER = "other"


class Sealer:
    """Makes received messages ready for the inbox, without one."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def row(self, received: Received) -> InboxRow:
        """As it will stand there."""
        kind, control = self._kind_and_control(received)
        content = content_blind(self._ring, received.feed, received.body)
        key_id = self._ring.day_key(received.received_at.date())
        return InboxRow(
            received.feed,
            received.media.value,
            kind,
            utc_us(received.received_at),
            content if control is None else control,
            content,
            key_id,
            self._sealed(key_id, received),
        )

    def _sealed(self, key_id: bytes, received: Received) -> bytes:
        if not isinstance(received, Unaccepted):
            return self._ring.seal(key_id, received.body, sealed.MESSAGE)
        problem = received.problem
        is_cut = received.length != len(received.body)
        note = Note(
            [(problem.code.value, problem.text, problem.at)], received.length if is_cut else None, received.sha256
        )
        return self._ring.seal(key_id, encode_note(Refusal(note, received.body)), sealed.REFUSED)

    def _kind_and_control(self, received: Received) -> tuple[str, bytes | None]:
        """Without a control id a message is known by its content alone."""
        if isinstance(received, Unaccepted):
            return REFUSED + received.problem.code.value, None
        if received.media is Media.FHIR:
            return Media.FHIR.value, None
        header = received.header if isinstance(received, Framed) else read_header(received.body)
        if header is None:
            return OTHER, None
        kind = header.type.decode("ascii", "replace") if _KIND.fullmatch(header.type) else OTHER
        if not header.control_id:
            return kind, None
        sender = (header.sending_application, header.sending_facility, header.control_id)
        return kind, self._ring.blind("control", received.feed, *sender)


class Reception:
    """Makes received messages ready, in any thread, and appends batches of them durably, in one thread at a time."""

    def __init__(self, inbox: Inbox, ring: KeyRing) -> None:
        self._inbox = inbox
        self._ring = ring
        self.row = Sealer(ring).row

    def append(self, batch: Sequence[Received]) -> None:
        """One durable transaction; StoreError if the disk refuses, and then nothing of it is stored."""
        self.store([self.row(each) for each in batch])

    def is_quick(self, received: Received) -> bool:
        """Whether `row` needs no file now: the first message of a day makes that day's key."""
        return self._ring.has_at_hand(received.received_at.date())

    def store(self, rows: Sequence[InboxRow]) -> None:
        """The same of what is ready."""
        self._inbox.append(rows)

    def blind_of_file(self, name_digest: bytes, content_digest: bytes) -> bytes:
        """How a taken file is remembered: a file name may hold a patient's number."""
        return self._ring.blind("file", name_digest, content_digest)
