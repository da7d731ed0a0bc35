"""Moments of the simulated hospital, kept clear of the hour that its clocks show twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


def clear(moment: datetime) -> datetime:
    """The moment, or two hours on where a London clock shows its time twice: there the wire cannot tell the truth."""
    local = moment.astimezone(LONDON)
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return moment + timedelta(hours=2) if is_twice else moment


def after(moment: datetime, *, days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
    """So much later, to the full minute: clinical times are written down to the minute."""
    later = moment + timedelta(days=days, hours=hours, minutes=minutes)
    return clear(later.astimezone(UTC).replace(second=0, microsecond=0))


class Clocks:
    """Gives every clock of the hospital once, to the second, never back."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def next(self, planned: datetime) -> datetime:
        """The planned time, or the first free second after it."""
        free = planned if self._last is None else max(planned, self._last + timedelta(seconds=1))
        self._last = clear(free)
        return self._last
