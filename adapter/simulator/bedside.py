"""A child's course, written down as it happens: stays, operations, samples, films, bags and measurements.

The writers of courses call it in the order of time; nothing here knows how anything is encoded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from adapter.simulator.bench import Bench
from adapter.simulator.births import Birth, Measured, Measurements
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import (
    Course,
    Diagnosis,
    Operation,
    Report,
    Stay,
    Verification,
    Visit,
)
from adapter.simulator.examinations import Examination
from adapter.simulator.moments import after
from adapter.simulator.operative_records import Answer, OperativeRecord
from adapter.simulator.people import Person
from adapter.simulator.pharmacy import Pharmacy
from adapter.simulator.physiology import Illness, Physiology
from adapter.simulator.prescriptions import Prescription, cut_off
from adapter.simulator.reading_room import Request, examined
from adapter.simulator.stay_book import StayBook
from adapter.simulator.wards import Ward

Title = tuple[str, str]
"""A code and its words."""


class Bedside:
    """Collects one child's course."""

    def __init__(self, clinic: Clinic, person: Person, birth: Birth | None) -> None:
        self.clinic = clinic
        self.person = person
        self.birth = birth
        self.pharmacy = Pharmacy(book=clinic.book, rng=clinic.rng, site=clinic.site)
        self.physiology = Physiology(born=person.born)
        self.is_coded_late = False
        self._stay: StayBook | None = None
        self._visits: list[Visit] = []
        self._samples: list[tuple[datetime, tuple[str, ...], str]] = []
        self._examinations: list[Examination] = []
        self._prescriptions: list[Prescription] = []
        self._measurements: list[Measurements] = []
        self._records: list[OperativeRecord] = []
        self._weight_g = float(birth.weight_g) if birth else 4000.0

    # Where the child is

    @property
    def stay(self) -> StayBook:
        """The stay that goes on."""
        if self._stay is None:
            raise ValueError("the child is not in hospital")
        return self._stay

    def admit(self, at: datetime, ward: Ward, *, method: str = "82", source: str = "79") -> None:
        """Begin a stay."""
        self._stay = StayBook(
            number=self.clinic.book.visit_number(),
            stays=[Stay(ward=ward, since=at)],
            admission_method=method,
            source=source,
            is_registered_first=self.clinic.chance(0.25),
        )
        if self.birth is not None and not self._measurements:
            self._measurements.append(self._birth_facts(self.birth, entered_at=after(at, minutes=50)))

    def move(self, ward: Ward, at: datetime) -> None:
        """To another ward."""
        self.stay.move(ward, at)

    def discharge(self, at: datetime, *, destination: str = "19") -> None:
        """Home, or to another hospital (51, 52)."""
        self._close(at, method="1", destination=destination)

    def die(self, at: datetime) -> None:
        """The stay ends with it."""
        self._close(at, method="4", destination="79")
        self.person = replace(self.person, died_at=self._visits[-1].discharged_at)

    def _close(self, at: datetime, *, method: str, destination: str) -> None:
        coded_at = self.clinic.between(at, 4, 21)
        closed = self.stay.closed(
            at, coded_at=coded_at, is_late=self.is_coded_late, discharge_method=method, destination=destination
        )
        self._visits.append(closed)
        self._stay = None
        self._nothing_after(closed.discharged_at)

    def _nothing_after(self, end: datetime) -> None:
        """What was planned beyond the end of the stay is not done."""
        self._samples = [each for each in self._samples if each[0] < end]
        self._examinations = [each for each in self._examinations if each.performed_at < end]
        self._measurements = [each for each in self._measurements if each.entered_at < end]
        cut = [cut_off(each, end) for each in self._prescriptions if each.begins_at < end]
        self._prescriptions = cut

    # What is found and done

    def diagnose(
        self, title: Title, made_at: datetime, *, snomed: str = "", verification: Verification = "confirmed"
    ) -> None:  # fmt: skip
        """Entered on the ward within a day."""
        diagnosis = Diagnosis(
            code=title[0],
            words=title[1],
            made_at=made_at,
            coded_at=self.clinic.hours_after(made_at, 2, 20),
            snomed=snomed,
            verification=verification,
        )
        self.stay.diagnoses.append(diagnosis)

    def coded(self, *titles: Title, made_at: datetime | None = None) -> None:
        """What only the coders write down."""
        since = made_at or self.stay.stays[0].since
        self.stay.final_diagnoses += [
            Diagnosis(code=code, words=words, made_at=since, coded_at=since) for code, words in titles
        ]

    def operate(
        self, at: datetime, *titles: Title, hours: float = 1.5, index_for: tuple[str, ...] = (), in_theatre: bool = True
    ) -> None:
        """One visit to theatre, or at the cot; the first code is the operation that an index is given to."""
        coded_at = self.clinic.hours_after(after(at, hours=hours), 2, 8)
        ended_at = after(at, hours=hours)
        if in_theatre:
            ward = self.stay.ward
            self.move(self.clinic.site.theatre, after(at, minutes=-35))
            self.move(ward, after(ended_at, minutes=25))
        for place, (code, words) in enumerate(titles):
            operation = Operation(
                code=code,
                words=words,
                at=at,
                ended_at=ended_at,
                coded_at=coded_at,
                index_for=index_for if place == 0 else (),
            )
            self.stay.operations.append(operation)

    def record(self, condition: str, operated_at: datetime, answers: Mapping[str, Answer]) -> None:
        """The structured operative record; on v2 there is none."""
        if self.clinic.channel == "v2":
            return
        self._records.append(
            OperativeRecord(
                number=self.clinic.book.record_number(),
                visit=self.stay.number,
                condition=condition,
                operated_at=operated_at,
                recorded_at=self.clinic.hours_after(operated_at, 3, 30),
                status="amended" if self.clinic.chance(0.15) else "completed",
                answers=answers,
            )
        )

    # Samples, films, drugs, growth

    def ill(self, since: datetime, until: datetime, *, severity: float = 1.0) -> None:
        """Results are then those of an ill child."""
        illness = Illness(since=since, until=until, severity=severity)
        self.physiology = replace(self.physiology, illnesses=(*self.physiology.illnesses, illness))

    def sample(self, at: datetime, *panels: str, drawn: str = "venous") -> None:
        """One sample."""
        self._samples.append((at, panels, drawn))

    def bloods(self, begins: datetime, ends: datetime, *, every_days: float) -> None:
        """The routine of a ward."""
        at, count = self.clinic.hours_after(begins, 1, 10), 0
        while at < ends:
            more = ("LFT", "BONE") if count % 3 == 2 else ("LFT",) if count % 3 == 1 and every_days > 2 else ()
            self.sample(at, "FBC", "CRP", "UE", *more)
            at, count = after(at, days=every_days * self.clinic.rng.uniform(0.85, 1.15)), count + 1

    def gases(self, begins: datetime, ends: datetime, *, every_hours: float, drawn: str = "capillary") -> None:
        """As often as somebody who is ventilated needs."""
        at = self.clinic.hours_after(begins, 0.5, 3)
        while at < ends:
            self.sample(at, "GAS", drawn=drawn)
            at = after(at, hours=every_hours * self.clinic.rng.uniform(0.8, 1.2))

    def image(self, study: str, at: datetime, indication: str, **wanted: object) -> None:
        """One examination; `wanted` are the fields of a request."""
        request = Request(study=study, performed_at=at, indication=indication, **wanted)  # type: ignore[arg-type]
        # Nothing is asked for before the child has come.
        since_admission = (at - self.stay.stays[0].since) - timedelta(minutes=3)
        waits = min(timedelta(minutes=self.clinic.rng.uniform(15, 170)), since_admission)
        self._examinations.append(examined(self.clinic, replace(request, waits=request.waits or waits)))

    def prescribe(self, *prescriptions: Prescription) -> None:
        """Drugs and nutrition."""
        self._prescriptions += prescriptions

    def nutrition(self, begins: datetime, ends: datetime) -> None:
        """Parenteral, with the triglycerides that go with it."""
        self.prescribe(*self.pharmacy.nutrition(begins, ends))
        self.physiology = replace(self.physiology, nutrition_since=begins, nutrition_until=ends)
        at = after(begins, days=4)
        while at < ends:
            self.sample(at, "TRIG")
            at = after(at, days=7)

    def grow(self, begins: datetime, ends: datetime, *, every_days: float = 7) -> None:
        """Weighed each week, measured every other."""
        at, count = self.clinic.between(begins, every_days * 0.8, every_days), 0
        while at < ends:
            self._weight_g += every_days * self.clinic.rng.uniform(12, 28)
            values = [Measured(measure="body_weight", value=Decimal(f"{self._weight_g / 1000:.2f}"))]
            if count % 2 == 1:
                head = 24 + self._weight_g**0.5 / 6.2
                values += [
                    Measured(measure="body_length", value=Decimal(f"{head * 1.41:.1f}")),
                    Measured(measure="head_circumference", value=Decimal(f"{head:.1f}")),
                ]
            self._measurements.append(self._measured(at, values, entered_at=after(at, minutes=20)))
            at, count = after(at, days=every_days), count + 1

    def _birth_facts(self, birth: Birth, *, entered_at: datetime) -> Measurements:
        facts = [
            Measured(measure="birth_weight", value=Decimal(birth.weight_g)),
            Measured(measure="gestational_age_birth", value=Decimal(birth.gestation_days)),
            Measured(measure="apgar_1min", value=Decimal(birth.apgar_1)),
            Measured(measure="apgar_5min", value=Decimal(birth.apgar_5)),
        ]
        return self._measured(self.person.born, facts, entered_at=entered_at)

    def _measured(self, at: datetime, values: Sequence[Measured], *, entered_at: datetime) -> Measurements:
        number = self.clinic.book.record_number()
        return Measurements(number=number, at=at, entered_at=entered_at, values=tuple(values))

    # The whole

    def course(
        self, *confirmed: str, looks_like: str = "", expected: tuple[tuple[str, str], ...] = ()
    ) -> Course:  # fmt: skip
        """Everything, each list in the order of time."""
        return Course(
            person=self.person,
            visits=tuple(self._visits),
            reports=self._reports(),
            confirmed=confirmed,
            looks_like=looks_like,
            expected=expected,
            channel=self.clinic.channel,
            site=self.clinic.site,
            birth=self.birth,
            measurements=tuple(self._measurements),
            examinations=tuple(sorted(self._examinations, key=lambda each: each.performed_at)),
            prescriptions=tuple(sorted(self._prescriptions, key=lambda each: each.begins_at)),
            records=tuple(self._records),
        )

    def _reports(self) -> tuple[Report, ...]:
        bench = Bench(
            book=self.clinic.book, rng=self.clinic.rng, site=self.clinic.site, physiology=self.physiology
        )  # fmt: skip
        reports = [
            report for at, panels, drawn in self._samples for report in bench.sample(at, panels=panels, drawn=drawn)
        ]
        return tuple(sorted(reports, key=lambda report: report.at))
