"""Look-alikes of necrotising enterocolitis: treated without operation, another perforation, and words that mislead."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.case_nec import NEC
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.likeness import ends, on_the_unit, with_operation
from adapter.simulator.moments import after
from adapter.simulator.reading_room import Request, examined

PERFORATION = ("P78.0", "Perinatal intestinal perforation")
REPAIR = ("G78.4", "Closure of perforation of ileum")


def treated_nec(clinic: Clinic, start: datetime) -> Course:
    """P77 treated with antibiotics and rest: coders write "treat as" so (R2)."""
    bedside, at = on_the_unit(clinic, start, weeks=(28, 32))
    onset = clinic.between(at, 12, 18)
    bedside.diagnose(NEC, onset)
    bedside.ill(onset, after(onset, days=3), severity=0.5)
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(onset, 1, 4),
        "Bilious aspirates, abdominal distension",
        present=("dilated_loops",),
        absent=("pneumoperitoneum",),
    )
    bedside.prescribe(
        bedside.pharmacy.antibiotic("cefotaxime", after(onset, hours=2), days=7),
        bedside.pharmacy.antibiotic("metronidazole", after(onset, hours=2), days=7),
    )
    why = "P77 treated medically: probable only (R2)"
    return ends(bedside, at, days=(34, 44), why=why, expected=(("nec", "probable"),))


def treated_nec_after_atresia(clinic: Clinic, start: datetime) -> Course:
    """The resection was before the onset, for an atresia: it proves nothing."""
    bedside, at = on_the_unit(clinic, start, weeks=(33, 36))
    bedside.diagnose(("Q41.2", "Congenital absence, atresia and stenosis of ileum"), bedside.person.born)
    with_operation(bedside, clinic.between(at, 1, 2), ("G69.3", "Ileectomy and anastomosis of ileum to ileum"))
    onset = clinic.between(at, 14, 18)
    bedside.diagnose(NEC, onset)
    bedside.ill(onset, after(onset, days=2), severity=0.4)
    why = "P77 alone: the resection was before its onset"
    return ends(bedside, at, days=(28, 36), why=why, expected=(("nec", "probable"),))


def isolated_perforation(clinic: Clinic, start: datetime) -> Course:
    """Spontaneous perforation in the first days of an extremely preterm infant."""
    bedside, at = on_the_unit(clinic, start, weeks=(24, 26))
    since = clinic.between(at, 3, 6)
    bedside.diagnose(PERFORATION, since)
    bedside.image(
        "abdominal_xray",
        clinic.hours_after(since, 0.5, 2),
        "Sudden blue abdomen on day 5, received indometacin",
        present=("pneumoperitoneum",),
    )
    with_operation(bedside, clinic.hours_after(since, 5, 14), REPAIR)
    why = "isolated perforation P78.0: suspected only"
    return ends(bedside, at, days=(40, 55), why=why, expected=(("nec", "suspected"),))


def struck_off(clinic: Clinic, start: datetime) -> Course:
    """A working diagnosis of NEC that the coders replaced by isolated perforation."""
    bedside, at = on_the_unit(clinic, start, weeks=(25, 28))
    since = clinic.between(at, 3, 6)
    bedside.diagnose(NEC, since)
    course = ends(
        bedside,
        at,
        days=(14, 20),
        why="P77 taken off the list: isolated perforation, not NEC",
        expected=(("nec", "suspected"),),
    )
    visit = course.visits[0]
    working = visit.diagnoses[0]
    ruled_out = max(after(visit.discharged_at, days=-1), after(working.coded_at, hours=8))
    found = replace(working, code=PERFORATION[0], words=PERFORATION[1], coded_at=ruled_out, snomed="")
    diagnoses = (replace(working, struck_at=ruled_out), found, *visit.diagnoses[1:])
    return replace(course, visits=(replace(visit, diagnoses=diagnoses),))


def not_elsewhere_classified(clinic: Clinic, start: datetime) -> Course:
    """Titles that end in NEC, which there means "not elsewhere classified" (R1)."""
    bedside, at = on_the_unit(clinic, start)
    bedside.diagnose(("R18", "Ascites"), bedside.person.born)
    at_operation = clinic.between(at, 2, 4)
    with_operation(bedside, at_operation, ("T46.2", "Drainage of ascites NEC"), ("Y50.2", "Laparotomy approach NEC"))
    return ends(bedside, at, days=(8, 12), why="NEC in a title: not elsewhere classified (R1)")


def asked_for_nec(clinic: Clinic, start: datetime) -> Course:
    """Every request asks for it, no report finds it."""
    bedside, at = on_the_unit(clinic, start, weeks=(28, 31))
    for days, indication in ((9, "?NEC"), (9.4, "NEC watch, repeat film"), (11, "r/o NEC, bilious aspirate")):
        bedside.image(
            "abdominal_xray",
            after(at, days=days),
            indication,
            absent=("pneumatosis", "portal_venous_gas", "pneumoperitoneum"),
        )
    return ends(bedside, at, days=(30, 40), why="?NEC in requests, denied in every report")


def relatives_disease(clinic: Clinic, start: datetime) -> Course:
    """What a brother had stands in the report."""
    bedside, at = on_the_unit(clinic, start, weeks=(36, 39))
    request = Request(
        study="abdominal_xray",
        performed_at=after(at, days=2),
        indication="Vomiting",
        absent=("pneumatosis",),
        lines=(
            "Clinical details: Vomiting once. Sibling had Hirschsprung disease, an older brother had NEC.",
            "Findings: Normal bowel gas pattern.",
            "No pneumatosis.",
            "Conclusion: Normal study. No evidence of necrotising enterocolitis.",
        ),
    )
    course = ends(bedside, at, days=(4, 6), why="diseases of relatives, and a denial, in a report")
    examinations = (*course.examinations, examined(clinic, request))
    return replace(course, examinations=examinations)


def stated_nec(clinic: Clinic, start: datetime) -> Course:
    """A radiologist states it; nobody codes it."""
    bedside, at = on_the_unit(clinic, start, weeks=(28, 31))
    request = Request(
        study="abdominal_xray",
        performed_at=after(at, days=10),
        indication="Distension",
        present=("dilated_loops",),
        lines=(
            "Clinical details: Distension, preterm.",
            "Findings:",
            "There are multiple dilated loops of bowel.",
            "The findings are those of necrotising enterocolitis.",
        ),
    )
    course = ends(
        bedside, at, days=(25, 32), why="NEC stated in one report and never coded", expected=(("nec", "suspected"),)
    )
    return replace(course, examinations=(*course.examinations, examined(clinic, request)))


def refuted_nec(clinic: Clinic, start: datetime) -> Course:
    """On the problem list for a day, then refuted."""
    bedside, at = on_the_unit(clinic, start, weeks=(29, 32))
    bedside.diagnose(NEC, clinic.between(at, 8, 10), verification="refuted")
    why = "NEC on the problem list as refuted"
    return ends(bedside, at, days=(24, 32), why=why, expected=(("nec", "refuted"),))
