"""What the rulings say of each condition beyond its own code: pairs, guards, records, histology, texts, scope."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest

from adapter.cohort import CaseState, Coded, CohortRules, NecScope, Noted, State, Told, judge, load_rules
from adapter.errors import ProblemCode
from adapter.mapping.codelists import load_codelists
from tests.unit.cohort.builders import BORN, ICD, MAPPINGS, diagnosed, operated, rules, triage_rules


def found(
    conditions: Iterable[Coded] = (),
    procedures: Iterable[Coded] = (),
    *,
    texts: Iterable[Told] = (),
    notes: Iterable[Noted] = (),
    sex: str | None = "male",
    by: CohortRules | None = None,
) -> dict[str, CaseState]:
    cases = judge(conditions, procedures, birth=BORN, sex=sex, rules=by or rules(), texts=texts, notes=notes)
    return {case.condition: case for case in cases}


@cache
def scoped(scope: NecScope) -> CohortRules:
    lists = load_codelists(MAPPINGS / "codelists")
    return load_rules(MAPPINGS / "cohort", codelists=lists.code_rows(), normalise=lists.normalise, nec_scope=scope)


def told(text: str, at: str = "2026-03-02") -> Told:
    return Told(text, at)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("Q43.1", "hirschsprung"),
        ("Q79.3", "gastroschisis"),
        ("Q79.0", "cdh"),
        ("Q39.0", "oesophageal_atresia"),
        ("Q64.2", "puv"),
    ],
)
def test_each_congenital_condition_is_confirmed_by_its_code(code: str, name: str) -> None:
    assert {key for key, case in found([diagnosed(code)]).items() if case.is_included} == {name}


@pytest.mark.parametrize("code", ["H33.2", "H41.1", "H41.4", "H40.4", "H33.4"])
def test_a_pull_through_counts_only_beside_the_diagnosis(code: str) -> None:
    assert found([], [operated(code)])["hirschsprung"].state is State.NONE
    beside = found([diagnosed("Q43.1")], [operated(code)])["hirschsprung"]
    assert beside.is_included
    assert f"{code} on 3 March 2026" in beside.because
    assert found([diagnosed("K59.3")], [operated(code)])["hirschsprung"].state is State.SUSPECTED


def test_a_look_alike_with_a_supporting_operation_is_probable() -> None:
    assert found([diagnosed("P76.9")], [operated("H62.5")])["hirschsprung"].state is State.PROBABLE
    assert found([], [operated("H62.5")])["hirschsprung"].state is State.NONE


def test_two_coded_defects_of_the_diaphragm_are_held_for_a_person() -> None:
    case = found([diagnosed("Q79.0"), diagnosed("Q79.1")])["cdh"]
    assert (case.state, case.held) == (State.PROBABLE, True)
    assert [problem.code for problem in case.problems] == [ProblemCode.EVIDENCE_CONTRADICTS]


def test_a_coded_eventration_refutes_a_hernia_that_was_only_suspected() -> None:
    case = found([diagnosed("Q79.0", status="provisional"), diagnosed("Q79.1")])["cdh"]
    assert (case.state, case.held) == (State.REFUTED, False)


@pytest.mark.parametrize("code", ["K44.0", "K44.1", "K44.9", "Q40.1"])
def test_another_hernia_in_an_infant_is_none_unless_the_congenital_one_was_repaired(code: str) -> None:
    assert found([diagnosed(code)])["cdh"].state is State.NONE
    assert found([diagnosed(code)], [operated("G23.2")])["cdh"].state is State.NONE
    assert found([diagnosed(code)], [operated("T16.4")])["cdh"].is_included


@pytest.mark.parametrize(("day", "is_late"), [("2026-03-29", False), ("2026-03-30", True)])
def test_a_hernia_after_28_days_is_flagged_late_presenting_and_stays(day: str, is_late: bool) -> None:
    case = found([diagnosed("Q79.0", day, admitted=day)], [operated("T16.4", "2026-04-02")])["cdh"]
    assert (case.is_included, case.late_presenting) == (True, is_late)


def test_a_fistula_without_atresia_is_taken_for_a_year() -> None:
    assert found([diagnosed("Q39.2", "2026-12-01", admitted=None)])["oesophageal_atresia"].is_included
    late = found([diagnosed("Q39.2", "2027-03-02", admitted=None)])["oesophageal_atresia"]
    assert (late.state, late.held, late.first_seen_late) == (State.PROBABLE, True, True)


def test_closure_of_a_fistula_is_probable_until_q39_is_coded() -> None:
    assert found([], [operated("G07.1")])["oesophageal_atresia"].state is State.PROBABLE
    assert found([diagnosed("Q39.1")], [operated("G07.1")])["oesophageal_atresia"].is_included


def test_oesophageal_atresia_with_fallot_stays() -> None:
    assert found([diagnosed("Q39.1"), diagnosed("Q21.3")])["oesophageal_atresia"].is_included


def test_valves_in_a_girl_are_an_error_of_the_data_and_her_hydronephrosis_says_nothing() -> None:
    case = found([diagnosed("Q64.2"), diagnosed("Q62.0")], sex="female")["puv"]
    assert (case.state, case.held, case.is_included) == (State.CONFIRMED, True, False)
    assert [problem.code for problem in case.problems] == [ProblemCode.FEMALE_WITH_VALVES]
    assert found([diagnosed("Q62.0")], sex="female")["puv"].state is State.NONE
    assert found([diagnosed("Q62.0")], sex="male")["puv"].state is State.SUSPECTED


@pytest.mark.parametrize("sex", ["unknown", "other", None])
def test_valves_without_a_known_sex_are_held(sex: str | None) -> None:
    case = found([], [operated("M76.5")], sex=sex)["puv"]
    assert (case.held, [problem.code for problem in case.problems]) == (True, [ProblemCode.SEX_UNKNOWN])


@pytest.mark.parametrize("name", ["hirschsprung", "gastroschisis", "cdh", "oesophageal_atresia", "nec", "puv"])
def test_a_completed_operative_record_confirms_its_condition_and_no_other(name: str) -> None:
    cases = found(notes=[Noted(name, "2026-03-04", "completed", "note-1")])
    assert [key for key, case in cases.items() if case.state is not State.NONE] == [name]
    assert cases[name].is_included
    assert cases[name].because == "Included: operative record of 4 March 2026."
    assert (cases[name].evidence[0].is_coded, cases[name].evidence[0].ref) == (False, "note-1")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("amended", State.CONFIRMED),
        ("in-progress", State.NONE),
        ("stopped", State.NONE),
        ("entered-in-error", State.REFUTED),
    ],
)
def test_only_a_record_that_stands_confirms(status: str, state: State) -> None:
    assert found(notes=[Noted("cdh", "2026-03-04", status)])["cdh"].state is state


def test_a_record_against_a_refuted_code_is_held() -> None:
    case = found([diagnosed("Q43.1", status="refuted")], notes=[Noted("hirschsprung", "2026-03-04")])["hirschsprung"]
    assert (case.state, case.held) == (State.PROBABLE, True)


def pathology(category: str = "SP", status: str = "final") -> Coded:
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "status": status,
        "category": [{"coding": [{"code": category}]}],
        "effectiveDateTime": "2026-03-05",
        "conclusionCode": [{"coding": [{"system": ICD, "code": "Q43.1"}]}],
    }
    return Coded(report)


def test_histology_confirms_hirschsprung_disease() -> None:
    case = found([pathology()])["hirschsprung"]
    assert case.is_included
    assert case.because == "Included: Q43.1 in histology of 5 March 2026."
    assert found([pathology(status="preliminary")])["hirschsprung"].state is State.SUSPECTED
    assert found([pathology("RAD")])["hirschsprung"].state is State.NONE


def test_a_text_raises_suspicion_and_never_confirms() -> None:
    texts = [told("Findings: NEC with pneumatosis."), told("NEC confirmed.", "2026-03-04")]
    case = found(texts=texts)["nec"]
    assert case.state is State.SUSPECTED
    assert "named in a text of 2 March 2026" in case.because
    assert "pneumatosis" not in case.because
    assert found([], [operated("G69.3")], texts=texts)["nec"].state is State.SUSPECTED


def test_a_text_beside_a_suspect_code_is_probable() -> None:
    assert found([diagnosed("P78.0")], texts=[told("NEC is present.")])["nec"].state is State.PROBABLE
    assert found([diagnosed("P78.0")], texts=[told("?NEC")])["nec"].state is State.SUSPECTED


def test_exomphalos_coded_refutes_gastroschisis_in_words() -> None:
    assert found([diagnosed("Q79.2")], texts=[told("Gastroschisis.")])["gastroschisis"].state is State.REFUTED


def test_a_text_of_an_older_child_says_nothing() -> None:
    assert found(texts=[told("NEC.", "2027-01-01")])["nec"].state is State.NONE


@pytest.mark.parametrize(
    ("scope", "coded", "with_sign", "with_operation"),
    [
        ("surgical", State.PROBABLE, State.PROBABLE, State.CONFIRMED),
        ("definite", State.PROBABLE, State.CONFIRMED, State.CONFIRMED),
        ("all", State.CONFIRMED, State.CONFIRMED, State.CONFIRMED),
    ],
)
def test_the_scope_of_nec_is_the_trusts(scope: NecScope, coded: State, with_sign: State, with_operation: State) -> None:
    by = scoped(scope)
    sign = [told("Pneumatosis is present.")]
    assert found([diagnosed("P77")], by=by)["nec"].state is coded
    assert found([diagnosed("P77")], texts=sign, by=by)["nec"].state is with_sign
    assert found([diagnosed("P77")], [operated("G69.3")], by=by)["nec"].state is with_operation
    assert found(texts=sign, by=by)["nec"].state is State.SUSPECTED


def test_a_dated_decision_that_surgery_was_required_confirms_a_coded_nec() -> None:
    decided = Noted("nec", "2026-03-04", "decided")
    assert found([diagnosed("P77")], notes=[decided])["nec"].is_included
    assert found(notes=[decided])["nec"].state is State.SUSPECTED


def test_codes_of_all_six_keep_an_infants_message_and_congenital_ones_a_childs() -> None:
    triggers = {code for _, code in triage_rules().trigger_codes}
    congenital = {code for _, code in triage_rules().congenital_codes}
    assert {"Q43.1", "Q79.3", "Q79.0", "Q39.1", "Q39.2", "P77", "Q64.2", "T28.1", "T16.4", "G07.3", "M76.5"} <= triggers
    assert {"Q43.1", "Q79.3", "Q79.0", "Q39.1", "Q39.2", "Q64.2"} <= congenital
    assert triggers.isdisjoint({"H33.2", "Q79.2", "K44.9", "Q21.3"})
    assert "P77" not in congenital
