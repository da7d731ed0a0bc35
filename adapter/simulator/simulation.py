"""What the simulated hospital hands out: its messages, its truth, and who must make no row."""

from dataclasses import dataclass
from datetime import datetime

from adapter.simulator.course import Course
from adapter.simulator.examinations import ImagingCode
from adapter.simulator.laboratory import LabCode
from adapter.simulator.prescriptions import Drug
from adapter.simulator.truth_row import TruthRow
from adapter.simulator.wards import Site, Ward


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """One message as it leaves the hospital."""

    at: datetime
    """MSH-7."""
    control_id: str
    raw: bytes
    """Segments ended by CR, in UTF-8; no MLLP frame."""
    subject: str
    """The hospital number it is sent under."""
    event: str
    """`A01` … `R01`."""
    feed: str = "adt"
    """Which of the trust's feeds it comes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """Somebody who must make no row."""

    hospital_number: str
    why: str
    expected: tuple[tuple[str, str], ...] = ()
    """Conditions and the states they must reach inside the trust; nothing else, and nothing leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A hospital over some months."""

    messages: tuple[SentMessage, ...]
    """In order of arrival: that of sending, but for a few that came late."""
    truth: tuple[TruthRow, ...]
    """Every row that the register should have in the end, and no other."""
    lookalikes: tuple[Lookalike, ...]
    wards: tuple[Ward, ...]
    lab_codes: tuple[LabCode, ...]
    courses: tuple[Course, ...] = ()
    """Every patient, for whoever tells of them otherwise than by v2."""
    imaging_codes: tuple[ImagingCode, ...] = ()
    drugs: tuple[Drug, ...] = ()
    sites: tuple[Site, ...] = ()
