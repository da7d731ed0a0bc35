"""Reads mappings/examples/fhir-to-csor/: a resource as JSON, and the row expected from it in plain words."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from adapter import fhir
from adapter.datafile import Positioned, hyphenated, load_model
from adapter.mapping.fhir_to_csor import CsorMaps, load_csor_maps
from adapter.mapping.own_tables import OwnTables

MAPPINGS = Path(__file__).parents[2] / "mappings"
FOLDER = MAPPINGS / "examples" / "fhir-to-csor"


class Example(Positioned):
    """One golden pair."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    kind: Literal["fhir-to-csor-example"]
    record: str
    shows: str
    resource: str
    context: dict[str, str] = {}
    row: dict[str, str | list[str]] | Literal["none"]
    """Every field that is not null; `none` where the resource gives no row."""
    excluded_by: str = ""
    """The path of the condition that says no."""
    problems: list[str] = []

    def decoded(self) -> dict[str, Any]:
        return fhir.decode(self.resource.encode())

    def decoded_context(self) -> dict[str, dict[str, Any]]:
        return {reference: fhir.decode(text.encode()) for reference, text in self.context.items()}


@cache
def maps() -> CsorMaps:
    """With the tables of a trust beside them, as examples of how a trust writes its own."""
    examples = MAPPINGS / "examples"
    own = OwnTables(
        wards={"NICU": "nicu", "SURG": "surgical"},
        imaging=[examples / "imaging-table.csv"],
        drugs=[examples / "drug-table.csv"],
    )
    return load_csor_maps(MAPPINGS, own_concepts=[examples / "laboratory-table.csv"], own=own)


def example_files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


@cache
def example(path: Path) -> Example:
    return load_model(path, Example)


def in_words(value: Any) -> str | list[str]:
    """A field as examples write it: `yes`, `72.50`, `icd-10 P77`, `urn:id:L X77 (not listed)`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return [each if isinstance(each, str) else _code(each) for each in value]
    return str(value) if isinstance(value, Decimal | int | str) else repr(value)


def _code(code: dict[str, Any]) -> str:
    return f"{code['system'] or '-'} {code['code']}{'' if code['listed'] else ' (not listed)'}"
