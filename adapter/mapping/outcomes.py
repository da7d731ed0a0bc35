"""Reads mappings/outcomes/rules.yaml: the lists of codes from which outcomes are told."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict

from adapter.csor.derive import OutcomeRules
from adapter.csor.fields import Condition
from adapter.datafile import Positioned, did_you_mean, hyphenated, load_model
from adapter.errors import ExitCode, Finding, SetupError
from adapter.mapping.codelists import CodeLists

Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class StomaLists(_Rule):
    """Names of code lists."""

    stoma_formation: Names
    stoma_closure: Names
    stoma_revision: Names


class Chapter(_Rule):
    """Codes of a system by their first characters."""

    system: str
    begins: Names


class OutcomeFile(_Rule):
    """The file."""

    kind: Literal["outcome-rules"]
    means: str
    index_operation: dict[Condition, Names]
    stoma: StomaLists
    no_theatre: Names
    no_theatre_chapters: tuple[Chapter, ...]
    home: Names
    to_hospital: Names
    from_hospital: Names
    died: Names
    stays: Names


def load_outcome_rules(path: Path, *, codelists: CodeLists) -> OutcomeRules:
    """The lists with their codes; SetupError where a list is not there."""
    file = load_model(path, OutcomeFile, exit_code=ExitCode.MAPPING)
    findings = tuple(_faults(file, codelists))
    if findings:
        raise SetupError("the rules of outcomes cannot be used", findings=findings, exit_code=ExitCode.MAPPING)

    def codes(names: Iterable[str]) -> frozenset[tuple[str, str]]:
        return frozenset(
            (normal.system, normal.code)
            for name in names
            for row in codelists.rows(name)
            if (normal := codelists.normal(row.system, row.code)) is not None
        )

    return OutcomeRules(
        definitive={condition: codes(names) for condition, names in file.index_operation.items()},
        stoma={name: codes(getattr(file.stoma, name)) for name in StomaLists.model_fields},
        no_theatre=codes(file.no_theatre),
        no_theatre_chapters=tuple((each.system, begin) for each in file.no_theatre_chapters for begin in each.begins),
        home=frozenset(file.home),
        to_hospital=frozenset(file.to_hospital),
        from_hospital=frozenset(file.from_hospital),
        died=frozenset(file.died),
        stays=frozenset(file.stays),
    )


def _faults(file: OutcomeFile, codelists: CodeLists) -> Iterator[Finding]:
    lists = [*file.no_theatre, *(name for names in file.index_operation.values() for name in names)]
    lists += [name for field in StomaLists.model_fields for name in getattr(file.stoma, field)]
    for name in lists:
        if name not in codelists.names:
            hint = did_you_mean(name, codelists.names)
            yield Finding(file=file._file, line=file._line, column=1, text=f'there is no code list "{name}"', hint=hint)
    for condition, names in (
        ("discharge_destination", (*file.home, *file.to_hospital)),
        ("discharge_method", file.died),
    ):
        known = {row.code for row in codelists.rows(f"REF.{condition}")}
        for code in names:
            if code not in known:
                text = f'"{code}" is no code of REF.{condition}'
                yield Finding(file=file._file, line=file._line, column=1, text=text)
