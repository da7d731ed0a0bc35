"""Which identifiers are one child, under facts and merges in any order."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.assertion import Merge, MergeWord, SourceIdentifier
from adapter.errors import ProblemCode
from adapter.identity import Claim, Resolution, resolve
from adapter.identity.agreement import births_agree
from tests.unit.identity.builders import a_claim, merged, mrn, nhs, number, unmerged


def people(resolution: Resolution) -> set[frozenset[str]]:
    return {frozenset(member.value for member in group) for group in resolution.component_of.values()}


def blame(resolution: Resolution) -> dict[str, set[ProblemCode]]:
    """By each blocked identifier."""
    return {
        member.value: {problem.code for problem in problems}
        for group, problems in resolution.blocked.items()
        for member in group
    }


def one_person(*names: str) -> set[frozenset[str]]:
    return {frozenset(names)}


@pytest.mark.behaviour(107)
def test_a_merge_makes_one_person_and_the_survivor_is_known() -> None:
    found = resolve({mrn("A"): a_claim(), mrn("B"): a_claim()}, [merged("A", "B")])
    assert people(found) == one_person("A", "B")
    assert found.survivor_of[found.component_of[mrn("A")]] == mrn("B")
    assert found.blocked == {}


@pytest.mark.behaviour(108)
def test_the_same_merge_twice_is_one_merge() -> None:
    claims = {mrn("A"): a_claim(), mrn("B"): a_claim()}
    assert resolve(claims, [merged("A", "B", at=1), merged("A", "B", at=9)]) == resolve(claims, [merged("A", "B")])


@pytest.mark.behaviour(108)
def test_a_merge_with_itself_is_refused_and_blocks_nobody() -> None:
    found = resolve({mrn("A"): a_claim()}, [merged("A", "A")])
    assert people(found) == one_person("A")
    assert found.blocked == {}
    assert [problem.code for problem in found.problems] == [ProblemCode.SELF_MERGE]


@pytest.mark.behaviour(108)
def test_a_reversed_merge_is_held_for_a_person_and_the_first_survivor_stays() -> None:
    found = resolve({mrn("A"): a_claim(), mrn("B"): a_claim()}, [merged("B", "A", at=5), merged("A", "B", at=1)])
    assert people(found) == one_person("A", "B")
    assert found.survivor_of[found.component_of[mrn("A")]] == mrn("B")
    assert blame(found) == {"A": {ProblemCode.REVERSED_MERGE}, "B": {ProblemCode.REVERSED_MERGE}}


def test_a_reversed_merge_after_an_unmerge_is_a_new_merge() -> None:
    history = [merged("A", "B", at=1), unmerged("A", "B", at=2), merged("B", "A", at=3)]
    found = resolve({}, history)
    assert found.survivor_of[found.component_of[mrn("A")]] == mrn("A")
    assert found.blocked == {}


@pytest.mark.behaviour(108)
def test_a_chain_ends_at_one_survivor() -> None:
    for order in permutations([merged("A", "B", at=1), merged("B", "C", at=2), merged("C", "D", at=3)]):
        found = resolve({}, order)
        assert people(found) == one_person("A", "B", "C", "D")
        assert found.survivor_of[found.component_of[mrn("A")]] == mrn("D")


def test_an_unmerge_parts_them_again_and_on_equal_clocks_it_wins() -> None:
    for undone_at in (1, 2):
        found = resolve({}, [unmerged("A", "B", at=undone_at), merged("A", "B", at=1)])
        assert people(found) == {frozenset({"A"}), frozenset({"B"})}


@pytest.mark.behaviour(113)
def test_a_merge_of_numbers_never_seen_leaves_an_alias() -> None:
    found = resolve({mrn("C"): a_claim()}, [merged("A", "B")])
    assert people(found) == {frozenset({"A", "B"}), frozenset({"C"})}


@pytest.mark.behaviour(112)
def test_what_comes_later_for_a_discarded_number_is_the_survivors() -> None:
    found = resolve({mrn("B"): a_claim(), mrn("A"): a_claim(birth=None, sex=None)}, [merged("A", "B")])
    assert mrn("B") in found.component_of[mrn("A")]


@pytest.mark.behaviour(109)
def test_a_merge_of_two_registered_nhs_numbers_joins_nothing_and_blocks_both() -> None:
    found = resolve({mrn("A"): a_claim(1), mrn("B"): a_claim(2), mrn("C"): a_claim()}, [merged("A", "B")])
    assert people(found) == {frozenset({"A"}), frozenset({"B"}), frozenset({"C"})}
    assert blame(found) == {"A": {ProblemCode.TWO_NHS_NUMBERS}, "B": {ProblemCode.TWO_NHS_NUMBERS}}


def test_a_shared_verified_nhs_number_links_when_nothing_contradicts() -> None:
    found = resolve({mrn("A"): a_claim(1, sex="unknown"), mrn("B"): a_claim(1, birth="2026-01-03T10:00:00Z")}, [])
    assert people(found) == one_person("A", "B")
    assert found.blocked == {}


@pytest.mark.behaviour(102)
def test_an_unverified_nhs_number_links_nothing() -> None:
    found = resolve({mrn("A"): a_claim(1), mrn("B"): a_claim(1, nhs_verified=False)}, [])
    assert people(found) == {frozenset({"A"}), frozenset({"B"})}
    assert found.blocked == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"birth": "2026-02-03"}, ProblemCode.BIRTH_DATES_DIFFER),
        ({"birth": None}, ProblemCode.NUMBER_SHARED),
        ({"sex": "male"}, ProblemCode.SEX_CONTRADICTS),
        ({"birth_order": 2}, ProblemCode.NUMBER_SHARED),
    ],
)
def test_a_shared_nhs_number_with_a_contradiction_blocks_both(change: dict[str, Any], code: ProblemCode) -> None:
    found = resolve({mrn("A"): a_claim(1, birth_order=1), mrn("B"): a_claim(1, **change)}, [])
    assert people(found) == {frozenset({"A"}), frozenset({"B"})}
    assert blame(found) == {"A": {code}, "B": {code}}


def test_a_merge_heals_a_shared_number_with_different_birth_dates() -> None:
    claims = {mrn("A"): a_claim(1), mrn("B"): a_claim(1, birth="2026-03-01")}
    found = resolve(claims, [merged("A", "B")])
    assert people(found) == one_person("A", "B")
    assert found.blocked == {}


@pytest.mark.behaviour(104)
def test_twins_are_never_matched() -> None:
    twins = {mrn("A"): a_claim(1, birth_order=1), mrn("B"): a_claim(2, birth_order=2), mrn("C"): a_claim()}
    found = resolve(twins, [])
    assert len(people(found)) == 3
    assert found.blocked == {}


def test_swapped_twins_are_blocked_not_linked() -> None:
    swapped = a_claim(2, earlier=frozenset({(nhs(1), "2026-01-03"), (nhs(2), "2026-01-03")}))
    found = resolve({mrn("A"): swapped, mrn("B"): a_claim(2, earlier=frozenset({(nhs(2), "2026-01-03")}))}, [])
    assert people(found) == {frozenset({"A"}), frozenset({"B"})}
    assert blame(found) == {"A": {ProblemCode.NUMBER_SHARED}, "B": {ProblemCode.NUMBER_SHARED}}


def test_a_hospital_number_given_to_another_child_is_blocked() -> None:
    reused = a_claim(2, birth="2026-10-01", earlier=frozenset({(nhs(1), "2026-01-03"), (nhs(2), "2026-10-01")}))
    assert blame(resolve({mrn("A"): reused}, [])) == {"A": {ProblemCode.NUMBER_REUSED}}


def test_a_corrected_birth_date_or_number_alone_is_a_correction() -> None:
    new_date = a_claim(1, birth="2026-01-04", earlier=frozenset({(nhs(1), "2026-01-03"), (nhs(1), "2026-01-04")}))
    new_number = a_claim(2, earlier=frozenset({(nhs(1), "2026-01-03"), (nhs(2), "2026-01-03")}))
    assert resolve({mrn("A"): new_date, mrn("B"): new_number}, []).blocked == {}


@pytest.mark.behaviour(105)
def test_the_nhs_number_joins_the_baby_later_under_the_same_hospital_number() -> None:
    before = resolve({mrn("A"): a_claim()}, [])
    after = resolve({mrn("A"): a_claim(1)}, [])
    assert people(before) == people(after) == one_person("A")


def test_numbers_of_one_message_are_one_person_unless_two_nhs_numbers_say_otherwise() -> None:
    named = [(mrn("A"), mrn("B"), mrn("C"))]
    assert people(resolve({mrn("A"): a_claim(1)}, [], together=named)) == one_person("A", "B", "C")
    torn = resolve({mrn("A"): a_claim(1), mrn("B"): a_claim(2)}, [], together=named[:1])
    assert torn.component_of[mrn("A")] != torn.component_of[mrn("B")]
    assert {"A", "B"} <= set(blame(torn))


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("2026-01-03", "2026-01-03T10:00:00+00:00", True),
        ("2026-01", "2026-01-03", True),
        ("2026", "2026-12-31", True),
        ("2026-01-03T01:00:00Z", "2026-01-03T02:00:00Z", True),
        ("2026-01-03", "2026-01-04", False),
        ("2026-01", "2026-02-01", False),
    ],
)
def test_partial_birth_dates_agree_when_one_begins_the_other(one: str, other: str, agree: bool) -> None:
    assert births_agree(one, other) is births_agree(other, one) is agree


def test_no_problem_text_holds_a_number_or_a_date() -> None:
    found = resolve({mrn("A"): a_claim(1), mrn("B"): a_claim(1, birth="2026-03-01")}, [merged("A", "A")])
    shown = repr(found)
    assert number(1) not in shown
    texts = " ".join(problem.text for problems in found.blocked.values() for problem in problems)
    assert "2026" not in texts


NAMES = st.sampled_from("ABCDE")
CLAIMS = st.builds(
    a_claim,
    st.sampled_from([None, None, 1, 2]),
    birth=st.sampled_from(["2026-01-03", "2026-01", "2026-02-01", None]),
    sex=st.sampled_from(["male", "female", "unknown", None]),
    nhs_verified=st.booleans(),
    earlier=st.sampled_from([frozenset(), frozenset({(nhs(1), "2026-01-03"), (nhs(2), "2026-02-01")})]),
)
MERGES = st.builds(
    lambda prior, survivor, at, live: Merge(survivor=mrn(survivor), prior=mrn(prior), clock_us=at, live=live),
    NAMES,
    NAMES,
    st.integers(1, 4),
    st.sampled_from([True, True, True, False]),
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES.map(mrn), CLAIMS), st.lists(MERGES, max_size=7), st.randoms(use_true_random=False))
def test_no_order_changes_who_is_who(claims: dict[SourceIdentifier, Claim], merges: list[Merge], random: Any) -> None:
    expected = resolve(claims, merges, together=[(mrn("D"), mrn("E"))])
    shuffled = list(claims.items())
    repeated = merges + merges[:2]
    random.shuffle(shuffled)
    random.shuffle(repeated)
    assert resolve(dict(shuffled), repeated, together=[(mrn("E"), mrn("D"))]) == expected


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES.map(mrn), CLAIMS), st.lists(MERGES, max_size=7))
def test_no_person_ever_has_two_verified_nhs_numbers(
    claims: dict[SourceIdentifier, Claim], merges: list[Merge]
) -> None:
    for component in resolve(claims, merges).survivor_of:
        numbers = {claims[member].linking_number for member in component if member in claims} - {None}
        assert len(numbers) <= 1


A, B, C = mrn("1"), mrn("2"), mrn("3")


def a_word(survivor: SourceIdentifier, prior: SourceIdentifier, at: int, word: MergeWord) -> Merge:
    return Merge(survivor, prior, at, word is not MergeWord.APART, word)


@pytest.mark.behaviour(108)
def test_a_link_has_no_direction_and_reverses_no_merge() -> None:
    words = [a_word(A, B, 1, MergeWord.MERGED), a_word(B, A, 2, MergeWord.LINKED)]
    for order in permutations(words):
        resolution = resolve({}, order)
        assert resolution.component_of[A] == {A, B} and not resolution.blocked
        assert resolution.survivor_of[resolution.component_of[A]] == A and resolution.given_up == {B}


@pytest.mark.behaviour(107)
def test_taken_apart_later_and_joined_again_later_still() -> None:
    words = [a_word(A, B, 1, MergeWord.MERGED), a_word(A, B, 2, MergeWord.APART)]
    for order in permutations(words):
        assert resolve({}, order).component_of[A] == {A}
    again = [*words, a_word(A, B, 3, MergeWord.LINKED)]
    for order in permutations(again):
        resolution = resolve({}, order)
        assert resolution.component_of[A] == {A, B} and not resolution.given_up


def test_taken_apart_but_one_by_another_way_is_for_a_person() -> None:
    words = [
        a_word(A, B, 1, MergeWord.MERGED),
        a_word(B, C, 1, MergeWord.MERGED),
        a_word(A, C, 2, MergeWord.APART),
    ]
    for order in permutations(words):
        resolution = resolve({}, order)
        assert [problem.code for problem in resolution.blocked[resolution.component_of[A]]] == [ProblemCode.STILL_ONE]


@pytest.mark.behaviour(111)
@pytest.mark.parametrize(("first_us", "is_one"), [(None, True), (5, True), (6, True), (4, False)])
def test_a_number_changed_into_one_that_was_in_use_before_joins_nothing(first_us: int | None, is_one: bool) -> None:
    claims = {A: Claim(first_us=first_us), B: Claim(first_us=1)}
    resolution = resolve(claims, [a_word(A, B, 5, MergeWord.RENAMED)])
    assert (resolution.component_of[A] == {A, B}) == is_one == (not resolution.blocked)
    if not is_one:
        assert {problem.code for found in resolution.blocked.values() for problem in found} == {
            ProblemCode.NUMBER_IN_USE
        }


@pytest.mark.behaviour(111)
def test_a_number_changed_back_is_the_same_patient() -> None:
    words = [a_word(B, A, 5, MergeWord.RENAMED), a_word(A, B, 9, MergeWord.RENAMED)]
    for order in permutations(words):
        resolution = resolve({A: Claim(first_us=1), B: Claim(first_us=6)}, order)
        assert resolution.component_of[A] == {A, B} and not resolution.blocked
