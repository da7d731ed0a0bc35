"""Oesophageal atresia: the tube that coils, repair on the second day, contrast a week later, strictures."""

from datetime import datetime
from decimal import Decimal

from adapter.simulator.bedside import Bedside
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import LOW_WEIGHT, PRETERM, a_birth, a_newborn, arrives
from adapter.simulator.moments import after

WITH_FISTULA = ("Q39.1", "Atresia of oesophagus with tracheo-oesophageal fistula")
FISTULA_ALONE = ("Q39.2", "Congenital tracheo-oesophageal fistula without atresia")
WITHOUT_FISTULA = ("Q39.0", "Atresia of oesophagus without fistula")
CONCEPTS = {"Q39.1": "204659003", "Q39.0": "26179002"}
REPAIR = ("G07.3", "Correction of congenital atresia of oesophagus")
FISTULA_CLOSURE = ("G07.1", "Closure of tracheo-oesophageal fistula")
GASTROSTOMY = ("G34.1", "Creation of temporary gastrostomy")
DILATATION = ("G15.2", "Fibreoptic endoscopic balloon dilation of oesophagus")
STRICTURE = ("K22.2", "Oesophageal obstruction")
FALLOT = ("Q21.3", "Tetralogy of Fallot")
VACTERL = ("Q87.2", "Congenital malformation syndromes predominantly involving limbs")


def oesophageal_atresia(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """A fistula alone in every sixth, a long gap in every fifth, Fallot's tetralogy beside it in every seventh."""
    if number % 6 == 5:
        return _fistula_alone(clinic, start=start)
    birth = a_birth(clinic, weeks=(34, 39), lightness=0.93)
    bedside = a_newborn(clinic, birth, start=start)
    bedside.is_coded_late = number % 5 == 3
    at = arrives(bedside, transfer_share=0.4)
    has_long_gap = number % 5 == 2
    title = WITHOUT_FISTULA if has_long_gap else WITH_FISTULA
    bedside.diagnose(title, bedside.person.born, snomed=CONCEPTS[title[0]])
    bedside.coded(*((PRETERM, LOW_WEIGHT) if birth.gestation_days < 259 else ()))
    bedside.coded(*((FALLOT,) if number % 7 == 3 else (VACTERL,) if number % 6 == 4 else ()))
    _found(bedside, at, has_gas=not has_long_gap)
    repaired_at = _bridged(bedside, at) if has_long_gap else clinic.hours_after(at, 16, 40)
    bedside.operate(repaired_at, REPAIR, hours=2.8, index_for=("oesophageal_atresia",))
    _record(bedside, repaired_at, has_long_gap=has_long_gap)
    _after_repair(bedside, at, repaired_at, has_long_gap=has_long_gap, number=number)
    return bedside.course("oesophageal_atresia")


def _found(bedside: Bedside, at: datetime, *, has_gas: bool) -> None:
    clinic = bedside.clinic
    bedside.image(
        "chest_abdominal_xray",
        clinic.hours_after(at, 0.5, 2),
        "Frothy secretions, unable to pass nasogastric tube",
        present=("coiled_tube",) if has_gas else ("coiled_tube", "gasless"),
        absent=("pneumoperitoneum",) if has_gas else (),
    )
    bedside.image("echocardiogram", clinic.hours_after(at, 4, 12), "Oesophageal atresia, side of aortic arch")
    bedside.image("renal_ultrasound", clinic.between(at, 1, 3), "Oesophageal atresia, associated anomalies")
    bedside.prescribe(
        bedside.pharmacy.antibiotic("benzylpenicillin", clinic.hours_after(at, 0.5, 2), days=5),
        bedside.pharmacy.antibiotic("gentamicin", clinic.hours_after(at, 0.5, 2), days=5),
    )
    bedside.gases(at, after(at, days=3), every_hours=8)


def _bridged(bedside: Bedside, at: datetime) -> datetime:
    """Fed by gastrostomy until the ends can meet."""
    clinic = bedside.clinic
    bedside.operate(clinic.hours_after(at, 20, 40), GASTROSTOMY, hours=1.0)
    repaired_at = clinic.between(at, 48, 62)
    bedside.bloods(after(at, days=4), repaired_at, every_days=6)
    return repaired_at


def _record(bedside: Bedside, at: datetime, *, has_long_gap: bool) -> None:
    clinic = bedside.clinic
    gap = clinic.rng.uniform(2.5, 4.5) if has_long_gap else clinic.rng.uniform(0.5, 2.0)
    bedside.record(
        "oesophageal_atresia",
        at,
        {
            "technique": "delayed_anastomosis" if has_long_gap else "primary_anastomosis",
            "approach": clinic.rng.choice(("open", "open", "thoracoscopic")),
            "urgency": "elective" if has_long_gap else "urgent",
            "oa_type": "A" if has_long_gap else "C",
            "gap_cm": Decimal(f"{gap:.1f}"),
        },
    )


def _after_repair(bedside: Bedside, at: datetime, repaired_at: datetime, *, has_long_gap: bool, number: int) -> None:
    clinic = bedside.clinic
    bedside.ill(repaired_at, after(repaired_at, days=1.5), severity=0.3)
    is_leaking = number % 6 == 1
    swallow_at = clinic.between(repaired_at, 6, 8)
    bedside.image(
        "upper_gi_contrast",
        swallow_at,
        "Day 7 after repair, safe to feed?",
        present=("leak",) if is_leaking else (),
        absent=("stricture",) if is_leaking else ("leak", "stricture"),
    )
    fed_at = clinic.between(swallow_at, 6, 8) if is_leaking else clinic.between(swallow_at, 1, 3)
    begins = clinic.hours_after(repaired_at if has_long_gap else at, 14, 26)
    bedside.nutrition(begins, fed_at)
    home = clinic.between(fed_at, 5, 10)
    bedside.bloods(at, after(at, days=4), every_days=1.2)
    bedside.bloods(max(after(at, days=4), repaired_at), home, every_days=3)
    bedside.grow(at, home)
    bedside.move(clinic.site.surgical, clinic.between(swallow_at, 0.1, 0.8))
    bedside.discharge(home)
    if number % 2 == 0 and not has_long_gap:
        _dilated(bedside, clinic.between(home, 20, 30), times=1 + number % 3)


def _dilated(bedside: Bedside, admitted: datetime, *, times: int) -> None:
    """Day case after day case."""
    clinic = bedside.clinic
    for _ in range(times):
        bedside.admit(admitted, clinic.site.surgical, method="12", source="19")
        bedside.diagnose(STRICTURE, admitted)
        at = clinic.hours_after(admitted, 3, 5)
        bedside.image(
            "upper_gi_contrast", after(at, hours=-1), "Choking on feeds after repair", present=("stricture",)
        )  # fmt: skip
        bedside.operate(at, DILATATION, hours=0.6)
        bedside.discharge(clinic.hours_after(at, 4, 20))
        admitted = clinic.between(at, 14, 18)


def _fistula_alone(clinic: Clinic, *, start: datetime) -> Course:
    """An H-shaped fistula: it chokes on every feed until somebody fills the oesophagus with contrast."""
    birth = a_birth(clinic, weeks=(38, 40), apgar=(8, 9))
    bedside = a_newborn(clinic, birth, start=start)
    admitted = clinic.between(bedside.person.born, 9, 18)
    bedside.admit(admitted, clinic.site.surgical, method="21", source="19")
    bedside.image("chest_xray", clinic.hours_after(admitted, 1, 3), "Choking and cyanosis with feeds")
    found_at = clinic.between(admitted, 1, 2)
    bedside.image("upper_gi_contrast", found_at, "Recurrent choking. Tube oesophagogram", absent=("stricture", "leak"))
    bedside.diagnose(FISTULA_ALONE, found_at)
    at = clinic.between(found_at, 1, 2)
    bedside.operate(at, FISTULA_CLOSURE, hours=1.8, index_for=("oesophageal_atresia",))
    bedside.record(
        "oesophageal_atresia",
        at,
        {"technique": "fistula_ligation", "approach": "open", "urgency": "expedited", "oa_type": "E"},
    )
    home = clinic.between(at, 5, 8)
    bedside.bloods(admitted, home, every_days=2)
    bedside.discharge(home)
    return bedside.course("oesophageal_atresia")
