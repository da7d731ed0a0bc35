"""Any few messages about two children and their numbers, visits and accounts, told in any order: the same rows."""

from itertools import permutations
from random import Random
from typing import Any

import pytest

from tests.integration.adt import dg1, message, mrg, pid, pv1
from tests.integration.messages import GASTROSCHISIS, Baby, a_baby, an_oru
from tests.integration.trust import Trust

KINDS = {
    "admission": ("spell_id", "ward_code", "status", "admit_dt", "discharge_dt"),
    "ward_stay": ("spell_id", "ward_code", "start_dt", "end_dt"),
    "diagnosis": ("code",),
    "lab_result": ("value_original",),
    "infant": ("sex", "deceased"),
}
ADT = ("A01", "A02", "A03", "A05", "A08", "A11", "A12", "A13", "A21", "A22", "A38")
NUMBERS = ("A24", "A37", "A40", "A42", "A44", "A45", "A50")


def a_story(seed: int, nth: int) -> list[bytes]:
    """A few messages; now and then two with one clock."""
    draw = Random(seed)
    babies = (a_baby(400 + 2 * nth), a_baby(401 + 2 * nth, nhs="", born="202609010230"))
    visits = [f"S{nth}V{number}" for number in range(3)]
    told = []
    for minute in range(10, 17):
        at = f"20260902{draw.randint(10, 20)}{minute}"
        baby, visit = draw.choice(babies), draw.choice(visits)
        told.append(_one(draw, babies, baby, visit, at, nth))
    if seed % 2:  # both are of the register, whatever their visits say
        told += [message("A31", pid(baby), dg1(GASTROSCHISIS), at="202609011200") for baby in babies]
    return told


def _one(draw: Random, babies: tuple[Baby, Baby], baby: Baby, visit: str, at: str, nth: int) -> bytes:
    other = babies[baby is babies[0]]
    choice = draw.random()
    if choice < 0.25:
        raw = an_oru(baby, order=f"S{nth}L{at[-2:]}", value=at[-4:], at=at)
        return raw.replace(f"V{baby.number}".encode(), visit.encode())
    if choice < 0.7:
        codes = [dg1(draw.choice((GASTROSCHISIS, "K56.6^Obstruction^I10")))] if draw.random() < 0.6 else []
        ward = draw.choice(("NICU^422", "PSW^171"))
        return message(draw.choice(ADT), pid(baby), pv1(visit, ward, admitted="202609010300"), *codes, at=at)
    event = draw.choice(NUMBERS)
    if event in ("A24", "A37"):
        return message(event, pid(baby), pid(other), at=at)
    if event == "A40":
        return message(event, pid(babies[0]), mrg(babies[1].number), at=at)
    if event in ("A44", "A45"):
        return message(event, pid(baby), mrg(other.number, visit=visit), pv1(visit), at=at)
    new = draw.choice([f"S{nth}V{number}" for number in range(3)])
    return message(event, pid(baby), mrg(baby.number, visit=visit), pv1(new), at=at)


def outcome(trust: Trust) -> list[Any]:
    """What each child of this story has; which of the children is which means nothing."""
    rows = [row for row in trust.rows() if row["kind"] in KINDS]
    children = {row["child"] for row in rows}
    blocked = sorted(person.blocked for person in trust.persons())
    found = [
        sorted(
            (row["kind"], *(str(row.get(name)) for name in KINDS[row["kind"]])) for row in rows if row["child"] == child
        )
        for child in children
    ]
    return [sorted(found), [each for each in blocked if each]]


def same_in_any_order(make: Any, seed: int) -> None:
    found = []
    for nth in range(3):
        trust = make()
        story = a_story(seed, 0)
        order = list(range(len(story)))
        Random(seed * 10 + nth).shuffle(order)
        if nth == 2:
            trust.receive(*(story[place] for place in order))
        else:
            trust.each(*(story[place] for place in order))
        found.append(outcome(trust))
    assert all(each == found[0] for each in found), (seed, found)


@pytest.mark.behaviour(110)
@pytest.mark.behaviour(124)
@pytest.mark.parametrize("seed", range(6))
def test_any_few_messages_end_the_same_in_any_order(a_trust: Any, seed: int) -> None:
    same_in_any_order(a_trust, seed)


@pytest.mark.behaviour(110)
def test_a_visit_moved_and_renumbered_is_in_one_place_whatever_came_first(a_trust: Any) -> None:
    found = []
    for order in permutations(range(4)):
        trust = a_trust()
        story = _moved_and_renumbered()
        trust.each(*(story[place] for place in order))
        found.append(outcome(trust))
    assert all(each == found[0] for each in found)
    ((child,), _) = found[0]
    assert sorted(row[1] for row in child if row[0] == "admission") == ["S1V1", "V700400"]


def _moved_and_renumbered() -> list[bytes]:
    """A visit of the second baby, who has nothing else, goes to the first under the number that it is later given."""
    one, two = a_baby(400), a_baby(401, nhs="", born="202609010230")
    return [
        message("A01", pid(one), pv1("V700400", admitted="202609010300"), dg1(GASTROSCHISIS), at="202609010900"),
        message("A45", pid(one), mrg(two.number, visit="S1V2"), pv1("S1V1"), at="202609021000"),
        message("A13", pid(two), pv1("S1V1"), at="202609021100"),
        message("A50", pid(one), mrg(one.number, visit="S1V1"), pv1("S1V2"), at="202609021200"),
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6, 200))
def test_many_stories_end_the_same_in_any_order(a_trust: Any, seed: int) -> None:
    same_in_any_order(a_trust, seed)
