"""Imaging as values: what was asked for, what was done, what was reported, and the signs that were truly reported."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Sign = Literal[
    "pneumatosis", "portal_venous_gas", "pneumoperitoneum", "fixed_loop", "gasless", "dilated_loops", "free_fluid",
    "transition_zone", "leak", "stricture", "keyhole_bladder", "vesicoureteric_reflux", "coiled_tube",
    "bowel_in_chest", "dilated_posterior_urethra",
]  # fmt: skip
"""The register's words."""
ReadingStatus = Literal["preliminary", "final", "corrected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingCode:
    """One line of a radiology department's list of examinations."""

    code: str
    words: str
    system: str
    study: str
    """The register's word, such as `abdominal_xray`; `other` where the register has none."""
    modality: str
    """DICOM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A report as it stood from a time on. A later one replaces it."""

    at: datetime
    """When it was issued."""
    status: ReadingStatus
    lines: tuple[str, ...]
    """The text. The text of the report is these lines, each ended by a new line."""
    present: tuple[Sign, ...] = ()
    absent: tuple[Sign, ...] = ()
    uncertain: tuple[Sign, ...] = ()

    @property
    def text(self) -> str:
        """The whole report."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One examination under one accession number."""

    accession: str
    placer: str
    """The number that the ward's system gave the request."""
    study_uid: str
    code: ImagingCode
    indication: str
    requested_at: datetime
    performed_at: datetime
    readings: tuple[Reading, ...]
    """In order of time."""
    n_series: int = 1
    n_instances: int = 1
