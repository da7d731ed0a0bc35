"""conditions.yaml: what a wrong rule says of itself, the sex guard, and confidence."""

from pathlib import Path

import pytest

from adapter.cohort import CohortRules, State, can_confirm, load_rules
from adapter.errors import ExitCode, ProblemCode, SetupError
from tests.unit.cohort.builders import ICD, cases, diagnosed

VALVES = """\
kind: cohort
conditions:
  - name: valves
    means: Posterior urethral valves.
    sex: {must-be: male, problem: FEMALE_WITH_VALVES}
    evidence:
      - name: core
        means: Coded.
        from: diagnosis
        lists: [PUV.dx.core]
        age-up-to: P365D
        when-older: hold
    states:
      - state: confirmed
        firm: [core]
"""
LISTS = {"PUV.dx.core": {(ICD, "Q64.2"): True}}


def load(folder: Path, text: str) -> CohortRules:
    (folder / "conditions.yaml").write_text(text)
    return load_rules(folder, codelists=LISTS, normalise=lambda system, code: (system, code))


@pytest.mark.parametrize(
    ("sex", "held", "codes"),
    [
        ("male", False, []),
        ("female", True, [ProblemCode.FEMALE_WITH_VALVES]),
        ("unknown", True, [ProblemCode.SEX_UNKNOWN]),
        ("other", True, [ProblemCode.SEX_UNKNOWN]),
        (None, True, [ProblemCode.SEX_UNKNOWN]),
    ],
)
def test_a_condition_of_one_sex_is_held_for_the_other_and_for_unknown(
    tmp_path: Path, sex: str | None, held: bool, codes: list[ProblemCode]
) -> None:
    case = cases([diagnosed("Q64.2")], sex=sex, by=load(tmp_path, VALVES))["valves"]
    assert (case.state, case.held) == (State.CONFIRMED, held)
    assert [problem.code for problem in case.problems] == codes


@pytest.mark.parametrize(
    ("wrong", "right", "shown"),
    [
        ("PUV.dx.cor", "PUV.dx.core", ['unknown code list "PUV.dx.cor"', 'did you mean "PUV.dx.core"?', ":7:"]),
        ("firm: [coer]", "firm: [core]", ['unknown evidence "coer"', 'did you mean "core"?', ":14:"]),
        ("stat: confirmed", "state: confirmed", ['unknown key "stat"', 'did you mean "state"?', "^"]),
        ("from: diagnoses", "from: diagnosis", ['did you mean "diagnosis"?', ":9:"]),
        ("age-up-to: 365", "age-up-to: P365D", ["ISO 8601 duration", ":11:"]),
        ("in-order: [core]", "firm: [core]", ["in-order takes two names"]),
        ("codes: [Q64.2]", "lists: [PUV.dx.core]", [":10:"]),
    ],
)
def test_a_wrong_rule_is_shown_with_file_line_and_hint(
    tmp_path: Path, wrong: str, right: str, shown: list[str]
) -> None:
    with pytest.raises(SetupError) as raised:
        load(tmp_path, VALVES.replace(right, wrong))
    assert raised.value.exit_code is ExitCode.MAPPING
    for text in ["conditions.yaml", *shown]:
        assert text in str(raised.value)


@pytest.mark.parametrize(
    ("confidence", "signed", "confirms"),
    [
        ("code:verified;role:high", "", True),
        ("verified", "", True),
        ("high", "", True),
        ("medium", "", False),
        ("code:verified;role:medium", "", False),
        ("code:verified;role:medium", "A Clinician", True),
        ("low", " ", False),
        ("", "", False),
    ],
)
def test_only_high_confidence_or_a_signature_confirms(confidence: str, signed: str, confirms: bool) -> None:
    assert can_confirm(confidence, reviewed_by=signed) is confirms
