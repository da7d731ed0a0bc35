"""Whether the fields of one row are what `record.py` says: for tests, `check` and `convert`, off the hot path."""

from collections.abc import Mapping

from pydantic import ValidationError

from adapter.csor.record import KINDS
from adapter.errors import Problem, ProblemCode


def check_row(kind: str, fields: Mapping[str, object]) -> tuple[Problem, ...]:
    """Every field that breaks its definition; the text names the rule, never the value."""
    try:
        KINDS[kind].model_validate(dict(fields), strict=False)
    except ValidationError as error:
        return tuple(
            Problem(
                code=ProblemCode.BAD_RESOURCE,
                text=f"the field is not as the dictionary says ({one['type']})",
                at=".".join([kind, *map(str, one["loc"])]),
            )
            for one in error.errors(include_input=False, include_context=False, include_url=False)
        )
    return ()
