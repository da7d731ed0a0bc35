"""The verdict of fhir.resources R4B on a resource: recorded as problems at the edge, never a gate.

R4B refuses a whole resource for one unknown element and costs about 200 µs, so it is no part of the hot path. The plain
import of fhir.resources is R5 and wrong here.
"""

from functools import cache
from importlib import import_module
from typing import Any

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode
from adapter.fhir.resource import encode


@cache
def _model(resource_type: str) -> Any:
    """The pydantic model of a type, or None; imported on first use because the models of a type take long to build."""
    if not resource_type.isalnum():
        return None
    try:
        module = import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    except ModuleNotFoundError:
        return None
    return getattr(module, resource_type, None)


def validate(resource: Resource, *, at: str = "") -> tuple[Problem, ...]:
    """What R4B finds wrong, one problem an element; texts name the element and the rule, never a value."""
    model = _model(str(resource.get("resourceType", "")))
    if model is None:
        return (Problem(code=ProblemCode.NOT_FHIR, text="not a resource type of FHIR R4", at=at),)
    try:
        model.model_validate_json(encode(resource))
    except ValueError as error:
        return tuple(_problem(one, at=at) for one in _errors(error))
    except Exception as error:  # noqa: BLE001 - whatever its models raise is their verdict, and no reason to stop
        return (_problem({"loc": (), "type": type(error).__name__}, at=at),)
    return ()


def _errors(error: ValueError) -> list[dict[str, Any]]:
    listed = getattr(error, "errors", None)
    if listed is None:
        return [{"loc": (), "type": "value_error"}]
    found: list[dict[str, Any]] = listed(include_input=False, include_context=False, include_url=False)
    return found


def _problem(error: dict[str, Any], *, at: str) -> Problem:
    pointer = "".join(f"/{part}" for part in error["loc"])
    return Problem(
        code=ProblemCode.BAD_RESOURCE,
        text=f"not as FHIR R4 defines it ({error['type']})",
        at=f"{at}{pointer}",
    )
