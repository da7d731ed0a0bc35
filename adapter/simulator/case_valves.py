"""Posterior urethral valves: a boy with a thick bladder, a high creatinine that falls, and endoscopic destruction."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.bedside import Bedside
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import a_birth, a_newborn, arrives
from adapter.simulator.moments import after

VALVES = ("Q64.2", "Congenital posterior urethral valves")
CONCEPT = "253900005"
ABLATION = ("M76.5", "Endoscopic destruction of urethral valves")
VESICOSTOMY = ("M38.2", "Cystostomy and insertion of suprapubic tube into bladder")
CYSTOSCOPY = ("M45.5", "Diagnostic endoscopic examination of bladder using rigid cystoscope")
HYDRONEPHROSIS = ("Q62.0", "Congenital hydronephrosis")
REFLUX = ("Q62.7", "Congenital vesico-uretero-renal reflux")
RENAL_FAILURE = ("N17.9", "Acute renal failure, unspecified")
INFECTION = ("N39.0", "Urinary tract infection, site not specified")


def urethral_valves(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """A small one is drained first; every third has an infection; every other comes back for a check cystoscopy."""
    is_small = number % 5 == 1
    birth = a_birth(clinic, weeks=(32, 34) if is_small else (36, 39))
    bedside = a_newborn(clinic, birth, start=start, sex="M")
    bedside.is_coded_late = number % 4 == 2
    at = arrives(bedside, transfer_share=0.35, hours=(5, 40))
    bedside.physiology = replace(bedside.physiology, creatinine_peak=clinic.rng.uniform(70, 230))
    bedside.coded(HYDRONEPHROSIS, *((RENAL_FAILURE,) if number % 3 == 2 else ()))
    has_reflux = number % 2 == 0
    _imaged(bedside, at, has_reflux=has_reflux)
    bedside.diagnose(VALVES, clinic.between(at, 0.8, 1.2), snomed=CONCEPT)
    bedside.coded(*((REFLUX,) if has_reflux else ()))
    ablated_at = clinic.between(at, 5, 9)
    if is_small:
        bedside.operate(clinic.between(at, 2, 3), VESICOSTOMY, hours=0.8)
        ablated_at = clinic.between(at, 24, 32)
    bedside.operate(ablated_at, ABLATION, hours=0.8, index_for=("puv",))
    bedside.record(
        "puv",
        ablated_at,
        {
            "technique": "valve_ablation",
            "approach": "endoscopic",
            "urgency": "expedited",
            "catheter_days": (ablated_at - at).days,
        },
    )
    home = clinic.between(ablated_at, 4, 8)
    _watched(bedside, at, home)
    bedside.discharge(home)
    _later(bedside, home, number=number)
    return bedside.course("puv")


def _imaged(bedside: Bedside, at: datetime, *, has_reflux: bool) -> None:
    clinic = bedside.clinic
    bedside.image(
        "renal_ultrasound",
        clinic.hours_after(at, 3, 14),
        "Antenatal bilateral hydronephrosis, male. Poor stream.",
        present=("keyhole_bladder",),
        absent=("free_fluid",),
    )
    bedside.image(
        "mcug",
        clinic.between(at, 1.5, 3.5),
        "Male infant, thick walled bladder on ultrasound",
        present=("dilated_posterior_urethra", *(("vesicoureteric_reflux",) if has_reflux else ())),
        absent=() if has_reflux else ("vesicoureteric_reflux",),
    )


def _watched(bedside: Bedside, at: datetime, home: datetime) -> None:
    clinic = bedside.clinic
    bedside.bloods(at, after(at, days=6), every_days=0.8)
    bedside.bloods(after(at, days=6), home, every_days=2.5)
    bedside.gases(at, after(at, days=2), every_hours=14)
    bedside.sample(clinic.between(at, 1, 2), "UCRE")
    bedside.sample(clinic.between(at, 8, 9), "CYSC")
    bedside.sample(after(at, days=2.2), "GENT")
    bedside.prescribe(
        bedside.pharmacy.antibiotic("gentamicin", clinic.hours_after(at, 1, 3), days=3),
        bedside.pharmacy.antibiotic("trimethoprim", clinic.between(at, 5, 6), days=20),
    )
    bedside.grow(at, home, every_days=5)
    bedside.move(clinic.site.surgical, clinic.between(home, -2.5, -1.5))


def _later(bedside: Bedside, home: datetime, *, number: int) -> None:
    clinic = bedside.clinic
    if number % 3 == 0:
        admitted = clinic.between(home, 14, 20)
        bedside.admit(admitted, clinic.site.paediatric, method="21", source="19")
        bedside.ill(admitted, after(admitted, days=2), severity=0.4)
        bedside.diagnose(INFECTION, admitted)
        bedside.prescribe(bedside.pharmacy.antibiotic("cefotaxime", after(admitted, hours=2), days=4))
        bedside.bloods(admitted, after(admitted, days=3), every_days=1)
        home = clinic.between(admitted, 4.5, 6)
        bedside.discharge(home)
    if number % 2 == 0:
        admitted = clinic.between(home, 26, 36)
        bedside.admit(admitted, clinic.site.surgical, method="11", source="19")
        at = clinic.hours_after(admitted, 3, 6)
        bedside.operate(at, CYSTOSCOPY, hours=0.4)
        bedside.sample(after(admitted, hours=1), "UE")
        bedside.image("renal_nuclear", after(at, hours=4), "Valves ablated, function and drainage")
        bedside.discharge(clinic.hours_after(at, 8, 20))
