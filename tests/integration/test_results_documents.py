"""Documents through the whole pipeline: they stand or fall by their times, may raise a suspicion, and never leave."""

import base64
from collections.abc import Callable, Sequence
from itertools import permutations

import pytest

from adapter.assertion import Assertion, SourceIdentifier
from adapter.settle.documents import standing
from adapter.settle.projection import Said, Source
from tests.integration.messages import GASTROSCHISIS, a_baby, a_message, an_adt
from tests.integration.trust import Trust
from tests.unit.mapping_v2.test_documents import a_document, the_document

ONE = a_baby(1)
PDF = b"%PDF-1.4\n" + bytes(range(256)) + b"CANARY-IN-A-PDF\n%%EOF\n"


def a_letter(event: str, text: str, *, number: str = "D1", parent: str = "", at: str, kind: str = "DS") -> bytes:
    txa = f"TXA|1|{kind}|TX|202609031000||||||||{number}|{parent}||||AU||AV"
    lines = [f"EVN|{event}|{at}", txa, *([f"OBX|1|TX|T||{text}||||||F"] if text else [])]
    return a_message(f"MDM^{event}", ONE, *lines, at=at)


NEC = "Necrotising enterocolitis, treated without operation."


@pytest.mark.behaviour(139)
def test_the_text_of_a_clinical_document_may_raise_a_suspicion(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310"))
    trust.receive(a_letter("T02", NEC, at="202609040900", kind="ZLET"))
    assert trust.states() == {}
    trust.receive(a_letter("T02", NEC, at="202609040900", number="D2"))
    assert trust.states() == {"nec": "suspected"}


@pytest.mark.behaviour(139)
@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize(
    "second",
    [
        a_letter("T11", "", at="202609050900"),
        a_letter("T08", "Feeding well.", at="202609050900"),
        a_letter("T10", "Feeding well.", number="D2", parent="D1", at="202609050900"),
    ],
)
def test_what_was_cancelled_edited_or_replaced_says_nothing_whichever_came_first(
    trust: Trust, second: bytes, order: Sequence[int]
) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310"))
    told = [a_letter("T02", NEC, at="202609040900"), second]
    for number in order:
        trust.receive(told[number])
    assert trust.states() == {}


def test_an_addendum_speaks_beside_its_document_and_goes_with_it(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310"))
    trust.receive(a_letter("T02", "Feeding well.", at="202609040900"))
    trust.receive(a_letter("T06", NEC, number="D2", parent="D1", at="202609041000"))
    assert trust.states() == {"nec": "suspected"}
    trust.receive(a_letter("T11", "", at="202609050900"))
    assert trust.states() == {}


@pytest.mark.behaviour(132)
def test_a_pdf_is_kept_inside_and_never_leaves(a_feed: Callable[[str], Trust]) -> None:
    for rule, is_kept in (("drop", False), ("keep-inside", True)):
        trust = a_feed(f"{{documents: {rule}}}")
        trust.receive(an_adt("A01", ONE, at="202609010310", codes=[GASTROSCHISIS]))
        text = base64.b64encode(PDF).decode()
        obr = "OBR|1||{order}|HIST^Histology|||202609020900|||||||||||||||20260902100000|||F"
        for order, data in (("H1", text), ("H2", text[:80])):
            pieces = [f"OBX|{n}|ED|PDF^Report||^application^pdf^Base64^{each}||||||F" for n, each in
                      enumerate((data[:60], data[60:]), start=1)]  # fmt: skip
            segments = [obr.format(order=order), *pieces, "OBX|9|NM|CRPB^C-reactive protein^WINPATH||5|mg/L|||||F"]
            trust.receive(a_message("ORU^R01", ONE, *segments, "SPM|1|||BLDV", at="202609021000"))
        trust.dispatch()
        trust.assert_csor_agrees()
        assert trust.counts()["problem.P125"] == 1 and trust.parked() == []
        assert trust.values() == ["5", "5"]
        assert trust.csor.batches and not any(text[20:50].encode() in batch for _, batch in trust.csor.batches)
        assert not any(b"CANARY-IN-A-PDF" in batch for _, batch in trust.csor.batches)
        assert not any(text[20:50] in str(row) for row in trust.rows(every=True))
        assert is_kept == (len(trust.documents()) == 1)


def of_messages(*documents: tuple[str, str, str, str]) -> dict[str, list[Said]]:
    """Each (event, number, parent, time)."""
    found: dict[str, list[Said]] = {}
    for n, (event, number, parent, at) in enumerate(documents, start=1):
        item = the_document(a_document(event, f"Text {n}", number=number, parent=parent, at=f"20260104{at}00"))
        source = Source(n, n, 0, b"", Assertion("epr", SourceIdentifier("RXX", "1"), [item], {}))
        found.setdefault(f"epr|{item.key}", []).append(Said(item, source))
    return found


@pytest.mark.behaviour(139)
@pytest.mark.parametrize(
    ("told", "left"),
    [
        ([("T02", "A", "", "0900")], "A"),
        ([("T02", "A", "", "0900"), ("T06", "B", "A", "1000")], "AB"),
        ([("T02", "A", "", "0900"), ("T10", "B", "A", "1000")], "B"),
        ([("T02", "A", "", "0900"), ("T06", "B", "A", "1000"), ("T10", "C", "A", "1100")], "C"),
        ([("T02", "A", "", "0900"), ("T10", "B", "A", "1000"), ("T11", "B", "", "1100")], "A"),
        ([("T02", "A", "", "0900"), ("T11", "A", "", "0900")], ""),
        ([("T02", "A", "", "0900"), ("T11", "A", "", "1000"), ("T02", "A", "", "1100")], "A"),
        ([("T06", "B", "A", "1000")], "B"),
        ([("T06", "A", "A", "1000")], "A"),
        ([("T10", "B", "A", "1000"), ("T10", "C", "B", "1100")], "C"),
    ],
)
def test_which_documents_stand_follows_from_the_set_of_messages(told: list[tuple[str, ...]], left: str) -> None:
    for order in permutations(told):
        found = standing(of_messages(*order))  # type: ignore[arg-type]
        assert sorted(key.removeprefix("epr|document|") for key in found) == list(left)
