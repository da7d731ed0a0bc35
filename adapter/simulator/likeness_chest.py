"""Look-alikes of diaphragmatic hernia, oesophageal atresia and urethral valves."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.case_valves import ABLATION, HYDRONEPHROSIS, VALVES
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.likeness import ends, older, on_the_unit, with_operation
from adapter.simulator.moments import after
from adapter.simulator.reading_room import Request, examined

EVENTRATION = ("Q79.1", "Other congenital malformations of diaphragm")


def eventration(clinic: Clinic, start: datetime) -> Course:
    """A thin diaphragm, folded and stitched."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(EVENTRATION, clinic.between(at, 0.5, 1))
    with_operation(bedside, clinic.between(at, 4, 6), ("T16.5", "Suture of diaphragm NEC"), hours=1.6)
    why = "eventration plicated: two signs, neither confirms"
    return ends(bedside, at, days=(11, 16), why=why, expected=(("cdh", "probable"),))


def eventration_left_alone(clinic: Clinic, start: datetime) -> Course:
    """Seen on a film and never operated."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(EVENTRATION, clinic.between(at, 0.5, 1))
    why = "eventration alone: one sign"
    return ends(bedside, at, days=(4, 7), why=why, expected=(("cdh", "suspected"),))


def hiatus_hernia(clinic: Clinic, start: datetime) -> Course:
    """An infant with reflux, coded K44.9 as adults are, and repaired through the abdomen."""
    bedside, at = older(clinic, start, days=(120, 260))
    bedside.diagnose(("K44.9", "Diaphragmatic hernia without obstruction or gangrene"), at)
    with_operation(
        bedside, after(at, hours=16), ("G23.4", "Repair of diaphragmatic hernia using abdominal approach NEC")
    )
    return ends(bedside, at, days=(3, 5), why="hiatus hernia: K44.9 in an infant is not congenital")


def fallot(clinic: Clinic, start: datetime) -> Course:
    """The other TOF, in every echocardiogram."""
    bedside, at = on_the_unit(clinic, start, weeks=(37, 39))
    bedside.diagnose(("Q21.3", "Tetralogy of Fallot"), after(at, hours=5))
    request = Request(
        study="echocardiogram",
        performed_at=after(at, hours=6),
        indication="Murmur, saturations 88%",
        lines=(
            "Clinical details: Murmur, saturations 88%.",
            "Findings: Large VSD with overriding aorta and infundibular stenosis.",
            "Conclusion: TOF with VSD and pulmonary stenosis. Cardiology follow up.",
        ),
    )
    course = ends(bedside, at, days=(6, 9), why="tetralogy of Fallot: the other TOF")
    return replace(course, examinations=(*course.examinations, examined(clinic, request)))


def acquired_fistula(clinic: Clinic, start: datetime) -> Course:
    """A swallowed battery, a hole, and its closure: G07.1 without Q39."""
    bedside, at = older(clinic, start, days=(260, 330))
    bedside.diagnose(("T18.1", "Foreign body in oesophagus"), at)
    bedside.diagnose(("J86.0", "Pyothorax with fistula"), at)
    with_operation(bedside, clinic.between(at, 1, 2), ("G07.1", "Closure of tracheo-oesophageal fistula"), hours=2.5)
    why = "acquired fistula closed: G07.1 without Q39 (R4)"
    return ends(bedside, at, days=(8, 12), why=why, expected=(("oesophageal_atresia", "probable"),))


def oesophageal_stenosis(clinic: Clinic, start: datetime) -> Course:
    """A narrow oesophagus that was never closed."""
    bedside, at = older(clinic, start, days=(90, 200))
    bedside.diagnose(("Q39.3", "Congenital stenosis and stricture of oesophagus"), at)
    bedside.image("upper_gi_contrast", after(at, hours=4), "Choking on weaning", present=("stricture",))
    with_operation(
        bedside, after(at, hours=22), ("G15.2", "Fibreoptic endoscopic balloon dilation of oesophagus"), hours=0.6
    )
    return ends(bedside, at, days=(2, 4), why="stenosis of the oesophagus: an exclude code (R5)")


def girl_with_valves(clinic: Clinic, start: datetime) -> Course:
    """An error of the data: no girl has them."""
    bedside, at = on_the_unit(clinic, start, sex="F")
    bedside.diagnose(VALVES, clinic.between(at, 1, 2))
    why = "female with urethral valves: an error of the data, held (R6)"
    return ends(bedside, at, days=(5, 8), why=why, expected=(("puv", "confirmed"),))


def valves_of_unknown_sex(clinic: Clinic, start: datetime) -> Course:
    """Nobody has entered the sex yet."""
    bedside, at = on_the_unit(clinic, start, sex="U")
    bedside.diagnose(VALVES, clinic.between(at, 1, 2))
    with_operation(bedside, clinic.between(at, 5, 6), ABLATION, hours=0.8)
    why = "urethral valves, sex unknown: held (R6)"
    return ends(bedside, at, days=(8, 11), why=why, expected=(("puv", "confirmed"),))


def hydronephrosis(clinic: Clinic, start: datetime) -> Course:
    """A wide pelvis of another cause."""
    bedside, at = on_the_unit(clinic, start, sex="M")
    bedside.diagnose(HYDRONEPHROSIS, clinic.between(at, 0.5, 1))
    bedside.image(
        "renal_ultrasound", after(at, days=2), "Antenatal hydronephrosis", absent=("keyhole_bladder", "free_fluid")
    )
    why = "hydronephrosis: one suspect code"
    return ends(bedside, at, days=(4, 6), why=why, expected=(("puv", "suspected"),))
