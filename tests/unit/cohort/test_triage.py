"""Which messages are kept: known first, age last."""

from typing import Any

import pytest

from adapter.cohort import Reason, triage
from tests.unit.cohort.builders import ICD, OPCS, SNOMED, facts, triage_rules

Q79_3 = ((ICD, "Q79.3"),)
ADULT = "1990-05-05"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # known first, whatever else is said
        ({"known": True, "birth": ADULT, "treatment_function": "424"}, Reason.KNOWN),
        ({"known": True, "readable": False}, Reason.KNOWN),
        # identity events and unreadable patients are kept
        ({"event": "A40", "birth": ADULT}, Reason.IDENTITY_EVENT),
        ({"event": "A34", "birth": None}, Reason.IDENTITY_EVENT),
        ({"readable": False, "birth": None}, Reason.UNREADABLE),
        # neonatal unit or surgical ward, by treatment function or by ward
        ({"treatment_function": "422"}, Reason.NEONATAL_OR_SURGICAL),
        ({"treatment_function": "171"}, Reason.NEONATAL_OR_SURGICAL),
        ({"treatment_function": "211"}, Reason.NEONATAL_OR_SURGICAL),
        ({"treatment_function": "242"}, Reason.NEONATAL_OR_SURGICAL),
        ({"ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        ({"ward": "SURG", "birth": "2025-03-10"}, Reason.NEONATAL_OR_SURGICAL),
        # a trigger code, wherever the infant is
        ({"codes": Q79_3}, Reason.TRIGGER_CODE),
        ({"codes": ((ICD, "P77.2"),), "treatment_function": "424"}, Reason.TRIGGER_CODE),
        ({"codes": ((OPCS, "T28.1"),)}, Reason.TRIGGER_CODE),
        ({"codes": ((SNOMED, "206525008"),)}, Reason.TRIGGER_CODE),
        # age last; unknown age is kept
        ({"birth": None, "ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        ({"birth": "unreadable", "ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        ({"birth": "2025", "ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        ({"birth": "2026", "ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        ({"birth": "2062-03-01", "ward": "NNU"}, Reason.NEONATAL_OR_SURGICAL),
        # a congenital code first seen late keeps a child of any age (R6)
        ({"birth": "2020-01-01", "codes": Q79_3}, Reason.TRIGGER_CODE),
    ],
)
def test_kept(changes: dict[str, Any], reason: Reason) -> None:
    assert triage(facts(**changes), rules=triage_rules()) == (True, reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"treatment_function": "424"}, Reason.WELL_BABY),
        ({"treatment_function": "424", "ward": "NNU"}, Reason.WELL_BABY),
        ({"treatment_function": "420"}, Reason.OTHER_WARD),
        ({"ward": "MAT"}, Reason.OTHER_WARD),
        ({}, Reason.OTHER_WARD),
        ({"codes": ((ICD, "T28.1"),)}, Reason.OTHER_WARD),
        ({"codes": ((ICD, "Q79.2"),)}, Reason.OTHER_WARD),
        ({"birth": "2024-01-01", "ward": "SURG"}, Reason.TOO_OLD),
        ({"birth": "2020-01-01", "codes": ((ICD, "P77"),)}, Reason.TOO_OLD),
        ({"birth": ADULT}, Reason.ADULT),
        ({"birth": ADULT, "ward": "NNU", "codes": Q79_3}, Reason.ADULT),
        ({"birth": ADULT, "treatment_function": "171"}, Reason.ADULT),
        # the mother, though the codes speak of her child and she may be a child in years
        ({"birth": "2010-01-01", "codes": (*Q79_3, (ICD, "O35.8"))}, Reason.MOTHER),
        ({"birth": "2010-01-01", "codes": Q79_3, "treatment_function": "501"}, Reason.MOTHER),
        ({"birth": None, "codes": (*Q79_3, (ICD, "O35.8"))}, Reason.MOTHER),
    ],
)
def test_not_ours(changes: dict[str, Any], reason: Reason) -> None:
    assert triage(facts(**changes), rules=triage_rules()) == (False, reason)


def test_a_newborn_is_no_mother_though_a_wrong_code_says_so() -> None:
    kept = triage(facts(codes=((ICD, "O35.8"), *Q79_3), treatment_function="501"), rules=triage_rules())
    assert kept.keep


def test_the_day_after_the_first_birthday_on_a_ward_is_too_old_and_the_day_before_is_not() -> None:
    assert triage(facts(birth="2025-03-11", ward="NNU"), rules=triage_rules()).keep
    assert not triage(facts(birth="2025-03-09", ward="NNU"), rules=triage_rules()).keep
