"""The payload that leaves the trust (channel B): what of each kind of row may be in it, and its published JSON Schema.

Everything here is derived from the `leaves` of `record.py`, so that a field cannot leave by being forgotten.
`python -m adapter.csor.payload` writes the schema file that the receiver validates against.
"""

import json
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from adapter.csor.fields import Leaves
from adapter.csor.record import KINDS, field_leaves

SCHEMA_VERSION = "1"
SCHEMA_FILE = Path(__file__).parents[1] / "receiver" / "schema" / "csor-payload.schema.json"

NUMERIC_TEXT = r"^(<=|>=|<|>)?-?\d{1,12}(\.\d{1,12})?$"
"""The numeric grammar: the only text of a value that may leave (ruling R21)."""

_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.*/+\-]{0,39}$|^\[pH\]$|^\{(INR|score)\}$|^%$|^/min$"
"""A word of a closed list or a unit; free text has spaces and does not match."""

_CODE = r"^[A-Z0-9][A-Z0-9.\-]{0,19}$"
_KEY = r"^[A-Za-z0-9:_\-]{16,80}$"
_YEAR_MONTH = r"^\d{4}-\d\d$"

_CLOSED = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class PayloadCode(BaseModel):
    """A code of a national system; its display stays in the trust."""

    model_config = _CLOSED

    system: Literal["icd-10", "opcs-4", "snomed-ct", "loinc"]
    code: str = Field(pattern=_CODE)


class Batch(BaseModel):
    """What one request carries: rows of one child."""

    model_config = _CLOSED

    schema_version: Literal["1"]
    trust: str = Field(pattern=r"^[A-Z0-9]{3,6}$", description="ODS code of the sending trust.")
    csor_id: str = Field(pattern=_KEY, description="Keyed pseudonym of the child.")
    minutes: Literal["utc", "wall-clock"] = Field(
        description="By which clock minutes from birth are counted: true intervals, or an hour more or less across a "
        "change of the clock."
    )
    rows: list[Any]


def payload_names(name: str, leaves: Leaves) -> tuple[str, ...]:
    """Under which names a field of a row stands in the payload; none if it is withheld."""
    if leaves is Leaves.WITHHELD:
        return ()
    if leaves is Leaves.MONTH_ONCE:
        return ("birth_year_month",)
    if leaves is Leaves.MINUTES_FROM_BIRTH:
        stem = name.removesuffix("_dt").removesuffix("_datetime")
        return (f"{stem}_minutes", f"{stem}_days")
    return (name,)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected")  # noqa: TRY004 - pydantic turns only ValueError into a finding
    return value


_Decimal = Annotated[Decimal, BeforeValidator(_no_bool), WithJsonSchema({"type": "number"})]
_Text = Annotated[str, Field(pattern=_WORD)]
_Integer = Annotated[int, Field(strict=True)]


def _as_is(annotation: Any) -> Any:
    """The type of a field that leaves unchanged: closed choices stay closed, text is held to one word."""
    if get_origin(annotation) is Literal:
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)] or [annotation]
    narrow = {str: _Text, Decimal: _Decimal, int: _Integer}
    types = [narrow.get(member, member) for member in members]
    return types[0] if len(types) == 1 else Union[tuple(types)]  # noqa: UP007 - built at run time


def _payload_type(annotation: Any, leaves: Leaves) -> Any:
    if leaves is Leaves.MONTH_ONCE:
        return Annotated[str, Field(pattern=_YEAR_MONTH)]
    if leaves is Leaves.MINUTES_FROM_BIRTH:
        return _Integer
    if leaves is Leaves.NUMERIC_TEXT:
        return Annotated[str, Field(pattern=NUMERIC_TEXT)]
    if leaves is Leaves.LISTED_CODE:
        is_list = any(getattr(member, "__origin__", None) is list for member in get_args(annotation))
        return list[PayloadCode] if is_list else Annotated[str, Field(pattern=_CODE)]
    return _as_is(annotation)


def _fields_model(kind: str) -> type[BaseModel]:
    """The fields of one kind as they may stand in the payload."""
    leaves = field_leaves(kind)
    definitions: dict[str, Any] = {}
    for attribute, info in KINDS[kind].model_fields.items():
        name = info.alias or attribute
        for payload_name in payload_names(name, leaves[name]):
            annotation = _payload_type(info.annotation, leaves[name])
            alias = payload_name if payload_name == info.alias else None
            definitions[attribute if alias else payload_name] = (
                annotation | None,
                Field(default=None, alias=alias, description=info.description),
            )
    return create_model(f"{KINDS[kind].__name__}Fields", __config__=_CLOSED, **definitions)


@cache
def row_models() -> dict[str, type[BaseModel]]:
    """For each kind, the row of the wire: record_id, kind, version, deleted, fields."""
    models: dict[str, type[BaseModel]] = {}
    for kind, record in KINDS.items():
        definitions: dict[str, Any] = {
            "record_id": (str, Field(pattern=_KEY)),
            "kind": (Literal[kind], ...),
            "version": (int, Field(ge=1, strict=True)),
            "deleted": (bool, Field(strict=True)),
            "fields": (_fields_model(kind), Field(description="Empty where `deleted` is true.")),
        }
        models[kind] = create_model(f"{record.__name__}Row", __config__=_CLOSED, **definitions)
    return models


@cache
def batch_model() -> type[BaseModel]:
    """The batch with its rows told apart by `kind`."""
    row: Any = Annotated[Union[tuple(row_models().values())], Field(discriminator="kind")]  # noqa: UP007 - at run time
    definitions: dict[str, Any] = {"rows": (list[row], Field(min_length=1, max_length=1000))}
    return create_model("CsorBatch", __base__=Batch, **definitions)


def schema_text() -> str:
    """The published JSON Schema, byte for byte as in the file."""
    schema = batch_model().model_json_schema(by_alias=True)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated from adapter/csor by `python -m adapter.csor.payload`; do not edit.",
        **schema,
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the schema file."""
    SCHEMA_FILE.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
