"""What everybody who writes courses shares: the numbers, the chance, the site and the channel of a patient."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from adapter.simulator.course import Channel
from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook
from adapter.simulator.people import Person
from adapter.simulator.wards import RXX01, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """Gives numbers and chance."""

    book: NumberBook
    rng: Random
    site: Site = RXX01
    channel: Channel = "v2"
    twin_of: Person | None = None
    """The next newborn is the second twin of this one."""

    def between(self, moment: datetime, least_days: float, most_days: float) -> datetime:
        """Some time so many days later."""
        return after(moment, days=self.rng.uniform(least_days, most_days))

    def hours_after(self, moment: datetime, least: float, most: float) -> datetime:
        """Some time so many hours later."""
        return after(moment, hours=self.rng.uniform(least, most))

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.rng.random() < share
