"""Numbers through the whole pipeline: linked and unlinked, changed, moved; visits that go to another patient."""

from itertools import permutations

import pytest

from adapter.cli.explain import explainer
from adapter.dispatch import record_bytes
from tests.integration.adt import dg1, message, mrg, orders, pid, pv1
from tests.integration.messages import GASTROSCHISIS, NEC, TRUST, Baby, a_baby, an_adt, an_oru, nhs
from tests.integration.trust import Trust

ONE, OTHER = a_baby(1), a_baby(2, sex="M")
NAMELESS = ONE.but(number="T55501", nhs="")


def born(baby: Baby, *, visit: str = "", at: str = "202609010310") -> bytes:
    return an_adt("A01", baby, at=at, visit=visit)


def coded(baby: Baby, *, at: str = "202609050900", visit: str = "") -> bytes:
    return an_adt("A08", baby, at=at, codes=[GASTROSCHISIS], visit=visit)


def case(trust: Trust, baby: Baby, *, visit: str = "") -> None:
    trust.each(born(baby, visit=visit), coded(baby, visit=visit))


def result(baby: Baby, value: str, *, visit: str = "", at: str = "202609020900") -> bytes:
    raw = an_oru(baby, order=f"L{value}", value=value, at=at)
    return raw.replace(f"V{baby.number}".encode(), visit.encode()) if visit else raw


def swapped(event: str, one: Baby, other: Baby, *, at: str) -> bytes:
    return message(event, pid(one), pv1("V1"), pid(other), pv1("V2"), at=at)


@pytest.mark.behaviour(107)
@pytest.mark.parametrize("event", ["A30", "A34", "A36", "A39", "A40"])
def test_every_kind_of_merge_moves_all_records(trust: Trust, event: str) -> None:
    case(trust, ONE)
    trust.each(born(NAMELESS), result(NAMELESS, "11"))
    trust.receive(message(event, pid(ONE), mrg(NAMELESS.number), at="202609060900"))
    assert len(trust.persons()) == 1 and trust.values() == ["11"] and len(trust.rows("admission")) == 2
    assert trust.counts()["identity.merge"] == 1


@pytest.mark.behaviour(107)
def test_all_numbers_of_a_merge_are_read_as_a_list(trust: Trust) -> None:
    second = NAMELESS.but(number="T55502")
    case(trust, ONE)
    trust.each(result(NAMELESS, "11"), result(second, "12"))
    trust.receive(message("A40", pid(ONE), mrg(f"{NAMELESS.number} {second.number}"), at="202609060900"))
    assert len(trust.persons()) == 1 and trust.values() == ["11", "12"]


@pytest.mark.behaviour(107)
def test_a_message_of_several_merges_is_one_merge_for_each(trust: Trust) -> None:
    case(trust, ONE)
    case(trust, OTHER)
    theirs = NAMELESS.but(number="T55502", sex="M")
    trust.each(result(NAMELESS, "11"), result(theirs, "12"))
    both = [pid(ONE), mrg(NAMELESS.number), pid(OTHER), mrg(theirs.number)]
    trust.receive(message("A40", *both, at="202609060900"))
    assert len(trust.persons()) == 2 and trust.values() == ["11", "12"]
    assert {len(trust.values(person.id)) for person in trust.persons()} == {1}


def test_a_merge_that_does_not_say_of_what_is_parked(trust: Trust) -> None:
    trust.receive(message("A40", pid(ONE), at="202609060900"))
    trust.receive(message("A45", pid(ONE), mrg(OTHER.number), pv1(""), at="202609060900"))
    assert trust.parked() == ["P203", "P024"]


@pytest.mark.behaviour(107)
def test_a_merge_is_undone_by_an_unlink_and_each_has_its_own_again(trust_on_each_store: Trust) -> None:
    """A37 is the way to undo A40, too; in whatever order the three are told."""
    trust = trust_on_each_store
    case(trust, ONE)
    trust.each(born(NAMELESS), result(NAMELESS, "11"), result(ONE, "12"))
    trust.receive(message("A40", pid(ONE), mrg(NAMELESS.number), at="202609060900"))
    trust.dispatch()
    assert len(trust.persons()) == 1 and trust.values() == ["11", "12"]
    trust.receive(swapped("A37", ONE, NAMELESS, at="202609070900"))
    trust.dispatch()
    assert len(trust.persons()) == 2 and trust.values() == ["12"] and len(trust.rows("admission")) == 1
    assert trust.counts()["identity.unlink"] == 1 and trust.status()["children"]["blocked"] == 0
    trust.assert_csor_agrees()
    assert trust.bodies("ADT^A37") == []


@pytest.mark.behaviour(108)
def test_link_and_unlink_are_known_by_their_clocks_not_by_their_coming(trust: Trust) -> None:
    for nth, order in enumerate(orders(3)):
        one, other = a_baby(10 + nth), NAMELESS.but(number=f"T6{nth}", nhs="", born="2026")
        words = [
            swapped("A24", one, other, at="202609060900"),
            swapped("A37", other, one, at="202609070900"),
            swapped("A24", other, one, at="202609080900"),
        ]
        case(trust, one)
        trust.receive(result(other, f"1{nth}"))
        trust.each(*(words[place] for place in order))
        assert len(trust.persons()) == nth + 1, order
    assert trust.status()["children"]["blocked"] == 0 and len(trust.values()) == 6


def test_two_that_are_taken_apart_but_share_a_verified_number_wait_for_a_person(trust: Trust) -> None:
    second = ONE.but(number="T55501")
    case(trust, ONE)
    trust.receive(result(second, "11"))
    assert len(trust.persons()) == 1
    trust.receive(swapped("A37", ONE, second, at="202609070900"))
    assert trust.status()["children"]["blocked"] == 1
    trust.receive(message("A31", pid(second.but(nhs="")).replace("|08", '|""'), at="202609080900"))


@pytest.mark.behaviour(105)
@pytest.mark.parametrize("order", orders(3))
def test_a_newborn_is_followed_through_its_names_and_numbers(trust: Trust, order: tuple[int, ...]) -> None:
    """Baby of …, without an NHS number; then named; then under a hospital number of its own with an NHS number."""
    first = NAMELESS.but(family="BABY OF MARROWSIDE")
    named = ONE.but(family="HOLLOWAY")
    trust.receive(born(first, visit="V1"))
    told = [
        result(first, "11"),
        message("A47", pid(named), mrg(first.number), at="202609040900"),
        an_adt("A08", named, at="202609050900", codes=[GASTROSCHISIS], visit="V1"),
    ]
    trust.each(*(told[place] for place in order))
    assert len(trust.persons()) == 1 and trust.values() == ["11"]
    assert len(trust.rows("admission")) == len(trust.rows("infant")) == 1
    assert trust.parked() == [] and trust.status()["children"]["blocked"] == 0


@pytest.mark.behaviour(111)
def test_a_number_changed_into_one_in_use_is_parked_and_joins_nothing(trust: Trust) -> None:
    case(trust, ONE)
    case(trust, OTHER)
    trust.receive(message("A47", pid(ONE.but(nhs="")), mrg(OTHER.number), at="202609060900"))
    assert trust.parked() == ["P213"] and len(trust.persons()) == 2
    assert trust.status()["children"]["blocked"] == 2
    trust.receive(swapped("A37", ONE.but(nhs=""), OTHER.but(nhs=""), at="202609070900"))
    assert trust.status()["children"]["blocked"] == 0 and len(trust.persons()) == 2


@pytest.mark.behaviour(111)
def test_that_the_number_was_in_use_may_be_told_later(trust: Trust) -> None:
    case(trust, OTHER)
    trust.receive(message("A47", pid(ONE.but(nhs="")), mrg(OTHER.number), at="202609060900"))
    assert trust.parked() == [] and len(trust.persons()) == 1
    trust.receive(born(ONE.but(nhs="")))
    assert trust.status()["children"]["blocked"] == 2 and len(trust.persons()) == 2


def test_a_number_goes_from_one_patient_to_another(trust: Trust) -> None:
    """A43: PID-2 and MRG-4 say to whom and from whom."""
    case(trust, ONE)
    case(trust, OTHER)
    extra = NAMELESS.but(number="T55501")
    trust.receive(result(extra, "11"))
    trust.receive(message("A40", pid(OTHER), mrg(extra.number), at="202609060900"))
    to, source = (f"{each.number}^^^{TRUST}^MR" for each in (ONE, OTHER))
    trust.receive(message("A43", pid(extra, first=to), mrg(extra.number, patient_id=source), at="202609070900"))
    assert len(trust.persons()) == 2 and trust.status()["children"]["blocked"] == 0
    (holder,) = [row["child"] for row in trust.rows("lab_result")]
    assert [row["sex"] for row in trust.rows("infant") if row["child"] == holder] == ["female"]


@pytest.mark.behaviour(110)
@pytest.mark.parametrize("event", ["A42", "A50"])
def test_a_visit_gets_another_number_and_no_other_visit_does(trust: Trust, event: str) -> None:
    for nth, order in enumerate(orders(3)):
        baby = a_baby(20 + nth)
        old, new, left = f"VA{nth}", f"VB{nth}", f"VC{nth}"
        told = [
            born(baby, visit=old),
            message(event, pid(baby), mrg(baby.number, visit=old), pv1(new), at="202609020900"),
            an_adt("A08", baby, at="202609030900", visit=new, ward="PSW^171"),
        ]
        trust.each(born(baby, visit=left, at="202609010320"), coded(baby, visit=left))
        trust.each(*(told[place] for place in order))
        rows = {
            row["spell_id"]: row for row in trust.rows("admission") if row["spell_id"][1:] in (f"A{nth}", f"B{nth}")
        }
        assert [row["ward_code"] for row in rows.values()] == ["PSW"], order
    assert sum(row["spell_id"].startswith("VC") for row in trust.rows("admission")) == 6


@pytest.mark.behaviour(110)
@pytest.mark.parametrize("event", ["A44", "A45"])
def test_a_moved_visit_takes_along_its_own_and_nothing_else(trust_on_each_store: Trust, event: str) -> None:
    """Coded under the wrong child, corrected by a move; both children are of the register."""
    trust = trust_on_each_store
    case(trust, ONE, visit="V1")
    case(trust, OTHER, visit="V2")
    trust.each(
        born(ONE, visit="V9"), an_adt("A08", ONE, at="202609050905", codes=["K56.6^Obstruction^I10"], visit="V9")
    )
    trust.each(result(ONE, "11", visit="V1"), result(ONE, "19", visit="V9"), result(OTHER, "22", visit="V2"))
    trust.dispatch()
    trust.receive(message(event, pid(OTHER), mrg(ONE.number, visit="V9"), pv1("V9"), at="202609060900"))
    trust.dispatch()
    child = {row["sex"]: row["child"] for row in trust.rows("infant")}
    visits = {row["spell_id"]: row["child"] for row in trust.rows("admission")}
    assert visits == {"V1": child["female"], "V2": child["male"], "V9": child["male"]}
    assert (trust.values(child["female"]), trust.values(child["male"])) == (["11"], ["19", "22"])
    assert sorted(row["code"] for row in trust.rows("diagnosis") if row["child"] == child["male"]) == ["K56.6", "Q79.3"]
    trust.assert_csor_agrees()
    late = [result(ONE, "18", visit="V9", at="202609080900"), result(ONE, "12", visit="V1", at="202609080900")]
    trust.each(*late)
    assert (trust.values(child["female"]), trust.values(child["male"])) == (["11", "12"], ["18", "19", "22"])
    trust.receive(message(event, pid(ONE), mrg(OTHER.number, visit="V9"), pv1("V9"), at="202609090900"))
    trust.dispatch()
    assert (trust.values(child["female"]), trust.values(child["male"])) == (["11", "12", "18", "19"], ["22"])
    trust.assert_csor_agrees()


@pytest.mark.behaviour(110)
def test_a_visit_is_moved_in_whatever_order_it_is_told(trust: Trust) -> None:
    """The one child is kept for its ward; that it has the condition is said under the visit that is the other's."""
    for nth, order in enumerate(orders(4)):
        one, other = a_baby(200 + nth), a_baby(300 + nth, sex="M")
        visit = f"V{nth}"
        told = [
            born(one, visit=visit),
            coded(one, visit=visit),
            result(one, f"{nth}.5", visit=visit),
            message("A45", pid(other), mrg(one.number, visit=visit), pv1(visit), at="202609060900"),
        ]
        trust.each(*(told[place] for place in order))
        (infant,) = [row for row in trust.rows("infant") if row["child"] not in _seen(trust, nth)]
        assert infant["sex"] == "male", order
    assert len(trust.values()) == len(trust.rows("admission")) == 8


def _seen(trust: Trust, nth: int) -> set[int]:
    """The children of the rounds before this one."""
    return set(sorted(row["child"] for row in trust.rows("infant"))[:nth])


@pytest.mark.behaviour(110)
def test_an_account_moves_all_its_visits_and_no_others(trust: Trust) -> None:
    case(trust, OTHER, visit="V2")
    trust.each(
        message("A01", pid(ONE, account="ACC1"), pv1("V8", admitted="202609010300"), at="202609010310"),
        message(
            "A01", pid(ONE, account="ACC2"), pv1("V7", admitted="202609010300"), dg1(GASTROSCHISIS), at="202609010311"
        ),
        result(ONE, "18", visit="V8"),
    )
    trust.receive(message("A49", pid(ONE, account="ACC3"), mrg(ONE.number, account="ACC1"), at="202609050900"))
    trust.receive(message("A44", pid(OTHER, account="ACC3"), mrg(ONE.number, account="ACC3"), at="202609060900"))
    trust.receive(message("A01", pid(ONE, account="ACC3"), pv1("V6", admitted="202609020300"), at="202609020310"))
    trust.receive(message("A01", pid(ONE, account="ACC1"), pv1("V5", admitted="202609020300"), at="202609020311"))
    child = {row["sex"]: row["child"] for row in trust.rows("infant")}
    visits = {row["spell_id"]: row["child"] for row in trust.rows("admission")}
    assert visits == {"V7": child["female"], **dict.fromkeys(("V2", "V5", "V6", "V8"), child["male"])}
    assert trust.values(child["male"]) == ["18"]


@pytest.mark.behaviour(110)
def test_the_merge_of_two_accounts_changes_no_visit(trust: Trust) -> None:
    case(trust, ONE, visit="V1")
    versions = trust.versions()
    for event in ("A35", "A41"):
        trust.receive(message(event, pid(ONE, account="ACC2"), mrg(ONE.number, account="ACC1"), at="202609060900"))
    assert trust.versions() == versions and trust.parked() == []
    trust.receive(message("A35", pid(ONE), mrg(ONE.number, visit="V1"), pv1("V5"), at="202609070900"))
    trust.receive(an_adt("A08", ONE, at="202609080900", visit="V5", ward="PSW^171"))
    assert [row["ward_code"] for row in trust.rows("admission")] == ["PSW"]


@pytest.mark.behaviour(110)
def test_what_was_moved_is_kept_under_the_key_of_its_child(trust: Trust) -> None:
    """The first child turns out not to be one of the register, and is erased; the moved visit stays."""
    trust.each(born(ONE, visit="V1"), coded(ONE, visit="V1"), result(ONE, "11", visit="V1"))
    trust.receive(message("A45", pid(OTHER), mrg(ONE.number, visit="V1"), pv1("V1"), at="202609060900"))
    trust.later(days=800)
    trust.works.expiry.run(now=trust.now)
    assert len(trust.persons()) == 1 and trust.values() == ["11"]
    assert len(trust.bodies("ORU^R01")) == 1
    trust.restart()
    assert trust.values() == ["11"] and len(trust.rows("diagnosis")) == 1


@pytest.mark.behaviour(100)
@pytest.mark.parametrize(
    "place", ["2", "3 NHS", "3 NH", "3 HN", "19", "19 spaced", "3 dashed", "3 prefixed", "3 trailing"]
)
def test_an_nhs_number_is_found_wherever_it_stands(trust: Trust, place: str) -> None:
    number, _, form = place.partition(" ")
    digits = nhs(5)
    sent = {
        "spaced": f"{digits[:3]} {digits[3:6]} {digits[6:]}",
        "dashed": f"{digits[:3]}-{digits[3:6]}-{digits[6:]}^^^NHS^NH",
        "prefixed": f"N3{digits}^^^NHS^NH",
        "trailing": f"{digits}^^^NHS^NH~",
        "NHS": f"{digits}^^^NHS",
        "NH": f"{digits}^^^^NH",
        "HN": f"{digits}^^^NHS^HN",
    }.get(form, digits if number == "19" else f"{digits}^^^NHS^NH")
    fields = (pid(NAMELESS).split("|") + [""] * 34)[:34]
    fields[int(number)] = f"{fields[3]}~{sent}" if number == "3" else sent
    fields[32] = "01"
    trust.receive(message("A01", "|".join(fields), pv1("V1"), dg1(GASTROSCHISIS), at="202609010310"))
    assert trust.works.settler.summary(trust.persons()[0]).number == "test"
    case(trust, ONE.but(number="700099", nhs=digits), visit="V2")
    assert len(trust.persons()) == 1


@pytest.mark.behaviour(102)
def test_an_untraced_number_links_nothing_and_a_postponed_trace_waits(trust: Trust) -> None:
    case(trust, ONE)
    untraced = NAMELESS.but(nhs=ONE.nhs, trace="02")
    postponed = NAMELESS.but(number="T55502", nhs=ONE.nhs, trace="08")
    trust.each(born(untraced), born(postponed))
    assert len(trust.persons()) == 3 and trust.parked() == [] and trust.status()["children"]["blocked"] == 0
    trust.receive(an_adt("A31", postponed.but(trace="01"), at="202609100900"))
    assert len(trust.persons()) == 2


@pytest.mark.behaviour(103)
def test_numbers_of_other_nations_are_no_nhs_numbers(trust: Trust) -> None:
    chi, hcn = "0109261110", "3200000050"
    for nth, (value, authority) in enumerate([(chi, "CHI"), (hcn, "HCN")]):
        baby = NAMELESS.but(number=f"T7770{nth}")
        fields = pid(baby).split("|")
        fields[3] += f"~{value}^^^{authority}^{authority}"
        trust.receive(message("A01", "|".join(fields), pv1(f"V{nth}"), dg1(GASTROSCHISIS), at="202609010310"))
    assert {trust.works.settler.summary(person).number for person in trust.persons()} == {"none"}
    assert len(trust.persons()) == 2


@pytest.mark.behaviour(106)
@pytest.mark.parametrize("identifiers", ["", "X123^^^RZZ^MR", "~", "^^^RXX^MR"])
def test_a_message_without_a_number_of_this_hospital_is_parked_and_makes_nobody(trust: Trust, identifiers: str) -> None:
    fields = pid(NAMELESS).split("|")
    fields[3] = identifiers
    trust.receive(message("A01", "|".join(fields), pv1("V1"), dg1(GASTROSCHISIS), at="202609010310"))
    assert trust.parked() == ["P203"] and trust.persons() == []


@pytest.mark.behaviour(110)
def test_what_was_moved_is_explained_and_what_its_pid_said_stays_with_the_first_patient(trust: Trust) -> None:
    """The only message that tells the first child's birth and sex is the one whose visit went to the other."""
    quiet = ONE.but(born="", sex="")
    trust.each(born(ONE, visit="V9"), born(quiet, visit="V1"), coded(quiet, visit="V1"))
    trust.receive(result(quiet, "11", visit="V9"))
    case(trust, OTHER, visit="V2")
    trust.receive(message("A45", pid(OTHER), mrg(ONE.number, visit="V9"), pv1("V9"), at="202609060900"))
    sexes = {row["sex"]: row["row"] for row in trust.rows("infant")}
    assert sorted(sexes) == ["female", "male"]
    with explainer(trust.settings) as asked:
        first = asked.explain(record_bytes(sexes["female"]))
        (moved,) = [row for row in trust.rows("admission") if row["spell_id"] == "V9"]
        admission = asked.explain(record_bytes(moved["row"]))
        (value,) = trust.rows("lab_result")
        measured = asked.explain(record_bytes(value["row"]))
    fields = [each for found in (first, admission, measured) if found is not None for each in found.fields]
    told = {each.field: each.values[0].cuts[0].position for each in fields}
    assert (told["sex"], told["admit_dt"], told["value_num"]) == ("PID[1]-8", "PV1[1]-44", "OBX[1]-5")


@pytest.mark.behaviour(110)
@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_an_account_that_is_named_anew_where_it_went_to_has_gone_there_all_the_same(
    trust: Trust, order: tuple[int, ...]
) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010900", codes=[GASTROSCHISIS]))
    told = [
        message("A08", pid(OTHER, account="ACC1"), pv1("V9"), dg1(NEC), at="202609020100"),
        message("A44", pid(ONE, account="ACC1"), mrg(OTHER.number, account="ACC1"), at="202609020400"),
        message("A49", pid(ONE, account="ACC2"), mrg(ONE.number, account="ACC1"), at="202609020500"),
    ]
    trust.each(*(told[place] for place in order))
    case_of = {row["child"] for row in trust.rows("condition_case") if row["condition"] == "gastroschisis"}
    assert [(row["child"] in case_of, row["codes"][0]["code"]) for row in trust.rows("diagnosis")].count(
        (True, "P77")
    ) == 1
