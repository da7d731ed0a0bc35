"""Checks a body against the published JSON Schema. A fault says where and which rule, never the value found there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

MOST_FAULTS = 20
"""A batch made wrong by one mistake has thousands of equal faults; the first few tell the sender what to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule of the schema that the body breaks."""

    at: str
    """JSON pointer (RFC 6901) into the body."""
    rule: str
    """The schema keyword: `required`, `enum`, `type`, `additionalProperties` …"""


@cache
def _validator() -> Draft202012Validator:
    text = resources.files("adapter.receiver").joinpath("schema/csor-payload.schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults_of(body: object) -> tuple[Fault, ...]:
    """Empty when the body is a batch as published."""
    found = _validator().iter_errors(body)
    return tuple(_fault(error) for error, _ in zip(found, range(MOST_FAULTS), strict=False))


def repeated_records(rows: list[dict[str, Any]]) -> tuple[Fault, ...]:
    """A record twice in one batch has no order; JSON Schema cannot say that."""
    return tuple(_repeats(rows))


def _repeats(rows: list[dict[str, Any]]) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if row["record_id"] in seen:
            yield Fault(at=f"/rows/{number}/record_id", rule="unique")
        seen.add(row["record_id"])


def _fault(error: ValidationError) -> Fault:
    # Under anyOf/oneOf the outer error names only the row; the best match inside names the field.
    inner = best_match([error]) or error
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in inner.absolute_path)
    return Fault(at="".join(f"/{step}" for step in steps), rule=str(inner.validator))
