"""Which evidence makes a case, with the rules and code lists as shipped; and every look-alike that must not."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.cohort import CaseState, Coded, State
from adapter.errors import ProblemCode
from tests.unit.cohort.builders import BORN, ICD, OPCS, SNOMED, cases, diagnosed, operated, rules


def codes(case: CaseState) -> list[ProblemCode]:
    return [problem.code for problem in case.problems]


@pytest.mark.parametrize(
    "condition",
    [
        diagnosed("Q79.3"),
        diagnosed("q793"),
        diagnosed("Q79.3", status="confirmed"),
        diagnosed("Q79.3", system="http://hl7.org/fhir/ValueSet/icd-10"),
        diagnosed("72951007", system=SNOMED),
        diagnosed("Q79.3", "2026-02-01"),
        diagnosed("Q79.3", "2026-03-29"),
        diagnosed("Q79.3", "2026-09-01", admitted="2026-03-01"),
        diagnosed("Q79.3", None),
        diagnosed("Q79.3", None, recordedDate="2026-09-01"),
    ],
)
def test_gastroschisis_is_confirmed_by_its_code_within_the_age_at_the_event(condition: Coded) -> None:
    case = cases([condition])["gastroschisis"]
    assert (case.state, case.held, case.is_included) == (State.CONFIRMED, False, True)


@pytest.mark.parametrize(
    ("conditions", "procedures"),
    [
        ([diagnosed("Q79.2")], []),
        ([diagnosed("18735004", system=SNOMED)], []),
        ([diagnosed("T28.1")], []),
        ([], [operated("T28.1", system=ICD)]),
        ([diagnosed("T28.1", system=OPCS)], []),
        ([], [operated("Q79.3", system=ICD)]),
        ([diagnosed("Q79.3", system="urn:local")], []),
        ([], [operated("T28.1", status="not-done")]),
        ([], [operated("T28.1", status="in-progress")]),
        ([], [operated("T28.1", status="preparation")]),
        ([diagnosed("Q79.4")], []),
        ([diagnosed("Q79.5")], []),
        ([diagnosed("K42.9")], []),
        ([], [operated("Y70.3")]),
    ],
)
def test_a_look_alike_of_gastroschisis_is_no_case(conditions: list[Coded], procedures: list[Coded]) -> None:
    case = cases(conditions, procedures)["gastroschisis"]
    assert case.state is State.NONE
    assert case.evidence == ()


def test_a_display_or_text_is_never_evidence() -> None:
    spoken = Coded(
        {
            "resourceType": "Condition",
            "code": {
                "text": "Gastroschisis; NEC",
                "coding": [{"system": ICD, "code": "R18.X", "display": "Drainage of ascites NEC, P77, Q79.3"}],
            },
        }
    )
    found = cases([spoken], [operated("T46.2")])
    assert {case.state for case in found.values()} == {State.NONE}


def test_a_closure_alone_confirms_gastroschisis_if_exomphalos_is_not_coded() -> None:
    case = cases([], [operated("T281")])["gastroschisis"]
    assert case.is_included
    assert "T28.1 on 3 March 2026" in case.because


def test_a_closure_with_exomphalos_coded_is_held_for_a_person() -> None:
    case = cases([diagnosed("Q79.2")], [operated("T28.1")])["gastroschisis"]
    assert (case.state, case.held) == (State.PROBABLE, True)
    assert codes(case) == [ProblemCode.EXOMPHALOS_AND_GASTROSCHISIS]


def test_both_q79_2_and_q79_3_are_held_for_a_person() -> None:
    case = cases([diagnosed("Q79.2"), diagnosed("Q79.3")], [operated("T28.1")])["gastroschisis"]
    assert (case.state, case.held, case.is_included) == (State.PROBABLE, True, False)
    assert codes(case) == [ProblemCode.EXOMPHALOS_AND_GASTROSCHISIS]


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_an_exomphalos_that_was_taken_back_holds_nothing(status: str) -> None:
    case = cases([diagnosed("Q79.2", status=status), diagnosed("Q79.3")])["gastroschisis"]
    assert case.is_included


def test_a_staged_repair_beside_exomphalos_refutes_gastroschisis() -> None:
    case = cases([diagnosed("Q79.2")], [operated("T28.8"), operated("Y70.3")])["gastroschisis"]
    assert (case.state, case.held) == (State.REFUTED, False)


@pytest.mark.parametrize("status", ["provisional", "differential", "unconfirmed", "something-else"])
def test_an_uncertain_code_is_suspicion_only(status: str) -> None:
    found = cases([diagnosed("Q79.3", status=status), diagnosed("P77", status=status)])
    assert {found[name].state for name in ("gastroschisis", "nec")} == {State.SUSPECTED}


def test_a_working_diagnosis_is_suspicion_only() -> None:
    working = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0052", "code": "W"}]}
    assert cases([diagnosed("Q79.3", category=[working])])["gastroschisis"].state is State.SUSPECTED


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
@pytest.mark.parametrize(("code", "condition"), [("Q79.3", "gastroschisis"), ("P77X", "nec")])
def test_what_was_taken_back_is_refuted(status: str, code: str, condition: str) -> None:
    case = cases([diagnosed(code, status=status)])[condition]
    assert case.state is State.REFUTED
    assert not case.is_included


@pytest.mark.parametrize(("code", "condition"), [("Q79.3", "gastroschisis"), ("P77", "nec")])
def test_a_refutation_beside_a_live_code_is_held_for_a_person(code: str, condition: str) -> None:
    case = cases([diagnosed(code), diagnosed(code, status="refuted")], [operated("G69.3")])[condition]
    assert (case.state, case.held) == (State.PROBABLE, True)
    assert codes(case) == [ProblemCode.EVIDENCE_CONTRADICTS]


def test_an_entry_made_in_error_beside_a_right_one_changes_nothing() -> None:
    case = cases([diagnosed("Q79.3"), diagnosed("Q79.3", status="entered-in-error")])["gastroschisis"]
    assert case.is_included


def test_a_congenital_code_first_seen_late_is_held_for_review() -> None:
    case = cases([diagnosed("Q79.3", "2026-03-30", admitted="2026-03-30")])["gastroschisis"]
    assert (case.state, case.held, case.first_seen_late) == (State.PROBABLE, True, True)
    assert codes(case) == [ProblemCode.FIRST_SEEN_LATE]


@pytest.mark.parametrize("birth", [None, "", "2026", "not a date"])
def test_an_unknown_age_is_held_for_a_person(birth: str | None) -> None:
    case = cases([diagnosed("Q79.3")], birth=birth)["gastroschisis"]
    assert (case.state, case.held, case.is_included) == (State.CONFIRMED, True, False)
    assert codes(case) == [ProblemCode.AGE_UNKNOWN]


@pytest.mark.parametrize("birth", ["2026-03-01", "2026-02"])
def test_a_partial_birth_date_is_enough_where_it_decides(birth: str) -> None:
    assert cases([diagnosed("P77")], birth=birth)["nec"].held is False


@pytest.mark.parametrize("code", ["P77", "P77X", "p77x", "P77†", " P77 "])
def test_p77_alone_is_probable(code: str) -> None:
    case = cases([diagnosed(code)])["nec"]
    assert (case.state, case.held, case.is_included) == (State.PROBABLE, False, False)


@pytest.mark.parametrize(("code", "system"), [("P77X", ICD), ("206525008", SNOMED), ("2707005", SNOMED)])
@pytest.mark.parametrize("operation", ["G69.3", "H07.4", "G78.4", "G633"])
def test_nec_with_an_operation_of_high_confidence_on_or_after_its_onset_is_confirmed(
    code: str, system: str, operation: str
) -> None:
    case = cases([diagnosed(code, system=system)], [operated(operation)])["nec"]
    assert case.is_included


@pytest.mark.parametrize(
    ("onset", "operation", "confirmed"),
    [
        ("2026-03-10", "2026-03-10", True),
        ("2026-03-10", "2026-03-10T00:30:00+00:00", True),
        ("2026-03-10T09:00:00+00:00", "2026-03-10", True),
        ("2026-03-10T09:00:00+00:00", "2026-03-10T09:00:00+00:00", True),
        ("2026-03-10T09:00:00+00:00", "2026-03-10T08:59:00+00:00", False),
        ("2026-06-04", "2026-06-03T23:30:00Z", True),
        ("2026-06-04", "2026-06-04T00:30:00+01:00", True),
        ("2026-03-10", "2026-03-09T12:00:00+00:00", False),
        ("2026-03-10", "2026-03-02", False),
        ("2026-03-10", None, False),
    ],
)
def test_an_operation_before_the_onset_proves_no_nec(onset: str, operation: str | None, confirmed: bool) -> None:
    case = cases([diagnosed("P77", onset)], [operated("G69.3", operation)])["nec"]
    assert case.state is (State.CONFIRMED if confirmed else State.PROBABLE)


@pytest.mark.parametrize(
    ("conditions", "procedures", "state"),
    [
        ([diagnosed("P77.1")], [operated("G69.3")], State.SUSPECTED),
        ([diagnosed("P78.0")], [operated("G69.3")], State.SUSPECTED),
        ([diagnosed("K63.1")], [operated("G78.4")], State.SUSPECTED),
        ([diagnosed("P78.0"), diagnosed("K65.0")], [], State.SUSPECTED),
        ([diagnosed("P77.1"), diagnosed("K65.0")], [], State.SUSPECTED),
        ([diagnosed("P77.2")], [], State.SUSPECTED),
        ([diagnosed("P77.2"), diagnosed("K65.0")], [], State.PROBABLE),
        ([diagnosed("P77.2")], [operated("G69.3")], State.PROBABLE),
        ([diagnosed("32097002", system=SNOMED)], [], State.SUSPECTED),
        ([diagnosed("32097002", system=SNOMED)], [operated("G69.3")], State.PROBABLE),
        ([diagnosed("P77", status="provisional")], [operated("G69.3")], State.PROBABLE),
        ([diagnosed("P77")], [operated("T46.2")], State.PROBABLE),
        ([diagnosed("P77")], [operated("Y50.2")], State.PROBABLE),
        ([diagnosed("P77")], [operated("T30.3")], State.PROBABLE),
        ([diagnosed("P77")], [operated("G69.3", status="stopped")], State.PROBABLE),
        ([diagnosed("P77")], [operated("G69.3", status="entered-in-error")], State.PROBABLE),
        ([diagnosed("P77")], [operated("T46.2", system=ICD)], State.PROBABLE),
        ([], [operated("G69.3")], State.NONE),
        ([], [operated("T46.2"), operated("Y50.2")], State.NONE),
        ([diagnosed("P77", "2027-03-01", admitted="2027-03-01")], [], State.SUSPECTED),
        ([diagnosed("K63.1", "2027-03-01", admitted="2027-03-01")], [], State.NONE),
    ],
)
def test_less_than_proof_does_not_confirm_nec(conditions: list[Coded], procedures: list[Coded], state: State) -> None:
    assert cases(conditions, procedures)["nec"].state is state


def test_one_child_may_have_both_conditions() -> None:
    found = cases(
        [diagnosed("Q79.3"), diagnosed("P77", "2026-03-20")], [operated("T28.1"), operated("G69.3", "2026-03-21")]
    )
    assert {name for name, case in found.items() if case.is_included} == {"gastroschisis", "nec"}


def test_the_repair_of_gastroschisis_does_not_prove_a_later_nec() -> None:
    found = cases(
        [diagnosed("Q79.3"), diagnosed("P77", "2026-03-20")], [operated("T28.1"), operated("G69.3", "2026-03-03")]
    )
    assert found["gastroschisis"].is_included
    assert found["nec"].state is State.PROBABLE


def test_the_reason_is_one_sentence_with_codes_and_days() -> None:
    found = cases([diagnosed("Q79.3"), diagnosed("P77", "2026-03-20T10:00:00+00:00")], [operated("T28.1")])
    assert found["gastroschisis"].because == "Included: Q79.3 coded 2 March 2026; T28.1 on 3 March 2026."
    assert found["nec"].because == (
        "Probable: P77 coded 20 March 2026; no operation that proves it is recorded on or after its onset."
    )
    assert BORN not in str(found)
    assert found["gastroschisis"].first_evidence == "2026-03-02"


def test_first_evidence_of_nec_is_not_an_operation_before_it() -> None:
    case = cases([diagnosed("P77", "2026-03-20")], [operated("G69.3", "2026-03-03"), operated("G58.4", "2026-03-21")])[
        "nec"
    ]
    assert case.is_included
    assert case.first_evidence == "2026-03-20"
    assert [item.code for item in case.evidence] == ["P77", "G58.4"]


ITEMS = st.lists(
    st.builds(
        diagnosed,
        st.sampled_from(["Q79.2", "Q79.3", "P77X", "P77.1", "K65.0", "T28.1"]),
        st.sampled_from([None, "2026-03", "2026-03-02", "2026-03-05T10:00:00+00:00", "2026-08-01"]),
        status=st.sampled_from(["", "confirmed", "provisional", "refuted", "entered-in-error"]),
        admitted=st.sampled_from([None, "2026-03-01", "2026-07-01"]),
    ),
    max_size=5,
)
OPERATIONS = st.lists(
    st.builds(
        operated,
        st.sampled_from(["T28.1", "T28.8", "G69.3", "T46.2", "Y70.3"]),
        st.sampled_from([None, "2026-03-01", "2026-03-05T09:59:00+00:00", "2026-08-02"]),
        status=st.sampled_from(["completed", "completed", "stopped", "entered-in-error"]),
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(ITEMS, OPERATIONS, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(conditions: list[Coded], procedures: list[Coded], random: Any) -> None:
    expected = cases(conditions, procedures)
    repeated, again = conditions + conditions[:2], procedures + procedures[:2]
    random.shuffle(repeated)
    random.shuffle(again)
    assert cases(repeated, again) == expected


@settings(max_examples=150, deadline=None)
@given(ITEMS, OPERATIONS)
def test_nobody_is_included_without_a_firm_code_or_with_both_look_alikes(
    conditions: list[Coded], procedures: list[Coded]
) -> None:
    found = cases(conditions, procedures)
    live = [item for item in conditions if _status(item) not in ("refuted", "entered-in-error")]
    firm = {_code(item) for item in live if _status(item) != "provisional"}
    done = {_code(item) for item in procedures if item.resource["status"] == "completed"}
    if found["nec"].is_included:
        assert "P77X" in firm
        assert "G69.3" in done
    if found["gastroschisis"].is_included:
        assert "Q79.3" in firm or "T28.1" in done
        assert "Q79.2" not in {_code(item) for item in live}


def _code(item: Coded) -> str:
    return str(item.resource["code"]["coding"][0]["code"])


def _status(item: Coded) -> str:
    coding = item.resource.get("verificationStatus", {}).get("coding", [{}])
    return str(coding[0].get("code", ""))


def test_every_condition_of_the_file_is_judged_for_every_child() -> None:
    six = ["hirschsprung", "gastroschisis", "cdh", "oesophageal_atresia", "nec", "puv"]
    assert list(cases()) == [condition.rule.name for condition in rules().conditions] == six
