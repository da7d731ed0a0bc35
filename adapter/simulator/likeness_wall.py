"""Look-alikes of gastroschisis and of Hirschsprung disease."""

from datetime import datetime

from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.likeness import ends, older, on_the_unit, with_operation
from adapter.simulator.moments import after

EXOMPHALOS = ("Q79.2", "Exomphalos")
SUTURE = ("T28.2", "Suture of anterior abdominal wall")


def exomphalos(clinic: Clinic, start: datetime) -> Course:
    """The other defect of the abdominal wall, repaired."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(EXOMPHALOS, bedside.person.born, snomed="18735004")
    with_operation(bedside, clinic.between(at, 0.5, 1.2), SUTURE)
    why = "exomphalos repaired: Q79.2 is not gastroschisis"
    return ends(bedside, at, days=(7, 12), why=why, expected=(("gastroschisis", "refuted"),))


def exomphalos_unrepaired(clinic: Clinic, start: datetime) -> Course:
    """Too large to close: it dries under dressings."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(EXOMPHALOS, bedside.person.born)
    return ends(bedside, at, days=(10, 16), why="exomphalos alone: no sign of gastroschisis")


def both_walls(clinic: Clinic, start: datetime) -> Course:
    """Coded as one on the ward and as the other by the coders, and nobody took the first away."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(("Q79.3", "Gastroschisis"), bedside.person.born)
    bedside.diagnose(EXOMPHALOS, bedside.person.born)
    why = "both Q79.2 and Q79.3 stand: a person must say which (R2b)"
    return ends(bedside, at, days=(8, 12), why=why, expected=(("gastroschisis", "probable"),))


def burned_oesophagus(clinic: Clinic, start: datetime) -> Course:
    """T28.1 as a diagnosis, in a child of some months."""
    bedside, at = older(clinic, start, days=(250, 340))
    bedside.diagnose(("T28.1", "Burn of oesophagus"), at)
    return ends(bedside, at, days=(2, 5), why="burn of oesophagus: T28.1 as ICD-10 is no closure (R4)")


def seen_late(clinic: Clinic, start: datetime) -> Course:
    """A child of three with adhesions, coded with what it was born with and had treated elsewhere."""
    bedside, at = older(clinic, start, days=(1000, 1300))
    bedside.diagnose(("K56.5", "Intestinal adhesions [bands] with obstruction"), at)
    bedside.diagnose(("Q79.3", "Gastroschisis"), at)
    why = "Q79.3 first coded at three years: held, first seen late (R6)"
    return ends(bedside, at, days=(3, 6), why=why, expected=(("gastroschisis", "probable"),))


def umbilical_hernia(clinic: Clinic, start: datetime) -> Course:
    """A hernia of the wall that is neither."""
    bedside, at = older(clinic, start, days=(60, 150))
    bedside.diagnose(("K42.0", "Umbilical hernia with obstruction, without gangrene"), at)
    with_operation(bedside, after(at, hours=14), ("T24.2", "Repair of umbilical hernia using sutures"))
    return ends(bedside, at, days=(2, 4), why="umbilical hernia: an exclude code is no evidence (R5)")


def meconium_plug(clinic: Clinic, start: datetime) -> Course:
    """Late meconium that came with an enema."""
    bedside, at = on_the_unit(clinic, start, weeks=(37, 40))
    since = clinic.between(at, 1.6, 2.2)
    bedside.image(
        "lower_gi_contrast",
        clinic.hours_after(since, 3, 8),
        "Delayed passage of meconium. ?Hirschsprung disease",
        absent=("transition_zone", "leak"),
    )
    bedside.diagnose(("P76.0", "Meconium plug syndrome"), since)
    why = "meconium plug: one suspect code"
    return ends(bedside, at, days=(5, 8), why=why, expected=(("hirschsprung", "suspected"),))


def washed_out(clinic: Clinic, start: datetime) -> Course:
    """An obstruction that nobody named, with washouts."""
    bedside, at = on_the_unit(clinic, start, weeks=(37, 40))
    since = clinic.between(at, 1.6, 2.2)
    bedside.diagnose(("P76.9", "Intestinal obstruction of newborn, unspecified"), since)
    bedside.operate(
        clinic.between(since, 0.5, 1), ("H62.5", "Irrigation of bowel NEC"), hours=0.4, in_theatre=False
    )  # fmt: skip
    why = "obstruction and washouts: two signs, neither confirms"
    return ends(bedside, at, days=(6, 9), why=why, expected=(("hirschsprung", "probable"),))


def megacolon(clinic: Clinic, start: datetime) -> Course:
    """Constipation of an older infant."""
    bedside, at = older(clinic, start, days=(200, 320))
    bedside.diagnose(("K59.3", "Megacolon, not elsewhere classified"), at)
    why = "megacolon not elsewhere classified: one suspect code"
    return ends(bedside, at, days=(2, 4), why=why, expected=(("hirschsprung", "suspected"),))


def anorectal_malformation(clinic: Clinic, start: datetime) -> Course:
    """Pulled through for another reason: the operations share their codes (R4)."""
    bedside, at = on_the_unit(clinic, start, weeks=(37, 40))
    bedside.diagnose(
        ("Q42.3", "Congenital absence, atresia and stenosis of anus without fistula"), bedside.person.born
    )  # fmt: skip
    with_operation(
        bedside, clinic.between(at, 1, 2), ("H33.2", "Proctectomy and anastomosis of colon to anus"), hours=2.6
    )
    return ends(bedside, at, days=(8, 12), why="anorectal malformation: H33.2 without Q43.1 says nothing (R4)")


def provisional_hirschsprung(clinic: Clinic, start: datetime) -> Course:
    """Thought of, biopsied, and not found; the problem list still says provisional."""
    bedside, at = on_the_unit(clinic, start, weeks=(37, 40))
    bedside.diagnose(
        ("Q43.1", "Hirschsprung disease"), clinic.between(at, 2, 3), verification="provisional"
    )  # fmt: skip
    why = "Hirschsprung disease as provisional only"
    return ends(bedside, at, days=(5, 8), why=why, expected=(("hirschsprung", "suspected"),))
