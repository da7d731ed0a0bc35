"""Congenital diaphragmatic hernia: small lungs, high carbon dioxide, repair in the first week; some die before it."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.bedside import Bedside
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import a_birth, a_newborn, arrives
from adapter.simulator.moments import after

HERNIA = ("Q79.0", "Congenital diaphragmatic hernia")
CONCEPT = "17190001"
REPAIR = ("T16.4", "Repair of congenital diaphragmatic hernia")
SMALL_LUNGS = ("Q33.6", "Hypoplasia and dysplasia of lung")
PULMONARY_HYPERTENSION = ("P29.3", "Persistent fetal circulation")
SEPTAL_DEFECT = ("Q21.1", "Atrial septal defect")


def diaphragmatic_hernia(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """Every fifth dies unrepaired; every sixth is found only at two months; every fourth is coded late."""
    if number % 6 == 5:
        return _found_late(clinic, start=start)
    birth = a_birth(clinic, weeks=(36, 39), apgar=(2, 6))
    bedside = a_newborn(clinic, birth, start=start)
    bedside.is_coded_late = number % 4 == 3
    at = arrives(bedside, transfer_share=0.25, hours=(4, 10))
    repaired_at = clinic.between(at, 2.5, 6)
    bedside.diagnose(HERNIA, bedside.person.born, snomed=CONCEPT)
    bedside.coded(SMALL_LUNGS, PULMONARY_HYPERTENSION, *((SEPTAL_DEFECT,) if number % 3 == 1 else ()))
    _supported(bedside, at, until=after(repaired_at, days=3))
    if number % 5 == 1:
        died_at = clinic.between(at, 1.6, 2.4)
        bedside.ill(after(at, hours=12), died_at, severity=0.7)
        bedside.gases(after(at, days=1), died_at, every_hours=4, drawn="arterial")
        bedside.die(died_at)
        return bedside.course("cdh")
    _repaired(bedside, repaired_at, number=number)
    _recovers(bedside, at, repaired_at)
    return bedside.course("cdh")


def _supported(bedside: Bedside, at: datetime, *, until: datetime) -> None:
    clinic = bedside.clinic
    bedside.physiology = replace(bedside.physiology, breathing_until=until)
    bedside.image(
        "chest_abdominal_xray",
        clinic.hours_after(at, 0.4, 1.2),
        "Antenatally diagnosed left diaphragmatic hernia, intubated",
        present=("bowel_in_chest",),
        is_read_early=True,
    )
    bedside.image("echocardiogram", clinic.hours_after(at, 3, 9), "CDH, pulmonary pressures")
    bedside.image("cranial_ultrasound", clinic.hours_after(at, 10, 20), "Baseline before possible ECMO")
    bedside.gases(at, after(at, days=3), every_hours=6, drawn="arterial")
    bedside.gases(after(at, days=3), until, every_hours=10, drawn="arterial")
    bedside.prescribe(
        bedside.pharmacy.inotrope(clinic.hours_after(at, 1, 4), days=3),
        bedside.pharmacy.antibiotic("benzylpenicillin", clinic.hours_after(at, 0.5, 2), days=3),
        bedside.pharmacy.antibiotic("gentamicin", clinic.hours_after(at, 0.5, 2), days=3),
    )
    bedside.nutrition(clinic.hours_after(at, 16, 28), clinic.between(until, 6, 11))


def _repaired(bedside: Bedside, at: datetime, *, number: int) -> None:
    clinic = bedside.clinic
    has_patch = number % 2 == 0
    bedside.operate(at, REPAIR, hours=2.3, index_for=("cdh",))
    bedside.record(
        "cdh",
        at,
        {
            "technique": "patch_repair" if has_patch else "primary_repair",
            "approach": "thoracoscopic" if number % 4 == 1 else "open",
            "urgency": "expedited",
            "patch_used": has_patch,
            "defect_size": clinic.rng.choice("CD" if has_patch else "AB"),
            "side": "left",
            "liver_up": has_patch and clinic.chance(0.7),
            "on_ecmo": False,
        },
    )
    bedside.ill(at, after(at, days=1.5), severity=0.35)


def _recovers(bedside: Bedside, at: datetime, repaired_at: datetime) -> None:
    clinic = bedside.clinic
    bedside.image(
        "chest_xray",
        clinic.hours_after(repaired_at, 2, 6),
        "Post repair of diaphragmatic hernia",
        absent=("bowel_in_chest",),
        added="dilated_loops" if clinic.chance(0.15) else None,
    )
    bedside.image(
        "chest_xray", clinic.between(repaired_at, 2, 3), "Ventilated, day 2 post op", absent=("bowel_in_chest",)
    )  # fmt: skip
    home = clinic.between(repaired_at, 18, 32)
    bedside.bloods(at, after(repaired_at, days=4), every_days=1)
    bedside.bloods(after(repaired_at, days=4), home, every_days=4)
    bedside.grow(at, home)
    bedside.move(clinic.site.surgical, clinic.between(repaired_at, 9, 14))
    bedside.discharge(home)


def _found_late(clinic: Clinic, *, start: datetime) -> Course:
    """Brought with sudden breathlessness; never ill before. The register flags such a case, and keeps it."""
    birth = a_birth(clinic, weeks=(38, 40), apgar=(8, 9))
    bedside = a_newborn(clinic, birth, start=start, days=12)
    admitted = clinic.between(bedside.person.born, 48, 70)
    bedside.admit(admitted, clinic.site.surgical, method="21", source="19")
    bedside.diagnose(HERNIA, admitted, snomed=CONCEPT)
    bedside.image(
        "chest_xray", clinic.hours_after(admitted, 0.4, 1.4), "Sudden tachypnoea", present=("bowel_in_chest",)
    )  # fmt: skip
    at = clinic.hours_after(admitted, 16, 30)
    bedside.operate(at, REPAIR, hours=1.9, index_for=("cdh",))
    bedside.image("chest_xray", clinic.hours_after(at, 2, 5), "Post op", absent=("bowel_in_chest",))
    bedside.record(
        "cdh",
        at,
        {"technique": "primary_repair", "approach": "open", "urgency": "urgent", "patch_used": False, "side": "left"},
    )
    home = clinic.between(at, 5, 8)
    bedside.bloods(admitted, home, every_days=2)
    bedside.discharge(home)
    return bedside.course("cdh")
