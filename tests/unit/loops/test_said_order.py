"""Of equal words told with other parts, the one with the newer parts counts, whichever came first."""

import itertools

from adapter.assertion import Assertion, Form, Item, ItemKind, Resource, SourceIdentifier
from adapter.settle.projection import folded
from adapter.settle.said import Said, Source, in_order

SUBJECT = SourceIdentifier("fhir:ehr", "Patient/p1")


def said(
    number: int,
    part: Resource | None = None,
    *,
    clock: int = 5,
    word: str = "completed",
    beside: Resource | None = None,
) -> Said:
    dose = {"resourceType": "MedicationAdministration", "status": word, "medicationReference": {"reference": "M/1"}}
    item = Item(ItemKind.MEDICATION, "dose", clock, 0, "", Form.SNAPSHOT, [dose])
    context = {name: each for name, each in (("M/1", part), ("L/1", beside)) if each is not None}
    return Said(item, Source(number, number, 1, b"", Assertion("ehr", SUBJECT, [item], context)))


def a_drug(version: int, text: str) -> Resource:
    meta = {"versionId": str(version), "lastUpdated": f"2026-09-02T10:0{version}:00Z"}
    return {"resourceType": "Medication", "meta": meta, "code": {"text": text}}


def test_the_newer_drug_counts_in_every_order_of_arrival() -> None:
    told = [said(1, a_drug(1, "x")), said(2, a_drug(3, "caffeine")), said(3, a_drug(2, "y")), said(4)]
    for order in itertools.permutations(told):
        _, context = folded(order)
        assert context["M/1"]["code"] == {"text": "caffeine"}


def test_a_later_word_counts_more_than_newer_parts() -> None:
    told = [said(1, a_drug(1, "x"), clock=9, word="stopped"), said(2, a_drug(3, "caffeine"))]
    for order in (told, told[::-1]):
        assert in_order(order)[-1].source.assertion_id == 1


def test_a_reading_that_has_the_drug_counts_more_than_one_with_newer_parts_of_others() -> None:
    told = [said(1, beside=a_drug(9, "of another")), said(2, a_drug(1, "caffeine")), said(3)]
    for order in itertools.permutations(told):
        _, context = folded(order)
        assert context["M/1"]["code"] == {"text": "caffeine"}


def test_what_else_was_told_decides_where_nothing_of_its_own_does() -> None:
    told = [said(1, beside=a_drug(1, "x")), said(2, beside=a_drug(2, "y")), said(3)]
    assert {in_order(order)[-1].source.assertion_id for order in itertools.permutations(told)} == {2}
