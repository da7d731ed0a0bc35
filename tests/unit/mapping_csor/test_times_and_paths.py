"""Times with offset and precision; the compiled function and the traced walk read the same."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.errors import ProblemCode
from adapter.mapping.csor_conversions import instant
from tests.unit.mapping_csor.builders import a_specimen, an_observation, maps, project

LONDON = ZoneInfo("Europe/London")


@pytest.mark.behaviour(61)
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026", "2026"),
        ("2026-03", "2026-03"),
        ("2026-03-08", "2026-03-08"),
        ("2026-03-08T14:23:00Z", "2026-03-08T14:23:00+00:00"),
        ("2026-03-08T14:23:00.250+01:00", "2026-03-08T14:23:00.250+01:00"),
        ("2026-07-08T14:23:00", "2026-07-08T14:23:00+01:00"),
        ("2026-01-08T14:23", "2026-01-08T14:23+00:00"),
    ],
)
def test_a_time_keeps_its_precision_and_has_its_offset(sent: str, kept: str) -> None:
    outcome = instant(sent, at="x", timezone=LONDON)
    assert (outcome.value, outcome.problems) == (kept, ())
    assert outcome.steps[-1].result == kept


@pytest.mark.parametrize(
    "sent", ["2026-02-30", "20260308", "2026-13", "2026-03-08 14:00", "yesterday", 2026, None, "", "9999-12-31"]
)
def test_what_is_no_time_is_a_problem_and_no_value(sent: Any) -> None:
    outcome = instant(sent, at="x", timezone=LONDON)
    assert outcome.value is None
    assert [problem.code for problem in outcome.problems] == [ProblemCode.BAD_TIME]


def test_the_hour_that_comes_twice_is_flagged() -> None:
    outcome = instant("2026-10-25T01:30:00", at="x", timezone=LONDON)
    assert outcome.value == "2026-10-25T01:30:00+01:00"
    assert [problem.code for problem in outcome.problems] == [ProblemCode.AMBIGUOUS_HOUR]


@pytest.mark.behaviour(136)
def test_the_time_of_the_sample_is_taken_before_any_other() -> None:
    context = a_specimen()
    context["Specimen/1"]["collection"] = {"collectedDateTime": "2026-03-01T09:00:00Z"}
    assert project(an_observation(), context).fields["collected_dt"] == "2026-03-01T10:00:00+00:00"
    without = an_observation(effectiveDateTime=None, issued="2026-03-01T12:00:00Z")
    assert project(without, context).fields["collected_dt"] == "2026-03-01T09:00:00+00:00"
    assert project(without).fields["collected_dt"] is None


@pytest.mark.behaviour(63)
def test_the_preferred_system_wins_wherever_it_stands() -> None:
    snomed = {"system": "http://snomed.info/sct", "code": " 206525008 "}
    icd = {"system": "http://hl7.org/fhir/sid/icd-10", "code": " P77X "}
    for codings in ([snomed, icd], [icd, snomed]):
        condition = {"resourceType": "Condition", "code": {"coding": codings}}
        assert project(condition, {}, kind="diagnosis").fields["code"] == "P77"
    only = {"resourceType": "Condition", "code": {"coding": [snomed]}}
    fields = project(only, {}, kind="diagnosis").fields
    assert (fields["code"], fields["code_system"]) == ("206525008", "snomed-ct")


_LEAF = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "", "<5", "2026-03-01", "laboratory", "H"])
)
_JSON = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "system", "value", "unit", "reference", "start", "low", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_ELEMENTS = ["code", "valueQuantity", "valueString", "specimen", "category", "issued", "effectivePeriod",
             "referenceRange", "interpretation", "dataAbsentReason", "status", "verificationStatus", "class",
             "period", "identifier", "extension", "gender", "birthDate", "_birthDate", "location"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    resource=st.dictionaries(st.sampled_from(_ELEMENTS), _JSON, max_size=6), kind=st.sampled_from(sorted(maps().kinds))
)
def test_any_json_is_borne_and_every_value_has_a_lineage(resource: dict[str, Any], kind: str) -> None:
    traced = maps().project_traced(kind, resource, context=a_specimen())
    again = maps().project_traced(kind, resource, context=a_specimen())
    assert traced == again
    if traced is not None:
        for name, trace in traced.lineage.items():
            assert trace.steps, name
            if not isinstance(traced.fields[name], list):
                value = traced.fields[name]
                assert trace.steps[-1].result == (str(value).lower() if isinstance(value, bool) else str(value))
