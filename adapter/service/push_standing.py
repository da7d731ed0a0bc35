"""How the Subscriptions of a FHIR source stand, and what of that needs a person."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from adapter.config.fhir_push import Criterion, Subscriptions
from adapter.envelope import utc_us
from adapter.store import pushes
from adapter.store.database import Connection
from adapter.store.pushes import Standing

SEALED_FOR = b"pushed reference"
"""The purpose a hint is sealed for."""
STANDS = "active"

_RANGES = msgspec.json.Decoder(tuple[tuple[int, int], ...])


class Alarm(StrEnum):
    """Why a Subscription cannot be relied on."""

    GAP = "gap"
    """Events were counted that it never told of."""
    SILENT = "silent"
    """No heartbeat in time."""
    ERROR = "error"
    OFF = "off"
    GONE = "gone"
    """The server knows it no more."""


def missing_of(text: str) -> tuple[tuple[int, int], ...]:
    """The ranges that stand in the store."""
    return _RANGES.decode(text) if text else ()


def missing_text(ranges: tuple[tuple[int, int], ...]) -> str:
    """And back."""
    return msgspec.json.encode(ranges).decode() if ranges else ""


def alarm_of(
    row: Standing, said: Criterion, *, heartbeat: timedelta | None, since: datetime, now: datetime
) -> Alarm | None:
    """What is wrong with it now, but for gaps. `since`: from when on its silence counts."""
    if row.state in ("error", "entered-in-error"):
        return Alarm.ERROR
    if row.state in ("off", "gone"):
        return Alarm(row.state)
    heard_us = max(row.heard_us or 0, utc_us(since))
    if heartbeat is not None and said.is_topic and utc_us(now) - heard_us > heartbeat / timedelta(microseconds=1):
        return Alarm.SILENT
    return None


def is_relied_on(row: Standing, said: Criterion, settings: Subscriptions) -> bool:
    """Whether its failing would be noticed: by its heartbeat, or by a look at its state."""
    if row.alarm:
        return False
    is_heard = said.is_topic and settings.heartbeat is not None and row.heard_us is not None
    is_looked_at = settings.look_every is not None and row.looked_us is not None and row.state == STANDS
    return is_heard or is_looked_at


def status_of(
    conn: Connection, source: str, settings: Subscriptions | None, *, now: datetime
) -> Mapping[str, Any] | None:
    """For `status`: no patient data. None where the source has no Subscriptions."""
    if settings is None:
        return None
    known = pushes.standings(conn, source)
    found: dict[str, Any] = {"waiting": pushes.waiting(conn, source)}
    for said in settings.criteria:
        row = known.get(said.name) or pushes.unheard(source, said.name)
        found[said.name] = {
            "heard_s": None if row.heard_us is None else max(0, (utc_us(now) - row.heard_us) // 1_000_000),
            "state": row.state,
            "event": row.highest,
            "missing": sum(last - first + 1 for first, last in missing_of(row.missing)),
            "alarm": row.alarm,
        }
    return found


def alarms_of(source: str, status: Mapping[str, Any] | None) -> list[str]:
    """A line for each that cannot be relied on."""
    return [
        f"{source}: the Subscription {name} is in alarm: {each['alarm']}"
        for name, each in (status or {}).items()
        if isinstance(each, dict) and each["alarm"]
    ]
