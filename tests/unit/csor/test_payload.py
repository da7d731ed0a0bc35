"""What the payload schema lets through, and that the published file is the generated one."""

import json
from typing import Any

import jsonschema
import pytest

from adapter.csor import payload
from adapter.csor.fields import Leaves
from adapter.csor.record import KINDS, field_leaves


def a_batch(kind: str, **fields: Any) -> dict[str, Any]:
    row = {"record_id": "B" * 26, "kind": kind, "version": 1, "deleted": False, "fields": fields}
    return {"schema_version": "1", "trust": "RTH", "csor_id": "A" * 26, "minutes": "utc", "rows": [row]}


def is_accepted(batch: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(json.loads(payload.schema_text())).is_valid(batch)


def test_the_published_schema_file_is_the_generated_one() -> None:
    assert payload.SCHEMA_FILE.read_text(encoding="utf-8") == payload.schema_text()


def test_a_laboratory_row_may_leave_with_minutes_and_a_listed_code() -> None:
    batch = a_batch(
        "lab_result",
        analyte="crp",
        codes=[{"system": "loinc", "code": "1988-5"}],
        value_num=1.5,
        value_original="<5",
        unit_ucum="10*9/L",
        collected_minutes=-5,
    )
    assert is_accepted(batch)


def test_a_deleted_row_has_no_fields() -> None:
    batch = a_batch("diagnosis")
    batch["rows"][0]["deleted"] = True
    assert is_accepted(batch)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("lab_result", {"value_original": "haemolysed, phone mother"}),
        ("lab_result", {"collected_dt": "2026-03-01T10:00:00+00:00"}),
        ("lab_result", {"issued_minutes": 5}),
        ("lab_result", {"abnormal_flag": "see note"}),
        ("diagnosis", {"codes": [{"system": "icd-10", "code": "P77", "display": "NEC"}]}),
        ("diagnosis", {"codes": [{"system": "local", "code": "P77"}]}),
        ("admission", {"ward_code": "NICU"}),
        ("admission", {"spell_id": "V1"}),
        ("infant", {"birth_datetime": "2026-03-01"}),
        ("condition_case", {"because": "P77 coded"}),
        ("genetic_test", {}),
    ],
)
def test_what_must_not_leave_is_refused_by_the_schema(kind: str, fields: dict[str, Any]) -> None:
    assert not is_accepted(a_batch(kind, **fields))


@pytest.mark.parametrize("kind", KINDS)
def test_no_withheld_field_has_a_name_in_the_payload(kind: str) -> None:
    definitions = json.loads(payload.schema_text())["$defs"]
    allowed = set(definitions[f"{KINDS[kind].__name__}Fields"]["properties"])
    leaves = field_leaves(kind)
    expected = {name for field in leaves for name in payload.payload_names(field, leaves[field])}
    assert allowed == expected
    assert not allowed & {field for field, how in leaves.items() if how is Leaves.WITHHELD}
