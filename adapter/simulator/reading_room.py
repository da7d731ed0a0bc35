"""The radiology department at work: a request, a film, and its reports."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapter.simulator.clinic import Clinic
from adapter.simulator.examinations import Examination, Reading, Sign
from adapter.simulator.moments import after
from adapter.simulator.radiology_codes import IMAGING
from adapter.simulator.radiology_text import addendum, report_lines

Signs = tuple[Sign, ...]
_EARLY = "Preliminary review by the on-call registrar."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, and what the images will truly be reported to show."""

    study: str
    performed_at: datetime
    indication: str
    present: Signs = ()
    absent: Signs = ()
    uncertain: Signs = ()
    added: Sign | None = None
    """Seen only when the film is read again; the report is then corrected by an addendum."""
    is_read_early: bool = False
    """A trainee's preliminary report, replaced by the consultant's."""
    waits: timedelta | None = None
    """From request to film; else within hours."""
    lines: tuple[str, ...] = ()
    """A text of its own."""


def examined(clinic: Clinic, request: Request) -> Examination:
    """The whole examination."""
    rng = clinic.rng
    waits = request.waits or timedelta(minutes=rng.uniform(20, 170))
    return Examination(
        accession=clinic.book.accession_number(),
        placer=clinic.book.placer_number(),
        study_uid=clinic.book.study_uid(),
        code=IMAGING[clinic.site.dialect][request.study],
        indication=request.indication,
        requested_at=_before(request.performed_at, waits),
        performed_at=request.performed_at,
        readings=tuple(_readings(clinic, request)),
        n_series=rng.choice((1, 1, 2, 3)),
        n_instances=rng.randint(1, 24),
    )


def _before(moment: datetime, waits: timedelta) -> datetime:
    """In the night that has an hour twice, a time moved out of it could come after what it goes before."""
    before = after(moment - waits)
    return before if before < moment else after(moment - waits - timedelta(hours=3))


def _readings(clinic: Clinic, request: Request) -> list[Reading]:
    final = Reading(
        at=clinic.hours_after(request.performed_at, 1.5, 22),
        status="final",
        lines=request.lines or _lines(clinic, request),
        present=tuple(sorted(request.present)),
        absent=tuple(sorted(request.absent)),
        uncertain=tuple(sorted(request.uncertain)),
    )
    readings = [final]
    if request.is_read_early and final.at - request.performed_at > timedelta(hours=4):
        early = Reading(
            at=clinic.hours_after(request.performed_at, 0.3, 1.2),
            status="preliminary",
            lines=(f"Clinical details: {request.indication}", _EARLY, "Formal report to follow."),
        )
        readings.insert(0, early)
    if request.added is not None:
        readings.append(
            Reading(
                at=clinic.hours_after(final.at, 8, 60),
                status="corrected",
                lines=(*final.lines, *addendum(clinic.rng, sign=request.added)),
                present=tuple(sorted((*final.present, request.added))),
                absent=final.absent,
                uncertain=final.uncertain,
            )
        )
    return readings


def _lines(clinic: Clinic, request: Request) -> tuple[str, ...]:
    return report_lines(
        clinic.rng,
        study=request.study,
        indication=request.indication,
        present=request.present,
        absent=request.absent,
        uncertain=request.uncertain,
    )
