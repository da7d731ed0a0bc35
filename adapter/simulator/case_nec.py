"""Necrotising enterocolitis that comes to operation, mostly in very preterm infants brought from other units."""

from datetime import datetime
from decimal import Decimal

from adapter.simulator.bedside import Bedside
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import BREATHING, ELSEWHERE, EXTREME, LOW_WEIGHT, a_birth, a_newborn, is_brought
from adapter.simulator.cradle import is_admitted_at_birth as admitted_at_birth
from adapter.simulator.moments import after

NEC = ("P77", "Necrotizing enterocolitis of fetus and newborn")
CONCEPT = "2707005"
OPERATIONS = (
    ("G69.3", "Ileectomy and anastomosis of ileum to ileum"),
    ("G69.8", "Other specified excision of ileum"),
    ("G58.4", "Partial jejunectomy and anastomosis of jejunum to ileum"),
    ("H07.4", "Right hemicolectomy and ileostomy HFQ"),
    ("G78.4", "Closure of perforation of ileum"),
)
DRAIN = ("T46.8", "Other specified other drainage of peritoneal cavity")
SECOND_LOOK = ("T30.2", "Reopening of abdomen and re-exploration of intra-abdominal operation site NEC")
STOMA = ("G74.2", "Creation of temporary ileostomy")
STOMA_CLOSURE = ("G75.3", "Closure of ileostomy")
SHORT_BOWEL = ("K91.2", "Postsurgical malabsorption, not elsewhere classified")
HAEMORRHAGE = ("P52.1", "Intraventricular (nontraumatic) haemorrhage, grade 2, of fetus and newborn")


def nec(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """Every other is brought for the operation, every fourth dies, every third is coded late, every fifth drained."""
    birth = a_birth(clinic, weeks=(24, 29), apgar=(3, 7))
    bedside = a_newborn(clinic, birth, start=start, days=18)
    bedside.is_coded_late = number % 3 == 2
    onset = clinic.between(bedside.person.born, 10, 24)
    is_transferred = number % 2 == 1
    at = is_brought(bedside, clinic.hours_after(onset, 8, 15)) if is_transferred else admitted_at_birth(bedside)
    bedside.coded(EXTREME, LOW_WEIGHT, BREATHING, *((HAEMORRHAGE,) if number % 3 == 0 else ()))
    if not is_transferred:
        _before(bedside, at, onset)
    falls_ill(bedside, onset, is_seen_from=at)
    operated_at = clinic.hours_after(max(onset, at), 7, 30)
    if number % 5 == 3:
        bedside.operate(operated_at, DRAIN, hours=0.5, index_for=("nec",), in_theatre=False)
        operated_at = clinic.hours_after(operated_at, 30, 60)
    else:
        bedside.operate(operated_at, *_resection(number), hours=1.8, index_for=("nec",))
    _record(bedside, operated_at, number=number)
    if number % 4 == 2 and number % 5 != 3:
        _dies(bedside, at, operated_at)
    else:
        _recovers(bedside, at, operated_at, number=number)
    return bedside.course("nec")


def falls_ill(bedside: Bedside, onset: datetime, *, is_seen_from: datetime | None = None) -> None:
    """Distension, films every few hours, antibiotics, inotropes; what came before the child is not known here."""
    clinic = bedside.clinic
    since = max(onset, is_seen_from or onset)
    bedside.diagnose(NEC, onset, snomed=CONCEPT)
    bedside.ill(after(onset, hours=-6), after(onset, days=4))
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(since, 0.6, 2),
        "Preterm, abdominal distension and bilious aspirates. ?NEC ?perforation",
        present=("dilated_loops",),
        uncertain=("pneumatosis",),
        absent=("pneumoperitoneum", "portal_venous_gas"),
        is_read_early=clinic.chance(0.5),
    )
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(since, 4.5, 6.5),
        "NEC, follow up. Any free air?",
        present=("pneumatosis", "dilated_loops"),
        uncertain=("portal_venous_gas",) if clinic.chance(0.5) else (),
        absent=("pneumoperitoneum",),
        added="fixed_loop" if clinic.chance(0.3) else None,
    )
    bedside.prescribe(
        bedside.pharmacy.antibiotic("cefotaxime", clinic.hours_after(since, 0.5, 2), days=10),
        bedside.pharmacy.antibiotic("metronidazole", clinic.hours_after(since, 0.5, 2), days=10),
        bedside.pharmacy.inotrope(clinic.hours_after(since, 3, 8), days=clinic.rng.choice((2, 3))),
    )
    bedside.gases(since, after(since, days=2), every_hours=5, drawn="arterial")
    for hours in (0.4, 6.5, 13, 24):
        bedside.sample(after(since, hours=hours), "FBC", "CRP", "UE", *(("COAG", "AMM") if hours == 6.5 else ()))
    bedside.sample(after(since, hours=7), "PCT")


def is_operated(bedside: Bedside, at: datetime, *, remaining_cm: Decimal, is_focal: bool) -> datetime:
    """Resection and a stoma in a child that is otherwise well grown; when it is on full feeds again."""
    clinic = bedside.clinic
    _film_before(bedside, at)
    bedside.operate(at, OPERATIONS[0], STOMA, hours=1.9, index_for=("nec",))
    bedside.record(
        "nec",
        at,
        {
            "technique": "resection_stoma",
            "approach": "open",
            "urgency": "immediate",
            "decision_dt": clinic.hours_after(at, -4, -2),
            "extent": "focal" if is_focal else "multifocal",
            "bowel_remaining_cm": remaining_cm,
            "stoma_formed": True,
        },
    )
    fed_at = clinic.between(at, 12, 18)
    bedside.bloods(after(at, days=1), fed_at, every_days=2)
    return fed_at


def _before(bedside: Bedside, at: datetime, onset: datetime) -> None:
    clinic = bedside.clinic
    bedside.gases(at, after(at, days=4), every_hours=11)
    bedside.bloods(at, onset, every_days=2)
    bedside.image("chest_xray", clinic.hours_after(at, 1, 3), "Preterm, respiratory distress, line position")
    bedside.image("cranial_ultrasound", clinic.between(at, 3, 5), "Routine day 3 scan, preterm")
    bedside.prescribe(bedside.pharmacy.antibiotic("benzylpenicillin", after(at, hours=1), days=2.5))


def _resection(number: int) -> tuple[tuple[str, str], ...]:
    operation = OPERATIONS[number % len(OPERATIONS)]
    return (operation,) if operation[0] == "G78.4" else (operation, STOMA)


def _film_before(bedside: Bedside, operated_at: datetime) -> None:
    bedside.image(
        "abdominal_xray",
        bedside.clinic.hours_after(operated_at, -3.5, -1.6),
        "Deterioration on full medical treatment",
        present=("pneumoperitoneum", "pneumatosis"),
    )


def _record(bedside: Bedside, operated_at: datetime, *, number: int) -> None:
    clinic = bedside.clinic
    has_stoma = number % len(OPERATIONS) != 4
    is_drained = number % 5 == 3
    if not is_drained:
        _film_before(bedside, operated_at)
    bedside.image(
        "abdominal_ultrasound",
        clinic.hours_after(operated_at, -6, -4),
        "NEC, surgical review",
        present=("free_fluid",),
        uncertain=("portal_venous_gas",),
    )
    if is_drained:
        return
    bedside.record(
        "nec",
        operated_at,
        {
            "technique": "resection_stoma" if has_stoma else "resection_anastomosis",
            "approach": "open",
            "urgency": clinic.rng.choice(("immediate", "urgent")),
            "decision_dt": clinic.hours_after(operated_at, -5, -1),
            "extent": clinic.rng.choice(("focal", "multifocal")),
            "bowel_state": clinic.rng.choice(("necrosis", "perforation")),
            "bowel_remaining_cm": Decimal(clinic.rng.randint(28, 120)),
            "stoma_formed": has_stoma,
        },
    )


def _dies(bedside: Bedside, at: datetime, operated_at: datetime) -> None:
    died_at = bedside.clinic.between(operated_at, 1.6, 4)
    bedside.nutrition(bedside.clinic.hours_after(at, 6, 20), died_at)
    bedside.ill(operated_at, died_at)
    bedside.gases(max(at, operated_at), died_at, every_hours=6, drawn="arterial")
    bedside.bloods(operated_at, died_at, every_days=0.7)
    bedside.prescribe(
        bedside.pharmacy.inotrope(bedside.clinic.hours_after(operated_at, 1, 3), days=1, name="noradrenaline")
    )
    bedside.die(died_at)


def _recovers(bedside: Bedside, at: datetime, operated_at: datetime, *, number: int) -> None:
    clinic = bedside.clinic
    if number % 5 == 3:
        # The drain was a bridge: the abdomen is opened when the child can bear it.
        bedside.operate(operated_at, *_resection(0), hours=1.7)
    fed_at = clinic.between(operated_at, 22, 34)
    bedside.nutrition(clinic.hours_after(at, 6, 20), fed_at)
    bedside.bloods(after(operated_at, days=1), after(operated_at, days=8), every_days=1.2)
    bedside.bloods(after(operated_at, days=8), fed_at, every_days=4)
    bedside.image("cranial_ultrasound", clinic.between(operated_at, 8, 12), "Follow up scan after laparotomy")
    bedside.grow(at, fed_at)
    if number % 6 == 1:
        bedside.coded(SHORT_BOWEL, made_at=fed_at)
    if number % 4 == 3:
        # Back to the unit that sent it.
        bedside.discharge(clinic.between(fed_at, 1, 4), destination=ELSEWHERE)
        return
    closed_at = clinic.between(fed_at, 12, 18)
    _stoma_closed(bedside, closed_at)
    bedside.bloods(fed_at, closed_at, every_days=6)
    bedside.move(clinic.site.surgical, clinic.between(closed_at, 5, 7))
    bedside.discharge(clinic.between(closed_at, 11, 16))


def _stoma_closed(bedside: Bedside, at: datetime) -> None:
    bedside.image(
        "lower_gi_contrast",
        bedside.clinic.between(at, -4, -2),
        "Distal loopogram before closure of stoma",
        absent=("stricture", "leak"),
    )
    bedside.operate(at, STOMA_CLOSURE, hours=1.2)
    bedside.sample(after(at, hours=20), "FBC", "CRP", "UE")
