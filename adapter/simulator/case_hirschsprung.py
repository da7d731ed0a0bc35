"""Hirschsprung disease: late meconium, a transition zone, a biopsy, washouts, and a pull-through at home weight."""

from datetime import datetime

from adapter.simulator.bedside import Bedside
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import DOWN, a_birth, a_newborn, is_admitted_at_birth, is_brought
from adapter.simulator.moments import after

HIRSCHSPRUNG = ("Q43.1", "Hirschsprung disease")
CONCEPT = "204739008"
BIOPSY = (
    "H28.1",
    "Diagnostic endoscopic examination of sigmoid colon and biopsy of lesion of sigmoid colon using rigid"
    " sigmoidoscope",
)
WASHOUT = ("H62.5", "Irrigation of bowel NEC")
STOMA = ("H15.1", "Loop colostomy")
STOMA_CLOSURE = ("H15.4", "Closure of colostomy")
PULL_THROUGHS = (
    (("H41.4", "Peranal mucosal proctectomy and endoanal anastomosis"), "soave"),
    (("H41.1", "Rectosigmoidectomy and peranal anastomosis"), "swenson"),
    (("H33.2", "Proctectomy and anastomosis of colon to anus"), "duhamel"),
)
EXAMINATION = ("H44.4", "Examination of rectum under anaesthetic")
COLITIS = ("K52.9", "Noninfective gastroenteritis and colitis, unspecified")


def hirschsprung(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """A stoma first in every third; every fourth has trisomy 21; every fifth comes back with enterocolitis."""
    birth = a_birth(clinic, weeks=(37, 41), apgar=(8, 9))
    bedside = a_newborn(clinic, birth, start=start, days=22)
    bedside.is_coded_late = number % 4 == 2
    if number % 2:
        at = is_brought(bedside, clinic.between(bedside.person.born, 2, 4), ward="surgical")
    else:
        at = is_admitted_at_birth(bedside)
    if number % 4 == 3:
        bedside.coded(DOWN)
    biopsy_at = _found(bedside, at, number=number)
    has_stoma = number % 3 == 1
    if has_stoma:
        bedside.operate(after(biopsy_at, days=3), STOMA, hours=1.1)
    home = clinic.between(biopsy_at, 6, 12)
    bedside.bloods(at, home, every_days=2.5)
    bedside.grow(at, home, every_days=5)
    if bedside.stay.ward is clinic.site.nicu:
        bedside.move(clinic.site.surgical, after(biopsy_at, days=4.5))
    bedside.discharge(home)
    home = _pull_through(bedside, after(home, days=clinic.rng.uniform(30, 50)), number=number, has_stoma=has_stoma)
    if number % 5 == 4:
        _enterocolitis(bedside, clinic.between(home, 12, 18))
    return bedside.course("hirschsprung")


def _found(bedside: Bedside, at: datetime, *, number: int) -> datetime:
    clinic = bedside.clinic
    seen_at = max(at, clinic.between(bedside.person.born, 1.5, 2.5))
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(seen_at, 1, 4),
        "No meconium at 48 hours, bilious vomiting",
        present=("dilated_loops",),
        absent=("pneumoperitoneum",),
    )
    bedside.prescribe(bedside.pharmacy.antibiotic("benzylpenicillin", clinic.hours_after(seen_at, 1, 4), days=2.5))
    enema_at = clinic.between(seen_at, 0.8, 1.8)
    is_sure = number % 3 != 2
    bedside.image(
        "lower_gi_contrast",
        enema_at,
        "Distal obstruction in a term newborn. ?Hirschsprung disease",
        present=("transition_zone",) if is_sure else ("dilated_loops",),
        uncertain=() if is_sure else ("transition_zone",),
        absent=("leak",),
        is_read_early=clinic.chance(0.3),
    )
    biopsy_at = clinic.between(enema_at, 0.8, 1.8)
    bedside.operate(biopsy_at, BIOPSY, hours=0.5, in_theatre=False)
    bedside.operate(clinic.hours_after(biopsy_at, 3, 6), WASHOUT, hours=0.4, in_theatre=False)
    bedside.diagnose(HIRSCHSPRUNG, clinic.between(biopsy_at, 1, 2), snomed=CONCEPT)
    return biopsy_at


def _pull_through(bedside: Bedside, admitted: datetime, *, number: int, has_stoma: bool) -> datetime:
    clinic = bedside.clinic
    bedside.admit(admitted, clinic.site.surgical, method="12", source="19")
    title, technique = PULL_THROUGHS[number % len(PULL_THROUGHS)]
    at = after(admitted, hours=clinic.rng.uniform(16, 22))
    bedside.operate(at, title, hours=3.2, index_for=("hirschsprung",))
    bedside.record(
        "hirschsprung",
        at,
        {
            "technique": technique,
            "approach": clinic.rng.choice(("laparoscopic", "open")),
            "urgency": "elective",
            "extent": "long" if number % 6 == 5 else "short",
            "histology_confirmed": True,
            "stoma_formed": has_stoma,
        },
    )
    bedside.diagnose(HIRSCHSPRUNG, admitted)
    bedside.sample(after(admitted, hours=2), "FBC", "UE", "COAG")
    bedside.sample(after(at, hours=18), "FBC", "CRP", "UE")
    bedside.prescribe(
        bedside.pharmacy.antibiotic("cefotaxime", after(at, minutes=-20), days=3),
        bedside.pharmacy.antibiotic("metronidazole", after(at, minutes=-20), days=3),
    )
    home = clinic.between(at, 4, 7)
    bedside.discharge(home)
    return _stoma_closed(bedside, clinic.between(home, 16, 24)) if has_stoma else home


def _stoma_closed(bedside: Bedside, admitted: datetime) -> datetime:
    clinic = bedside.clinic
    bedside.admit(admitted, clinic.site.surgical, method="12", source="19")
    at = clinic.hours_after(admitted, 15, 22)
    bedside.operate(at, STOMA_CLOSURE, hours=1.0)
    bedside.sample(after(at, hours=18), "FBC", "CRP", "UE")
    home = clinic.between(at, 4, 6)
    bedside.discharge(home)
    return home


def _enterocolitis(bedside: Bedside, admitted: datetime) -> None:
    clinic = bedside.clinic
    bedside.admit(admitted, clinic.site.surgical, method="21", source="19")
    bedside.ill(admitted, after(admitted, days=2), severity=0.5)
    bedside.diagnose(COLITIS, admitted)
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(admitted, 0.5, 2),
        "Distension, foul loose stools after pull-through",
        present=("dilated_loops",),
        absent=("pneumoperitoneum", "pneumatosis"),
    )
    bedside.prescribe(bedside.pharmacy.antibiotic("metronidazole", after(admitted, hours=1), days=5))
    bedside.operate(clinic.between(admitted, 1.0, 1.6), EXAMINATION, hours=0.4)
    bedside.bloods(admitted, after(admitted, days=5), every_days=1.5)
    bedside.discharge(clinic.between(admitted, 5.5, 7))
