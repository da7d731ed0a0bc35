"""Every look-alike, alone and beside the true code: which state it must reach, and which it reaches.

`.venv/bin/python -m tests.mappings.lookalikes` prints the table; exit 1 if any state differs. What must be reached is
written by hand in lookalike_truth.py.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from adapter.cohort import CaseState, Coded, Noted, State, Told, judge
from adapter.mapping.codelists import CodeLists, load_codelists
from tests.mappings.lookalike_truth import (
    ALONE,
    ALONE_CODE,
    BESIDE_CODE,
    BESIDE_LIST,
    COLLISIONS,
    CONDITIONS,
    CONFIRMED,
    CORE,
    CORE_STATE,
    HELD,
    NAMES,
    NONE,
    OTHER_MEANINGS,
    PROBABLE,
    REFUTED,
    SUSPECTED,
    SYSTEMS,
    TRAPS,
    WRITTEN,
)
from tests.unit.cohort.builders import BORN, ICD, MAPPINGS, OPCS, diagnosed, operated, rules


class Line(NamedTuple):
    """One line of the table."""

    part: str
    code: str
    system: str
    on: str
    """The list, or what stands beside."""
    expected: str
    reached: str

    @property
    def is_right(self) -> bool:
        return self.expected == self.reached


Part = Callable[[], Iterator[Line]]


@cache
def lists() -> CodeLists:
    return load_codelists(MAPPINGS / "codelists")


def table() -> list[Line]:
    """All of it."""
    parts = (alone, beside, collisions, other_systems, wordings, traps, records, guards)
    return [line for part in parts for line in part()]


def alone() -> Iterator[Line]:
    """Every row of every list, by itself."""
    for name in lists().names:
        for row in lists().rows(name):
            if row.system in SYSTEMS:
                wanted = _states_of(row.system, row.code)
                yield _line("alone", row.code, row.system, name, wanted, _said(row.system, row.code))


def beside() -> Iterator[Line]:
    """Every row beside the core code of its condition."""
    for name in lists().names:
        condition = CONDITIONS.get(name.partition(".")[0])
        for row in lists().rows(name) if condition else ():
            state = BESIDE_CODE.get((name, row.code)) or BESIDE_LIST.get(name, CORE_STATE[condition])
            others = _states_of(row.system, row.code) | {condition: state}
            core = diagnosed(CORE[condition][1])
            yield _line(
                "beside",
                row.code,
                row.system,
                f"{name} + {CORE[condition][1]}",
                others,
                _said(row.system, row.code, core),
            )


def collisions() -> Iterator[Line]:
    """Section 3.3, both ways, and without any system."""
    for code, as_operation, as_diagnosis in COLLISIONS:
        yield _line("collision", code, "opcs-4", "3.3", as_operation, _judged(procedures=[operated(code)]))
        yield _line("collision", code, "icd-10", "3.3", as_diagnosis, _judged([diagnosed(code)]))
        bare = [diagnosed(code, system="")], [operated(code, system="")]
        yield _line("collision", code, "none", "3.3", {}, _judged(*bare))


def other_systems() -> Iterator[Line]:
    """Every listed string of ICD-10 as OPCS-4 and the other way round; and in the wrong resource."""
    for name in (each for each in lists().names if each.partition(".")[0] in CONDITIONS):
        for row in lists().rows(name):
            if row.system == "icd-10":
                other, found = "opcs-4", _judged(procedures=[operated(row.code)])
                wrong = _judged(procedures=[operated(row.code, system=ICD)])
            elif row.system == "opcs-4":
                other, found = "icd-10", _judged([diagnosed(row.code)])
                wrong = _judged([diagnosed(row.code, system=OPCS)])
            else:
                continue
            yield _line("other system", row.code, other, name, _states_of(other, row.code), found)
            yield _line("wrong resource", row.code, row.system, name, {}, wrong)


def wordings() -> Iterator[Line]:
    """The core codes as hospitals write them."""
    for condition, written in WRITTEN.items():
        for code in written:
            yield _line(
                "written", code, "icd-10", condition, {condition: CORE_STATE[condition]}, _judged([diagnosed(code)])
            )


def traps() -> Iterator[Line]:
    """Every trap in words for every condition, alone and beside its core code; and one plain statement of each."""
    for condition, name in NAMES.items():
        texts = [*(trap.format(name) for trap in TRAPS), *OTHER_MEANINGS[condition]]
        for text in texts:
            core = {condition: CORE_STATE[condition]}
            yield _line("text", _shown(text), "words", condition, {}, _judged(texts=[text]))
            yield _line(
                "text",
                _shown(text),
                "words",
                f"+ {CORE[condition][1]}",
                core,
                _judged([diagnosed(CORE[condition][1])], texts=[text]),
            )
        plain = f"Findings: {name} is present."
        yield _line("text", plain, "words", condition, {condition: SUSPECTED}, _judged(texts=[plain]))
        displayed = {"text": name, "coding": [{"system": ICD, "code": "R18", "display": name}]}
        spoken = Coded({"resourceType": "Condition", "code": displayed, "onsetDateTime": "2026-03-02"})
        yield _line("text", "in a display", "icd-10", condition, {}, _judged([spoken]))


def records() -> Iterator[Line]:
    """The operative record (R3) and histology."""
    for condition in CORE:
        for status, state in (
            ("completed", CONFIRMED),
            ("amended", CONFIRMED),
            ("entered-in-error", REFUTED),
            ("in-progress", NONE),
        ):
            note = Noted(condition, "2026-03-03", status)
            yield _line(
                "record", status, "CSOR", condition, {condition: state} if state != NONE else {}, _judged(notes=[note])
            )
    decided = Noted("nec", "2026-03-03", "decided")
    yield _line("record", "decided", "CSOR", "nec", {"nec": SUSPECTED}, _judged(notes=[decided]))
    yield _line(
        "record", "decided", "CSOR", "nec + P77", {"nec": CONFIRMED}, _judged([diagnosed("P77")], notes=[decided])
    )
    for category, state in (("SP", {"hirschsprung": CONFIRMED}), ("RAD", {})):
        yield _line("histology", "Q43.1", "icd-10", f"report {category}", state, _judged([_pathology(category)]))
        yield _line(
            "histology",
            "Q43.1",
            "icd-10",
            f"report {category} + H33.2",
            state,
            _judged([_pathology(category)], [operated("H33.2")]),
        )


def guards() -> Iterator[Line]:
    """Age at the event and sex (R6)."""
    late = {
        "hirschsprung": "2027-03-02",
        "gastroschisis": "2026-03-30",
        "cdh": "2027-03-02",
        "oesophageal_atresia": "2026-03-30",
        "puv": "2027-03-02",
    }
    for condition, day in late.items():
        code = CORE[condition][1]
        found = _judged([diagnosed(code, day, admitted=None)])
        yield _line("late", code, "icd-10", f"{condition} first seen {day}", {condition: PROBABLE + HELD}, found)
    found = _judged([diagnosed("P77", "2026-09-02", admitted=None)])
    yield _line("late", "P77", "icd-10", "nec first seen after 183 days", {"nec": SUSPECTED}, found)
    for sex, state in (
        ("male", CONFIRMED),
        ("female", CONFIRMED + HELD),
        ("unknown", CONFIRMED + HELD),
        ("other", CONFIRMED + HELD),
    ):
        yield _line("sex", "Q64.2", "icd-10", f"puv, {sex}", {"puv": state}, _judged([diagnosed("Q64.2")], sex=sex))
    yield _line("sex", "Q62.0", "icd-10", "puv, female", {}, _judged([diagnosed("Q62.0")], sex="female"))


def _states_of(system: str, code: str) -> dict[str, str]:
    """What the code must make by itself: a code may stand on lists of two conditions."""
    found = {}
    for name, state in ALONE.items():
        row = lists().lookup(name, system, code)
        if row is not None and row.code == code:
            wanted = ALONE_CODE.get((name, code), state)
            if wanted != NONE:
                found[CONDITIONS[name.partition(".")[0]]] = wanted
    return found


def _said(system: str, code: str, *more: Coded) -> list[CaseState]:
    """An OPCS-4 code is an operation; of SNOMED CT, what stands on a list of procedures."""
    is_operation = system == "opcs-4" or any(
        lists().lookup(name, system, code)
        for name in lists().names
        if ".dx." not in name and not name.startswith(("CASEMIX", "OUTCOME"))
    )
    if is_operation:
        return _judged(more, [operated(code, system=SYSTEMS[system])])
    return _judged([*more, diagnosed(code, system=SYSTEMS[system])])


def _judged(
    conditions: Iterable[Coded] = (),
    procedures: Iterable[Coded] = (),
    *,
    texts: Iterable[str] = (),
    notes: Iterable[Noted] = (),
    sex: str = "male",
) -> list[CaseState]:
    told = [Told(text, "2026-03-02") for text in texts]
    return judge(conditions, procedures, birth=BORN, sex=sex, rules=rules(), texts=told, notes=notes)


def _pathology(category: str) -> Coded:
    return Coded(
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "category": [{"coding": [{"code": category}]}],
            "effectiveDateTime": "2026-03-02",
            "conclusionCode": [{"coding": [{"system": ICD, "code": "Q43.1"}]}],
        }
    )


def _line(part: str, code: str, system: str, on: str, expected: dict[str, str], found: Iterable[CaseState]) -> Line:
    reached = {
        case.condition: case.state.value + (HELD if case.held else "") for case in found if case.state is not State.NONE
    }
    return Line(part, code, system, on, _states(expected), _states(reached))


def _states(states: dict[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in sorted(states.items())) or NONE


def _shown(text: str) -> str:
    return " / ".join(text.split("\n")).strip(" /")


def main() -> int:
    """Print the table; 1 if a state differs."""
    lines = table()
    wrong = [line for line in lines if not line.is_right]
    heads = Line("part", "code or words", "system", "list or beside", "expected", "reached")
    for line in [heads, *lines]:
        mark = "" if line is heads or line.is_right else "  <-- DIFFERS"
        named = f"{line.part:<14} {line.code:<44.44} {line.system:<9} {line.on:<44.44}"
        print(f"{named} {line.expected:<38} {line.reached}{mark}")
    print(f"{len(lines)} look-alikes and true codes, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
