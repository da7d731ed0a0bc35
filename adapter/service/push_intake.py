"""Puts on disk what a FHIR server told of changes, in the receive process: which resources, and what is missing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import Received, utc_us
from adapter.service.push_standing import SEALED_FOR, missing_of, missing_text
from adapter.sources.fhir_notification import Kind, Notification
from adapter.sources.fhir_push import Notified
from adapter.sources.push_numbers import Numbers, after, begins_anew
from adapter.store import pushes
from adapter.store.database import Connection, Database
from adapter.store.sealing import KeyRing


def types_of(settings: TrustSettings) -> dict[str, frozenset[str]]:
    """By source, the types that are asked for."""
    sources = [source for source in settings.sources if isinstance(source, FhirSearchSource)]
    return {each.name: frozenset(config.rules_of(each, settings.fhir_search).types or ()) for each in sources}


class PushIntake:
    """Where the writer of notifications puts them; one transaction for all that wait."""

    def __init__(self, database: Database, ring: KeyRing, *, types: Mapping[str, frozenset[str]]) -> None:
        """`types`: by source, those that are asked for; of others nothing is kept."""
        self._database = database
        self._ring = ring
        self._types = types

    def append(self, batch: Sequence[Received]) -> None:
        """StoreError if the disk refuses, and then nothing of it is stored."""
        with self._database.write() as conn:
            for received in batch:
                assert isinstance(received, Notified)
                self._note(conn, received)

    def _note(self, conn: Connection, received: Notified) -> None:
        told, source, heard_us = received.notification, received.feed, utc_us(received.received_at)
        before = pushes.standing(conn, source, received.subscription)
        numbers = Numbers(before.highest, missing_of(before.missing))
        noted = after(numbers, told)
        missing_us = (before.missing_us or heard_us) if noted.missing else None
        pushes.heard(
            conn,
            before._replace(
                heard_us=heard_us,
                server_id=told.server_id or before.server_id,
                state=told.state or before.state,
                highest=noted.highest,
                missing=missing_text(noted.missing),
                missing_us=missing_us,
            ),
        )
        self._hint(conn, source, told, received.received_at)
        if begins_anew(numbers, told):
            pushes.hint_all(conn, source, heard_us=heard_us)

    def _hint(self, conn: Connection, source: str, told: Notification, at: datetime) -> None:
        match told.kind:
            case Kind.HEARTBEAT | Kind.HANDSHAKE:
                return
            case Kind.HINT | Kind.EVENT:
                pass
            case _:
                assert_never(told.kind)
        if not told.references:
            pushes.hint_all(conn, source, heard_us=utc_us(at))
            return
        key_id = self._ring.day_key(at.date())
        asked = sorted(each for each in told.references if each.resource_type in self._types[source])
        names = [f"{each.resource_type}/{each.id}".encode() for each in asked]
        hints = [(self._ring.blind("pushed", source, name), key_id, self._sealed(key_id, name)) for name in names]
        pushes.hint(conn, source, hints, heard_us=utc_us(at))

    def _sealed(self, key_id: bytes, name: bytes) -> bytes:
        return self._ring.seal(key_id, name, SEALED_FOR)
