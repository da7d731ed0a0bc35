"""Builders of rows, with something invented in every column a test does not care for."""

import os

from adapter.store import persons, registry
from adapter.store.assertions import AssertionRow, new_id
from adapter.store.database import Connection
from adapter.store.inbox import InboxRow
from adapter.store.messages import MessageRow
from adapter.store.registry import IdentifierRow
from adapter.store.rows import CsorRow
from adapter.store.states import AssertionKind, IdentifierState, MessageState


def sixteen(text: str) -> bytes:
    """16 bytes that a reader of a failing test recognises."""
    return text.encode().ljust(16, b".")[:16]


def an_inbox_row(name: str = "one", *, key_id: bytes = b"k" * 16, received_us: int = 1000) -> InboxRow:
    return InboxRow(
        feed="pas",
        media="hl7v2",
        kind="ADT^A01",
        received_us=received_us,
        control=sixteen("control " + name),
        content=sixteen("content " + name),
        key_id=key_id,
        sealed=b"sealed " + name.encode(),
    )


def a_message(
    number: int,
    *,
    state: MessageState = MessageState.PROCESSED,
    subject: bytes | None = None,
    key_id: bytes = b"k" * 16,
    control: bytes | None = None,
    expires_us: int | None = None,
) -> MessageRow:
    return MessageRow(
        id=number,
        feed="pas",
        media="hl7v2",
        kind="ORU^R01",
        received_us=1000 + number,
        state=state,
        reason="P005" if state is MessageState.PARKED else "",
        size=500,
        control=control or sixteen(f"control {number}"),
        content=sixteen(f"content {number}"),
        stampless=sixteen(f"stampless {number}"),
        subject=subject,
        attempts=0,
        expires_us=expires_us,
        key_id=key_id,
        sealed=b"body %d" % number,
    )


def an_identifier(conn: Connection, name: str = "one", *, person_id: int | None = None) -> IdentifierRow:
    if person_id is None:
        person_id = persons.create(conn).id
    return registry.create(
        conn, blind=sixteen(name), person_id=person_id, state=IdentifierState.HELD, key_id=sixteen("key " + name)
    )


def an_assertion(
    identifier_id: int,
    message_id: int,
    *,
    ordinal: int = 0,
    stampless: bytes | None = None,
    clock_us: int = 5000,
    kind: AssertionKind = AssertionKind.ADT,
) -> AssertionRow:
    return AssertionRow(
        id=new_id(message_id, ordinal),
        identifier_id=identifier_id,
        kind=kind,
        clock_us=clock_us,
        stampless=stampless or os.urandom(16),
        key_id=b"k" * 16,
        sealed=b"assertion %d" % message_id,
    )


def a_row(
    name: str, person_id: int, *, version: int = 1, sent_version: int = 0, kind: str = "lab_result", changed_us: int = 1
) -> CsorRow:
    return CsorRow(
        record_id=sixteen(name),
        person_id=person_id,
        kind=kind,
        version=version,
        sent_version=sent_version,
        deleted=0,
        digest=sixteen(f"digest {version}"),
        first_seen_us=changed_us,
        changed_us=changed_us,
        key_id=b"k" * 16,
        sealed=b"fields %d" % version,
    )
