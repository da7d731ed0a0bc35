"""What a row looks like outside the trust, and that nothing else leaves."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.csor.fields import Leaves
from adapter.csor.payload import row_models
from adapter.csor.record import KINDS, field_leaves
from adapter.disclosure import Birth, Minutes, disclose
from adapter.disclosure.grammar import TEXT_SHAPES, is_code
from tests.unit.disclosure.builders import LONDON, born

LAB: dict[str, Any] = {
    "analyte": "crp",
    "codes": [
        {"system": "snomed-ct", "code": "55235003", "display": "CRP of Zzyzx", "listed": True},
        {"system": "L", "code": "ZZYZX", "display": "local", "listed": False},
    ],
    "value_num": Decimal("12.50"),
    "comparator": "<",
    "value_original": "<12.50",
    "unit_original": "mg/l Zzyzx",
    "value_canonical": Decimal("12.50"),
    "unit_ucum": "mg/L",
    "specimen_type": "venous",
    "collected_dt": "2026-03-01T05:06:00+00:00",
    "issued_dt": "2026-03-01T07:00:00+00:00",
    "status": "final",
    "source_status": "F",
    "abnormal_flag": "H",
    "ref_low": Decimal("0"),
    "ref_high": Decimal("5"),
}


def test_a_result_leaves_without_display_unit_as_sent_and_transaction_time() -> None:
    assert disclose("lab_result", LAB, birth=born()) == {
        "analyte": "crp",
        "codes": [{"system": "snomed-ct", "code": "55235003"}],
        "value_num": Decimal("12.50"),
        "comparator": "<",
        "value_original": "<12.50",
        "value_canonical": Decimal("12.50"),
        "unit_ucum": "mg/L",
        "specimen_type": "venous",
        "collected_minutes": 60,
        "status": "final",
        "abnormal_flag": "H",
        "ref_low": Decimal("0"),
        "ref_high": Decimal("5"),
    }


def collected(event: str, birth: str | None) -> tuple[int | None, int | None]:
    left = disclose("lab_result", {"analyte": "crp", "collected_dt": event}, birth=born(birth))
    return left.get("collected_minutes"), left.get("collected_days")


@pytest.mark.parametrize(
    ("event", "birth", "expected"),
    [
        # by UTC: across the change to summer time one hour of the clock does not exist
        ("2026-03-29T02:30:00+01:00", "2026-03-29T00:30:00+00:00", (60, None)),
        ("2026-10-25T01:30:00+00:00", "2026-10-25T01:30:00+01:00", (60, None)),
        ("2026-03-01T04:05:29+00:00", "2026-03-01T04:05:30+00:00", (-1, None)),
        ("2026-03-01T04:06:29+00:00", "2026-03-01T04:05:30+00:00", (0, None)),
        ("2026-02-28T04:05:00+00:00", "2026-03-01T04:05:00+00:00", (-1440, None)),
        # one of the two only to the day: days, by the trust's calendar
        ("2026-03-03", "2026-03-01T04:05:00+00:00", (None, 2)),
        ("2026-03-03T10:00:00+00:00", "2026-03-01", (None, 2)),
        ("2026-06-03T23:30:00Z", "2026-06-01", (None, 3)),
        ("2026-03-03", "2026-03-01", (None, 2)),
        # less than the day, or nothing: nothing
        ("2026-03", "2026-03-01", (None, None)),
        ("2026-03-03", "2026-03", (None, None)),
        ("2026-03-03", None, (None, None)),
        ("2026-03-03T10:00:00", "2026-03-01T04:05:00+00:00", (None, None)),
        ("whenever", "2026-03-01T04:05:00+00:00", (None, None)),
    ],
)
def test_times_leave_as_minutes_or_days_from_birth_never_both(
    event: str, birth: str | None, expected: tuple[int | None, int | None]
) -> None:
    assert collected(event, birth) == expected


@pytest.mark.parametrize(
    ("birth", "month"),
    [
        ("2026-03-31T23:30:00Z", "2026-04"),
        ("2026-03-31", "2026-03"),
        ("2026-03", "2026-03"),
        ("2026", None),
        ("Zz-zx", None),
    ],
)
def test_the_month_of_birth_leaves_once_on_the_infant(birth: str, month: str | None) -> None:
    left = disclose("infant", {"birth_datetime": birth, "birth_precision": "day", "sex": "female"}, birth=born(birth))
    assert left.get("birth_year_month") == month
    assert birth not in left.values() or month == birth


@pytest.mark.parametrize(
    ("fields", "leaves"),
    [
        ({"value_original": "<5"}, True),
        ({"value_original": "12.5"}, True),
        ({"value_original": "12.5 Zzyzx"}, False),
        ({"value_original": "20260301"}, False),
        ({"value_original": "9990000018"}, False),
        ({"value_num": Decimal("9990000018")}, False),
        ({"value_num": Decimal("20260301")}, False),
        ({"value_num": Decimal("NaN")}, False),
        ({"value_num": "12"}, False),
        ({"value_num": True}, False),
        ({"value_num": Decimal("450.125")}, True),
        ({"unit_ucum": "10*9/L"}, True),
        ({"unit_ucum": "[pH]"}, True),
        ({"unit_ucum": "Zzyzx"}, False),
        ({"abnormal_flag": "HH"}, True),
        ({"abnormal_flag": "see Dr Zzyzx"}, False),
        ({"specimen_type": "Zzyzx"}, False),
        ({"implausible": True}, True),
        ({"implausible": "yes"}, False),
    ],
)
def test_a_value_leaves_only_in_its_grammar(fields: dict[str, Any], leaves: bool) -> None:
    assert disclose("lab_result", fields, birth=born()) == (fields if leaves else {})


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"code": "Q79.3", "code_system": "icd-10", "codes": [("icd-10", "Q79.3", True)]}, "Q79.3"),
        ({"code": "Q79.3", "code_system": "icd-10", "codes": [("icd-10", "Q79.3", False)]}, None),
        ({"code": "Q79.3", "code_system": "opcs-4", "codes": [("icd-10", "Q79.3", True)]}, None),
        ({"code": "ZZYZX", "code_system": "icd-10", "codes": [("icd-10", "ZZYZX", True)]}, None),
        ({"code": "Q79.3", "code_system": "icd-10"}, None),
        ({"code": "Q79.3", "codes": [("icd-10", "Q79.3", True)]}, None),
    ],
)
def test_a_code_leaves_only_with_its_system_and_if_listed(fields: dict[str, Any], left: str | None) -> None:
    row = dict(fields)
    if "codes" in row:
        row["codes"] = [{"system": s, "code": c, "display": "Zzyzx", "listed": m} for s, c, m in row["codes"]]
    assert disclose("diagnosis", row, birth=born()).get("code") == left


@pytest.mark.parametrize(
    ("system", "code", "is_one"),
    [
        ("snomed-ct", "72951007", True),
        ("snomed-ct", "206525008", True),
        ("snomed-ct", "21931000146106", True),
        ("snomed-ct", "72951008", False),
        ("snomed-ct", "9990000018", False),
        ("icd-10", "P77", True),
        ("icd-10", "P77X", False),
        ("opcs-4", "T28.1", True),
        ("loinc", "1988-5", True),
        ("L", "CRP", False),
    ],
)
def test_codes_are_well_formed_in_their_system(system: str, code: str, is_one: bool) -> None:
    assert is_code(system, code) is is_one


def test_an_unknown_kind_of_row_has_no_way_out() -> None:
    with pytest.raises(KeyError):
        disclose("letter", {"text": "Zzyzx"}, birth=born())


def test_a_field_that_the_record_does_not_name_stays() -> None:
    assert disclose("infant", {"surname": "Zzyzx", "sex": "female"}, birth=born()) == {"sex": "female"}


def test_every_field_of_open_text_that_leaves_has_a_closed_shape() -> None:
    open_text = {
        f"{kind}.{info.alias or name}"
        for kind, model in KINDS.items()
        for name, info in model.model_fields.items()
        if field_leaves(kind)[info.alias or name] is Leaves.AS_IS
        and str in (info.annotation, *get_args(info.annotation))
    }
    assert open_text == set(TEXT_SHAPES)


CANARIES = [
    "ZZYZXCANARY", "Zzyzx", "9990000018", "999 000 0018", "RXX1234567", "H1234567", "OX3 9DU", "12 Canary Row",
    "baby@zzyzx.example", "+447700900123", "19870605", "198706050407", "1987-06-05", "1987-06-05T04:07:11+00:00",
    "<9990000018", "A,B", "Zzyzx^Quux", "../../zzyzx", "{\"x\":1}", "DROP TABLE", "Dr Zzyzx", "C1234567",
]  # fmt: skip


def leaves_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves_of(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves_of(item)]
    return [str(value)]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("canary", CANARIES)
def test_a_canary_planted_in_every_field_is_in_no_payload(kind: str, canary: str) -> None:
    coding = {"system": canary, "code": canary, "display": canary, "listed": True}
    codings = [coding] + [coding | {"system": system} for system in ("icd-10", "opcs-4", "snomed-ct", "loinc")]
    for planted in (canary, [canary], codings, {"value": canary}):
        fields: dict[str, Any] = dict.fromkeys(field_leaves(kind), planted)
        fields |= {"codes": codings, "evidence": codings, "code_system": "snomed-ct", "procedure_system": "snomed-ct"}
        left = disclose(kind, fields, birth=born())
        told = [leaf for leaf in leaves_of(left) if leaf not in ("snomed-ct", "2026-03")]
        assert all(canary not in leaf for leaf in told)
        assert all(leaf.lstrip("-").isdigit() for leaf in told), told


@pytest.mark.parametrize(
    "number", [9990000018, Decimal("9990000018"), 19870605, Decimal("19870605.0407"), 9.990000018e9]
)
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_national_number_or_a_date_does_not_leave_as_a_number(kind: str, number: Any) -> None:
    left = disclose(kind, dict.fromkeys(field_leaves(kind), number), birth=born())
    assert set(left) <= {"birth_year_month"}


def test_the_birth_prints_nothing() -> None:
    assert "2026" not in f"{born()} {born()!r}"


MOMENTS = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "+00:00")
VALUES = st.text(max_size=12) | st.booleans() | st.integers() | st.decimals() | MOMENTS | st.sampled_from(CANARIES)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_what_leaves_is_always_what_the_published_schema_takes(kind: str, data: st.DataObject) -> None:
    fields = {name: data.draw(VALUES) for name in field_leaves(kind)}
    left = disclose(kind, fields, birth=born())
    row = {"record_id": "r" * 32, "kind": kind, "version": 1, "deleted": False, "fields": left}
    row_models()[kind].model_validate(row)


@pytest.mark.parametrize(
    ("event", "by_utc", "by_wall"),
    [
        ("2026-03-28T06:00:00+00:00", 360, 360),
        ("2026-03-29T06:00:00+01:00", 1740, 1800),  # the night of the change is an hour shorter
        ("2026-10-25T06:00:00+00:00", 304200, 304200),
        ("2026-10-25T01:30:00+01:00", 303870, 303930),  # comes twice on the wall
        ("2026-10-25T01:30:00+00:00", 303930, 303930),
    ],
)
def test_minutes_are_true_intervals_unless_the_trust_counts_by_the_wall(event: str, by_utc: int, by_wall: int) -> None:
    for minutes, expected in ((Minutes.UTC, by_utc), (Minutes.WALL_CLOCK, by_wall)):
        birth = Birth.read("2026-03-28T00:00:00+00:00", timezone=LONDON, minutes=minutes)
        assert birth.minutes_to(event) == expected
