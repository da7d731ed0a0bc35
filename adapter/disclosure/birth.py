"""Minutes and days from birth: the only form in which a time may leave (R21)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

_MINUTE = timedelta(minutes=1)


class Minutes(StrEnum):
    """By which clock minutes from birth are counted; each batch says by which its own are."""

    UTC = "utc"
    """True intervals (CSOR_DOMAIN 6.5). What a ward does at fixed hours shows when the clocks were changed."""
    WALL_CLOCK = "wall-clock"
    """An hour more or less across a change of the clock, which then does not show (docs/payload-attack.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Birth:
    """When the child was born, as precisely as known."""

    timezone: tzinfo
    """The trust's: it decides on which calendar day an instant falls."""
    instant: datetime | None = None
    """Aware; None where only the day is known."""
    day: date | None = None
    month: str | None = None
    """`2026-01`."""
    minutes: Minutes = Minutes.UTC

    @classmethod
    def read(cls, text: str | None, *, timezone: tzinfo, minutes: Minutes = Minutes.UTC) -> "Birth":
        """From a FHIR date or dateTime, as partial as it is."""
        instant, day = _instant(text), _day(text, timezone=timezone)
        has_month = day is not None or (text is not None and _is_month(text))
        month = day.isoformat()[:7] if day else text if has_month else None
        return cls(timezone=timezone, instant=instant, day=day, month=month, minutes=minutes)

    def minutes_to(self, event: str) -> int | None:
        """Whole minutes: by UTC, where a change of the clock counts for nothing, or by the clock on the wall."""
        moment = _instant(event) if self.instant is not None else None
        if moment is None or self.instant is None:
            return None
        if self.minutes is Minutes.WALL_CLOCK:
            return (self._on_the_wall(moment) - self._on_the_wall(self.instant)) // _MINUTE
        return (moment - self.instant) // _MINUTE

    def _on_the_wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.timezone).replace(tzinfo=None)

    def days_to(self, event: str) -> int | None:
        """Calendar days, for where birth or event is known only to the day."""
        day = _day(event, timezone=self.timezone)
        return None if day is None or self.day is None else (day - self.day).days

    def __repr__(self) -> str:
        return "Birth(···)"


def _instant(text: str | None) -> datetime | None:
    """None for a date, and for a time without an offset: it cannot be placed in UTC."""
    if text is None or "T" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _day(text: str | None, *, timezone: tzinfo) -> date | None:
    moment = _instant(text)
    if moment is not None:
        return moment.astimezone(timezone).date()
    try:
        return date.fromisoformat(text) if text and len(text) == len("2026-01-03") else None
    except ValueError:
        return None


def _is_month(text: str) -> bool:
    try:
        return len(text) == len("2026-01") and bool(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return False
