"""The codes and the names of a CodeableConcept, each with its place, and the key of a code in a table of the trust."""

from collections.abc import Iterator
from typing import Any

from adapter.mapping.codelists import CodeLists

NATIONAL = frozenset({"loinc", "snomed-ct", "icd-10", "opcs-4"})
"""Systems whose codes mean the same in every trust."""


def codings_in(concept: Any) -> Iterator[tuple[str, str, str]]:
    """Place (`coding[0].code`), system and code of every coding that has a code."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for number, coding in enumerate(codings if isinstance(codings, list) else ()):
        code = coding.get("code") if isinstance(coding, dict) else None
        if isinstance(code, str) and code.strip():
            system = coding.get("system")
            yield f"coding[{number}].code", system if isinstance(system, str) else "", code


def names_in(value: Any) -> Iterator[tuple[str, str]]:
    """Place and words: of a concept its text, then the displays; of a text itself."""
    if isinstance(value, str):
        yield "", value
    if not isinstance(value, dict):
        return
    if isinstance(value.get("text"), str):
        yield "text", value["text"]
    codings = value.get("coding")
    for number, coding in enumerate(codings if isinstance(codings, list) else ()):
        if isinstance(coding, dict) and isinstance(coding.get("display"), str):
            yield f"coding[{number}].display", coding["display"]


def table_key(codelists: CodeLists, system: str, code: str) -> tuple[str, str]:
    """Under which a table holds a code: in normal form where the system is known, else without its case."""
    normal = codelists.normal(system, code)
    if normal is not None:
        return normal.system, normal.code
    return system.strip().removeprefix("urn:id:"), code.strip().upper()


def is_national(key: tuple[str, str]) -> bool:
    """Whether a key is of a national system; any other code may stand in a trust's table without its system."""
    return key[0] in NATIONAL
