"""For how long the certificates between us and a FHIR server are good: ours from its file, theirs as last seen.

In `status` and `doctor` so many days before the end (`expiry_warn_days`, behaviour 9): what has ended connects nobody.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from adapter.config import FhirSearchSource
from adapter.errors import SetupError
from adapter.sources.tls import days_left
from adapter.store import cursors
from adapter.store.database import Connection, Database

_CURSOR = "certificate."


class Days(NamedTuple):
    """Whole days left; negative where it has ended, None where there is none or none was seen."""

    ours: int | None
    theirs: int | None


class Seen:
    """Writes down when a server's certificate ends, whenever it shows another one."""

    def __init__(self, database: Database, *, source: str) -> None:
        self._database = database
        self._source = source
        self._written: datetime | None = None

    def __call__(self, ends: datetime) -> None:
        """See adapter.sources.peer_certificate.Tell."""
        if ends == self._written:
            return
        with self._database.write() as conn:
            cursors.set(conn, _CURSOR + self._source, ends.isoformat())
        self._written = ends


def days_of(conn: Connection, source: FhirSearchSource, *, now: datetime) -> Days:
    """Ours as the file has it now, the server's as it was last seen."""
    ends = cursors.get(conn, _CURSOR + source.name)
    theirs = (datetime.fromisoformat(ends) - now.astimezone(UTC)).days if ends else None
    return Days(own_days(source, now=now), theirs)


def own_days(source: FhirSearchSource, *, now: datetime) -> int | None:
    """None where we show none, or its file cannot be read, which the source's trouble tells."""
    try:
        return days_left(source.certificate, now=now) if source.certificate else None
    except SetupError:
        return None


def warning_of(source: FhirSearchSource, days: Days) -> str:
    """What to do about them in words; empty while there is time."""
    said = [_said(days.ours, f"our certificate {source.certificate}"), _said(days.theirs, "the server's certificate")]
    parts = [text for text, left in zip(said, days, strict=True) if left is not None and left < source.expiry_warn_days]
    return "; ".join(parts)


def _said(left: int | None, what: str) -> str:
    if left is None:
        return ""
    return f"{what} has ended" if left < 0 else f"{what} ends in {left} days"


def alarms_of(conn: Connection, sources: Iterable[FhirSearchSource], *, now: datetime) -> list[str]:
    """One line for each source whose connection will end soon unless somebody acts."""
    found = [(source.name, warning_of(source, days_of(conn, source, now=now))) for source in sources]
    return [f"{name}: {text}: renew it in time" for name, text in found if text]
