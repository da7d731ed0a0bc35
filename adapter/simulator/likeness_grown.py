"""Well babies, mothers and adults: they share wards, codes and surnames with the children, and make no row."""

from datetime import datetime

from adapter.simulator.bedside import Bedside, Title
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import TERM, a_birth
from adapter.simulator.moments import after
from adapter.simulator.people import Person, a_baby, an_adult

_FETAL = {
    "gastroschisis": (("O35.8", "Maternal care for other suspected fetal abnormality and damage"), "Q79.3"),
    "cdh": (("O35.8", "Maternal care for other suspected fetal abnormality and damage"), "Q79.0"),
}
_WORDS = {"Q79.3": "Gastroschisis", "Q79.0": "Congenital diaphragmatic hernia"}

_ADULTS: tuple[tuple[tuple[Title, ...], tuple[Title, ...], str], ...] = (
    (
        (("C20", "Malignant neoplasm of rectum"),),
        (("H33.2", "Proctectomy and anastomosis of colon to anus"),),
        "adult: H33.2 for cancer",
    ),
    ((("H33.2", "Serous retinal detachment"),), (), "adult: H33.2 as a retinal detachment"),
    ((("M76.5", "Patellar tendinitis"),), (), "adult: M76.5 as a tendon of the knee"),
    (
        (("K44.9", "Diaphragmatic hernia without obstruction or gangrene"),),
        (("G23.4", "Repair of diaphragmatic hernia using abdominal approach NEC"),),
        "adult: hiatus hernia",
    ),
    (
        (("K55.0", "Acute vascular disorders of intestine"),),
        (("H07.4", "Right hemicolectomy and ileostomy HFQ"),),
        "adult: resection of ischaemic bowel",
    ),
    (
        (("N83.2", "Other and unspecified ovarian cysts"),),
        (("Q43.1", "Excision of wedge of ovary"),),
        "adult: Q43.1 as an operation on the ovary",
    ),
    (
        (("N97.1", "Female infertility of tubal origin"),),
        (("Q39.1", "Endoscopic examination of fallopian tube and biopsy"),),
        "adult: Q39.1 as an endoscopy of the tube",
    ),
)


def well_baby(clinic: Clinic, start: datetime) -> Course:
    """A healthy newborn on the postnatal ward."""
    person = a_baby(clinic.book, clinic.rng, born=clinic.between(start, 0, 30))
    return well_newborn(clinic, person)


def well_newborn(clinic: Clinic, person: Person) -> Course:
    """The same for a person who is known already, such as a twin."""
    birth = a_birth(clinic, weeks=(37, 40), apgar=(8, 9))
    bedside = Bedside(clinic, person, birth)
    at = after(person.born, minutes=40)
    bedside.admit(at, clinic.site.postnatal)
    bedside.diagnose(TERM, at)
    bedside.sample(after(at, hours=9), "CRP", drawn="capillary")
    bedside.discharge(clinic.between(at, 1.2, 2))
    return bedside.course(looks_like="well baby: treatment function 424")


def mother(clinic: Clinic, child: Course) -> Course:
    """A child's mother, with the child's diagnosis coded on her own stay, as happens."""
    person = child.person.mother
    if person is None:
        raise ValueError("the child of this course has no mother")
    at = after(child.person.born, hours=-9)
    bedside = Bedside(clinic, person, None)
    bedside.admit(at, clinic.site.maternity, method="31", source="19")
    own, fetal = _FETAL.get(child.confirmed[0] if child.confirmed else "", (("O80.0", "Spontaneous delivery"), ""))
    bedside.diagnose(own, at)
    if fetal:
        bedside.diagnose((fetal, _WORDS[fetal]), at)
    bedside.sample(after(at, hours=1), "FBC")
    bedside.discharge(clinic.between(child.person.born, 1, 3))
    return bedside.course(looks_like="mother: her child's diagnosis may stand on her own stay")


def an_unrelated_adult(clinic: Clinic, start: datetime, *, number: int) -> Course:
    """Somebody else in the hospital, with a code that means something else in an infant."""
    diagnoses, operations, why = _ADULTS[number % len(_ADULTS)]
    sex = "F" if "ovary" in why or "tube" in why else clinic.rng.choice("FM")
    born = after(start, days=-365.25 * clinic.rng.uniform(24, 88))
    bedside = Bedside(clinic, an_adult(clinic.book, clinic.rng, born=born, sex=sex), None)
    at = clinic.between(start, 0, 30)
    bedside.admit(at, clinic.site.adult_surgery if operations else clinic.site.adult_medicine, method="21", source="19")
    for title in diagnoses:
        bedside.diagnose(title, at)
    if operations:
        bedside.operate(after(at, hours=20), *operations, hours=2)
    bedside.bloods(at, after(at, days=3), every_days=1.5)
    bedside.discharge(clinic.between(at, 3.2, 7))
    return bedside.course(looks_like=why)
