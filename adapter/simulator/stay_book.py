"""One stay in hospital, written down as it goes and closed when it is over."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapter.simulator.course import Diagnosis, Operation, Stay, Visit
from adapter.simulator.moments import after
from adapter.simulator.wards import Ward

_OVERTAKEN = timedelta(hours=3)


@dataclass(kw_only=True)
class StayBook:
    """A visit that is being written. Diagnoses and operations get the time of their coding when it is closed."""

    number: str
    stays: list[Stay]
    admission_method: str = "82"
    source: str = "79"
    is_registered_first: bool = False
    diagnoses: list[Diagnosis] = field(default_factory=list)
    final_diagnoses: list[Diagnosis] = field(default_factory=list)
    """Known to the coders only."""
    operations: list[Operation] = field(default_factory=list)

    @property
    def ward(self) -> Ward:
        """Where the child is."""
        return self.stays[-1].ward

    def move(self, ward: Ward, at: datetime) -> None:
        """To another ward; a move to the same ward is none."""
        if ward is not self.ward:
            self.stays.append(Stay(ward=ward, since=self._following(at)))

    def _following(self, at: datetime) -> datetime:
        """After the last move; in the night that has an hour twice, moments moved out of it may overtake others."""
        last = self.stays[-1].since
        if last - at > _OVERTAKEN:
            raise ValueError("a course is written in the order of time")
        return max(at, after(last, minutes=5))

    def closed(
        self, at: datetime, *, coded_at: datetime, is_late: bool, discharge_method: str = "1", destination: str = "19"
    ) -> Visit:
        """The whole stay. Coded late, nothing is on its lists before the coders have read the notes."""
        diagnoses = [*self.diagnoses, *(replace(each, coded_at=coded_at) for each in self.final_diagnoses)]
        operations = list(self.operations)
        if is_late:
            diagnoses = [replace(each, coded_at=coded_at) for each in diagnoses]
            operations = [replace(each, coded_at=coded_at) for each in operations]
        return Visit(
            number=self.number,
            stays=tuple(self.stays),
            discharged_at=self._following(at),
            diagnoses=tuple(replace(each, coded_at=self._after_opening(each.coded_at)) for each in diagnoses),
            operations=tuple(operations),
            is_registered_first=self.is_registered_first,
            admission_method=self.admission_method,
            source=self.source,
            discharge_method=discharge_method,
            destination=destination,
        )

    def _after_opening(self, moment: datetime) -> datetime:
        return max(moment, after(self.stays[0].since, hours=1))
