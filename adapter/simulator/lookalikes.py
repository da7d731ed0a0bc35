"""Infants and adults who must make no row: each looks like a case in one exact way."""

from dataclasses import replace

from adapter.simulator.cases import NEC
from adapter.simulator.course import Course, Diagnosis, Operation, Stay, Visit
from adapter.simulator.laboratory import Bench, Illness
from adapter.simulator.moments import after
from adapter.simulator.nursery import Nursery, Proof, course_of
from adapter.simulator.people import Person, an_adult
from adapter.simulator.wards import ADULT_MEDICINE, ADULT_SURGERY, MATERNITY, NICU, POSTNATAL, SURGICAL


def exomphalos(nursery: Nursery, person: Person) -> Course:
    """The other defect of the abdominal wall."""
    at = nursery.between(person.born, 0.3, 1)
    visit = nursery.surgical_visit(person, operation_at=at, days=(5, 10))
    proof = Proof(
        code="Q79.2",
        words="Exomphalos",
        made_at=person.born,
        operations=(("T28.2", "Suture of anterior abdominal wall", at),),
    )
    visit = _with(visit, proof)
    return course_of(person, visit, nursery.reports(visit), looks_like="exomphalos: Q79.2 is not gastroschisis")


def burned_oesophagus(nursery: Nursery, person: Person) -> Course:
    """T28.1 as a diagnosis, in a child of some months."""
    older = replace(person, born=after(person.born, days=-150), named_at=None, numbered_at=None)
    at = after(person.born, days=2)
    visit = Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=SURGICAL, since=at),),
        discharged_at=nursery.between(at, 2, 5),
        diagnoses=(
            Diagnosis(code="T28.1", words="Burn of oesophagus", made_at=at, coded_at=after(at, hours=5)),
        ),
        is_registered_first=True,
    )  # fmt: skip
    return course_of(
        older, visit, nursery.later_reports(visit), looks_like="burn of oesophagus: T28.1 as ICD-10 is no closure"
    )


def not_elsewhere_classified(nursery: Nursery, person: Person) -> Course:
    """Titles that end in NEC, which there means "not elsewhere classified"."""
    at = nursery.between(person.born, 2, 4)
    visit = nursery.surgical_visit(person, operation_at=at, days=(4, 8))
    proof = Proof(
        code="R18",
        words="Ascites",
        made_at=person.born,
        operations=(("T46.2", "Drainage of ascites NEC", at), ("Y50.2", "Laparotomy approach NEC", at)),
    )
    visit = _with(visit, proof)
    return course_of(person, visit, nursery.reports(visit), looks_like="NEC in a title: not elsewhere classified")


def struck_off(nursery: Nursery, person: Person) -> Course:
    """A working diagnosis of NEC that the coders replaced by isolated perforation."""
    onset = nursery.between(person.born, 3, 6)
    at = nursery.between(onset, 0.2, 0.8)
    visit = nursery.surgical_visit(person, operation_at=at, days=(8, 14))
    ruled_out = nursery.between(visit.discharged_at, -1.2, -0.5)
    working = Diagnosis(code=NEC[0], words=NEC[1], made_at=onset, coded_at=after(onset, hours=4), struck_at=ruled_out)
    proof = Proof(
        code="P78.0",
        words="Perinatal intestinal perforation",
        made_at=onset,
        operations=(("G78.4", "Closure of perforation of ileum", at),),
    )
    # The operation enters the list with the final coding, so that at no time both stand.
    diagnosis, operations = proof.coded(diagnosis_at=ruled_out, operations_at=ruled_out)
    visit = replace(visit, diagnoses=(working, diagnosis), operations=operations)
    return course_of(
        person, visit, nursery.reports(visit), looks_like="P77 taken off the list: isolated perforation, not NEC"
    )


def well_baby(nursery: Nursery, person: Person) -> Course:
    """A healthy newborn on the postnatal ward."""
    at = after(person.born, minutes=40)
    visit = Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=POSTNATAL, since=at),),
        discharged_at=nursery.between(at, 0.8, 2),
        diagnoses=(
            Diagnosis(code="Z38.0", words="Singleton, born in hospital", made_at=at, coded_at=after(at, hours=2)),
        ),
    )  # fmt: skip
    bench = Bench(nursery.book, nursery.rng)
    reports = tuple(bench.sample(after(at, hours=9), specimen="capillary", panels=("CRP",)))
    return course_of(person, visit, reports, looks_like="well baby: treatment function 424")


def treated_as_nec(nursery: Nursery, person: Person, *, number: int) -> Course:
    """P77 without operation for it; every other one had bowel resected for atresia before, which proves nothing."""
    onset = nursery.between(person.born, 14, 22)
    admitted = nursery.between(person.born, 0.03, 0.15)
    had_atresia = number % 2 == 1
    visit = Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=NICU, since=admitted),),
        discharged_at=nursery.between(onset, 12, 20),
    )
    proof = Proof(code=NEC[0], words=NEC[1], made_at=onset, operations=())
    diagnosis, _ = proof.coded(diagnosis_at=after(onset, hours=7), operations_at=onset)
    before = _atresia(nursery, person) if had_atresia else ((), ())
    visit = replace(visit, diagnoses=(*nursery.background(visit), *before[0], diagnosis), operations=before[1])
    illness = Illness(since=onset, until=after(onset, days=3))
    why = "P77 alone: probable only" + (", resection was before its onset" if had_atresia else "")
    return course_of(person, visit, nursery.reports(visit, illness=illness), looks_like=why)


def _atresia(nursery: Nursery, person: Person) -> tuple[tuple[Diagnosis, ...], tuple[Operation, ...]]:
    at = nursery.between(person.born, 1, 2)
    atresia = Diagnosis(
        code="Q41.2",
        words="Congenital absence, atresia and stenosis of ileum",
        made_at=person.born,
        coded_at=after(at, hours=2),
    )
    resection = Operation(
        code="G69.3", words="Ileectomy and anastomosis of ileum to ileum", at=at, coded_at=after(at, hours=4)
    )
    return (atresia,), (resection,)


def _with(visit: Visit, proof: Proof) -> Visit:
    diagnosis, operations = proof.coded(
        diagnosis_at=after(visit.admitted_at, hours=3), operations_at=after(visit.admitted_at, hours=3)
    )
    return replace(visit, diagnoses=(diagnosis,), operations=operations)


def mother(nursery: Nursery, child: Course) -> Course:
    """A child's mother, with the child's diagnosis coded on her own visit, as happens."""
    person = child.person.mother
    if person is None:
        raise ValueError("the child of this course has no mother")
    at = after(child.person.born, hours=-9)
    visit = Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=MATERNITY, since=at),),
        discharged_at=nursery.between(at, 2, 4),
        diagnoses=tuple(
            Diagnosis(code=code, words=words, made_at=at, coded_at=after(at, hours=12))
            for code, words in (
                ("O35.8", "Maternal care for other suspected fetal abnormality and damage"),
                ("Q79.3", "Gastroschisis"),
            )
        ),
    )
    reports = tuple(Bench(nursery.book, nursery.rng).sample(after(at, hours=1), specimen="venous", panels=("FBC",)))
    return course_of(person, visit, reports, looks_like="mother: her child's diagnosis stands on her own visit")


def unrelated_adult(nursery: Nursery, *, number: int, child: Course) -> Course:
    """Somebody else in the hospital; every third had bowel resected."""
    sex = nursery.rng.choice("FM")
    born = after(child.person.born, days=-365.25 * nursery.rng.uniform(30, 88))
    person = an_adult(nursery.book, nursery.rng, born=born, sex=sex)
    at = nursery.between(child.person.born, 0, 20)
    operation_at = after(at, hours=8)
    resection = Operation(
        code="H07.4",
        words="Right hemicolectomy and ileostomy HFQ",
        at=operation_at,
        coded_at=after(operation_at, hours=5),
    )
    visit = Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=ADULT_SURGERY if number % 3 == 0 else ADULT_MEDICINE, since=at),),
        discharged_at=nursery.between(at, 2, 6),
        diagnoses=(Diagnosis(code="K65.0", words="Acute peritonitis", made_at=at, coded_at=after(at, hours=3)),),
        operations=(resection,) if number % 3 == 0 else (),
    )
    bench = Bench(nursery.book, nursery.rng)
    reports = tuple(bench.sample(after(at, hours=2), specimen="venous", panels=("FBC", "CRP", "UE")))
    return course_of(person, visit, reports)
