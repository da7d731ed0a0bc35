"""What happens to a patient, as values: the one source of both the truth and the messages."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from adapter.simulator.births import Birth, Measurements
from adapter.simulator.examinations import Examination
from adapter.simulator.operative_records import OperativeRecord
from adapter.simulator.people import Person
from adapter.simulator.prescriptions import Prescription
from adapter.simulator.wards import RXX01, Site, Ward

Verification = Literal["confirmed", "provisional", "refuted"]
Channel = Literal["v2", "fhir", "both"]
"""How the hospital tells of a patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One ward from a time on."""

    ward: Ward
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """An ICD-10 code in its dotted form; `P77` has no fourth character."""

    code: str
    words: str
    made_at: datetime
    """Clinical time."""
    coded_at: datetime
    """When it enters the visit's list."""
    struck_at: datetime | None = None
    """When a coder takes it off the list."""
    snomed: str = ""
    """The concept on the problem list, where the EPR has one; it stands beside the ICD-10 code."""
    verification: Verification = "confirmed"
    """Only FHIR can say it; on v2 a diagnosis that is not confirmed is a working one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An OPCS-4 code in its dotted form. Codes of one visit to theatre have the same `at`."""

    code: str
    words: str
    at: datetime
    """Knife to skin."""
    coded_at: datetime
    ended_at: datetime | None = None
    index_for: tuple[str, ...] = ()
    """Conditions of the register whose first definitive operation it is (ruling R17)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneDischarge:
    """A discharge that was entered and taken back."""

    at: datetime
    undone_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One spell. `stays` begins with the admission."""

    number: str
    stays: tuple[Stay, ...]
    discharged_at: datetime
    diagnoses: tuple[Diagnosis, ...] = ()
    operations: tuple[Operation, ...] = ()
    undone: UndoneDischarge | None = None
    cancelled_at: datetime | None = None
    """Admitted by mistake: nothing of it happened."""
    is_registered_first: bool = False
    """Opened by registration (A04), not by admission (A01)."""
    admission_method: str = "82"
    """NHS Data Dictionary; 82 is a birth in this hospital, 81 a transfer, 11 to 13 elective, 28 an emergency."""
    source: str = "79"
    """Source of admission; 79 is a baby born in hospital, 51 and 52 another hospital, 19 home."""
    discharge_method: str = "1"
    """1 on advice, 4 died."""
    destination: str = "19"
    """Discharge destination; 19 home, 51 and 52 another hospital, 79 died."""

    @property
    def admitted_at(self) -> datetime:
        """When the spell began."""
        return self.stays[0].since

    def ward_at(self, moment: datetime) -> Ward:
        """Where the patient is, or was last."""
        return [stay.ward for stay in self.stays if stay.since <= moment or stay is self.stays[0]][-1]

    def diagnoses_at(self, moment: datetime) -> tuple[Diagnosis, ...]:
        """The list as it stands."""
        return tuple(
            diagnosis
            for diagnosis in self.diagnoses
            if diagnosis.coded_at <= moment and (diagnosis.struck_at is None or moment < diagnosis.struck_at)
        )

    def operations_at(self, moment: datetime) -> tuple[Operation, ...]:
        """The list as it stands."""
        return tuple(operation for operation in self.operations if operation.coded_at <= moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabTest:
    """One test of the laboratory's catalogue."""

    code: str
    words: str
    unit: str
    """As the laboratory writes it."""
    decimals: int
    analyte: str | None
    """What it measures, in the words of the register; None: not one the register asks for."""
    unit_ucum: str | None = None
    factor: int | Decimal = 1
    """Value in `unit_ucum` = value in `unit` × factor."""
    reference: str = ""
    loinc: str = ""
    """For systems that send LOINC."""
    system: str = ""
    """The laboratory whose code it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One measured value, as the laboratory writes it."""

    test: LabTest
    number: str
    comparator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One panel on one sample."""

    number: str
    panel: str
    panel_words: str
    specimen: str
    """The register's word: venous, capillary, arterial, serum, plasma, blood, urine, cord, csf, …"""
    collected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a report says about one order."""

    order: Order
    status: str
    """OBX-11: P, F or C."""
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the laboratory sends at one time."""

    at: datetime
    orders: tuple[OrderReport, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All of one patient."""

    person: Person
    visits: tuple[Visit, ...]
    reports: tuple[Report, ...]
    """In order of time."""
    confirmed: tuple[str, ...] = ()
    """Conditions of the register that the child truly has, with the proof that the register wants."""
    looks_like: str = ""
    """For a look-alike: what could be mistaken, and why it must not be."""
    expected: tuple[tuple[str, str], ...] = ()
    """Condition and state for all that leaves a trace and must not leave; `confirmed` is then held for a person."""
    channel: Channel = "v2"
    site: Site = RXX01
    """Where the patient is; it decides wards, dialect and laboratory."""
    birth: Birth | None = None
    measurements: tuple[Measurements, ...] = ()
    examinations: tuple[Examination, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    records: tuple[OperativeRecord, ...] = ()
    """None of a child that is told by v2 alone: HL7 v2 has no message for them."""
