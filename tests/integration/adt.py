"""Builders of ADT messages field by field, for events that `messages.an_adt` does not know; and their outcome."""

from collections.abc import Callable, Sequence
from itertools import count, permutations
from typing import Any

from tests.integration.messages import TRUST, Baby, a_baby
from tests.integration.trust import Trust

_CONTROL = count(1)


def message(event: str, *segments: str, at: str, happened: str = "", sequence: str = "", control: str = "") -> bytes:
    """`at` is when it was recorded (EVN-2), `happened` when it occurred (EVN-6); both to the minute."""
    control = control or f"A{next(_CONTROL):06d}"
    head = f"MSH|^~\\&|PAS|{TRUST}|CSOR|{TRUST}|{at}00||ADT^{event}|{control}|P|2.4|{sequence}||||GBR|UNICODE UTF-8"
    return ("\r".join([head, f"EVN|{event}|{at}00||||{happened or at}", *segments]) + "\r").encode()


def pid(baby: Baby, *, account: str = "", death: str = "", dead: str = "", first: str = "") -> str:
    """`death` and `dead` are PID-29 and PID-30 as sent; `first`: PID-2."""
    fields = baby.pid().split("|")
    fields += [""] * (34 - len(fields))
    fields[2], fields[18] = first or fields[2], account
    fields[29], fields[30] = death or fields[29], dead or fields[30]
    return "|".join(fields).rstrip("|")


def pv1(
    visit: str, ward: str = "NICU^422", *, admitted: str = "", discharged: str = "", kind: str = "I", method: str = ""
) -> str:
    code, _, function = ward.partition("^")
    fields = [""] * 46
    fields[1], fields[2], fields[10], fields[19] = "1", kind, function, visit
    fields[3] = f"{code}^BAY1^B1^{TRUST}" if code else ""
    fields[36], fields[44], fields[45] = method, admitted, discharged
    return "PV1|" + "|".join(fields[1:]).rstrip("|")


def mrg(number: str = "", *, account: str = "", visit: str = "", patient_id: str = "") -> str:
    own = "~".join(f"{each}^^^{TRUST}^MR" for each in number.split())
    return f"MRG|{own}||{account}|{patient_id}|{visit}"


def dg1(code: str, *, action: str = "", number: str = "", nth: int = 1) -> str:
    fields = ["DG1", str(nth), "", code, "", "202609050900", "F", *[""] * 13, number, action]
    return "|".join(fields).rstrip("|")


def pr1(code: str, *, action: str = "", number: str = "", done: str = "202609030900", nth: int = 1) -> str:
    fields = ["PR1", str(nth), "", code, "", done, "P", *[""] * 12, number, action]
    return "|".join(fields).rstrip("|")


Rows = dict[str, list[tuple[Any, ...]]]


def of_child(trust: Trust, child: int, **kinds: Sequence[str]) -> Rows:
    """These fields of the child's rows of these kinds; order means nothing."""
    return {
        kind: sorted(
            (tuple(row.get(name) for name in names) for row in trust.rows(kind) if row["child"] == child), key=str
        )
        for kind, names in kinds.items()
    }


def orders(count: int) -> list[tuple[int, ...]]:
    """All orders of up to three messages; of four, eight in which each comes first, and before and after each other."""
    return list(permutations(range(count)))[:: 3 if count > 3 else 1]


def in_every_order(
    trust: Trust,
    told: Callable[[Baby], Sequence[bytes]],
    before: Callable[[Baby], Sequence[bytes]] = lambda _: (),
    **kinds: Sequence[str],
) -> Rows:
    """What comes of the messages, told of one child after the other in each order there is: always the same.

    `before` makes the child one of the register, first of all.
    """
    found: list[Rows] = []
    for nth, order in enumerate(orders(len(told(a_baby(0))))):
        baby = a_baby(100 + nth)
        known = {person.id for person in trust.persons()}
        trust.each(*before(baby))
        messages = told(baby)
        trust.each(*(messages[place] for place in order))
        (child,) = {person.id for person in trust.persons()} - known
        found.append(of_child(trust, child, **kinds))
    assert all(each == found[0] for each in found), [each for each in found if each != found[0]][:2] + found[:1]
    return found[0]


def short(moment: Any) -> str:
    """`09-02 10:00` of an instant."""
    return "" if moment is None else str(moment)[5:16].replace("T", " ")
