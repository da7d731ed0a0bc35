"""Which keys a model knows at a place, so that an unknown one can be answered with "did you mean"."""

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


def known_keys(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The keys as written in the file, in the order of the model, at this pydantic location."""
    candidates: list[Any] = [model]
    for part in loc:
        tagged = [each for each in candidates if _is_branch(each, part)]
        stepped = [inner for each in candidates for inner in _step(each, part)]
        candidates = stepped or tagged or candidates
    return list(dict.fromkeys(key for each in candidates if _is_model(each) for key in _keys(each)))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else name: info.annotation
        for name, info in model.model_fields.items()
    }


def _is_branch(annotation: Any, part: int | str) -> bool:
    """pydantic names a union's branch by its class or by the value of its discriminator."""
    if not _is_model(annotation):
        return False
    tags = [tag for each in _keys(annotation).values() if get_origin(each) is Literal for tag in get_args(each)]
    return part == annotation.__name__ or part in tags


def _step(annotation: Any, part: int | str) -> list[Any]:
    if _is_model(annotation):
        keys = _keys(annotation)
        return list(_models_and_holders(keys[part])) if part in keys else []
    origin = get_origin(annotation)
    if origin in (dict, Mapping) and isinstance(part, str):
        return list(_models_and_holders(get_args(annotation)[1]))
    if origin in (list, tuple, frozenset, set) and isinstance(part, int):
        return list(_models_and_holders(get_args(annotation)[0]))
    return []


def _models_and_holders(annotation: Any) -> Iterator[Any]:
    """Look through Annotated and unions."""
    if get_origin(annotation) is Annotated:
        yield from _models_and_holders(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _models_and_holders(each)
    else:
        yield annotation
