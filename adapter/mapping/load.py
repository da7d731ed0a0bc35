"""Reads the v2-to-FHIR mapping files, tables and a vendor's overlay into one effective set, or says what is wrong."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from adapter.datafile import load_model, positions_of, read_csv
from adapter.errors import ExitCode, Finding, SetupError
from adapter.mapping.rules import Block, Change, FieldRule, Overlay, SegmentMap, TableRow
from adapter.mapping.v2_reader import Entry, Table

M = TypeVar("M", SegmentMap, Overlay)


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Source:
    """The effective set: what is done, and where each rule stands."""

    blocks: tuple[tuple[str, str, Block], ...]
    """(segment, file, block)."""
    tables: dict[str, Table]


def rule_origin(rule: FieldRule) -> str:
    """`OBX.yaml:41`, or `vendors/epic/OBX.yaml:7`."""
    path = Path(rule._file)
    name = "/".join(path.parts[-3:]) if "vendors" in path.parts[-3:] else path.name
    return f"{name}:{rule._line}"


def load_source(folder: Path, *, vendor: str | None) -> V2Source:
    """`folder` is `mappings` or `mappings/v2-to-fhir`."""
    if (folder / "v2-to-fhir").is_dir():
        folder = folder / "v2-to-fhir"
    findings: list[Finding] = []
    tables = _tables(folder / "tables", findings)
    maps = [found for path in sorted(folder.glob("*.yaml")) if (found := _read(path, SegmentMap, findings)) is not None]
    overlays = _overlays(folder, vendor, findings)
    blocks = [
        (segment_map.segment, segment_map._file, block) for segment_map in maps for block in segment_map.resources
    ]
    for overlay in overlays:
        blocks = _overlaid(blocks, overlay, findings)
    for _, _, block in blocks:
        findings += _unknown_tables(block, tables)
    if findings:
        raise SetupError("the v2-to-fhir mappings cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    if not blocks:
        raise SetupError(f"no v2-to-fhir mappings in {folder}", exit_code=ExitCode.MAPPING)
    return V2Source(blocks=tuple(blocks), tables=tables)


def _read(path: Path, model: type[M], findings: list[Finding]) -> M | None:
    try:
        found = load_model(path, model, exit_code=ExitCode.MAPPING)
    except SetupError as error:
        findings += error.findings
        return None
    if found.segment != path.stem:
        line, column = positions_of(found)["segment",]
        text = f"the file is named {path.name} but maps {found.segment}"
        findings.append(Finding(file=str(path), line=line, column=column, text=text))
    return found


def _tables(folder: Path, findings: list[Finding]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            rows = read_csv(path, TableRow)
        except SetupError as error:
            findings += error.findings
            continue
        tables[path.stem] = {
            row.code.upper(): Entry(row.target, row.display, row.system, f"tables/{path.name}:{row._line}")
            for row in reversed(rows)
        }
    return tables


def _overlays(folder: Path, vendor: str | None, findings: list[Finding]) -> Iterable[Overlay]:
    if vendor is None:
        return []
    known = sorted(path.name for path in (folder / "vendors").glob("*") if path.is_dir())
    if vendor not in known:
        # A vendor without deviations needs no folder; a misspelt one must not pass for it.
        close = difflib.get_close_matches(vendor, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"
        raise SetupError(f"no mappings for vendor {vendor}; {hint}", exit_code=ExitCode.MAPPING)
    paths = sorted((folder / "vendors" / vendor).glob("*.yaml"))
    return [found for path in paths if (found := _read(path, Overlay, findings)) is not None]


def _overlaid(
    blocks: Sequence[tuple[str, str, Block]], overlay: Overlay, findings: list[Finding]
) -> list[tuple[str, str, Block]]:
    changed = list(blocks)
    for action, changes in (("replace", overlay.replace), ("add", overlay.add), ("drop", overlay.drop)):
        for change in changes:
            changed = _changed(changed, overlay.segment, change, action, findings)
    return changed


def _changed(
    blocks: list[tuple[str, str, Block]], segment: str, change: Change, action: str, findings: list[Finding]
) -> list[tuple[str, str, Block]]:
    """One change made in every block of that segment and resource that has the target."""
    result, is_done = [], False
    targets: set[str] = set()
    for name, file, block in blocks:
        fits = name == segment and block.resource == change.resource
        has_it = any(rule.to == change.to for rule in block.fields)
        targets |= {rule.to for rule in block.fields} if fits else set()
        if fits and not is_done and (action == "add" or has_it):
            is_done = True
            block = block.model_copy(update={"fields": _fields(block, change, action)})
        result.append((name, file, block))
    if not is_done or (change.rule is None) == (action != "drop"):
        findings.append(_misfit(change, segment, action, targets))
    return result


def _fields(block: Block, change: Change, action: str) -> tuple[FieldRule, ...]:
    new = (change.rule,) if change.rule else ()
    if action == "add":
        return block.fields + new
    at = next(index for index, rule in enumerate(block.fields) if rule.to == change.to)
    kept = [rule for rule in block.fields if rule.to != change.to]
    return (*kept[:at], *(new if action == "replace" else ()), *kept[at:])


def _misfit(change: Change, segment: str, action: str, targets: set[str]) -> Finding:
    close = difflib.get_close_matches(change.to, sorted(targets), n=1)
    text = f'nothing to {action}: {segment} makes no {change.resource} with "{change.to}"'
    if action != "drop" and change.rule is None:
        text = f"`{action}` needs a rule"
    elif action == "drop" and change.rule is not None:
        text = "`drop` takes no rule"
    hint = f'did you mean "{close[0]}"?' if close else ""
    return Finding(file=change._file, line=change._line, column=change._column or 1, text=text, hint=hint)


def _unknown_tables(block: Block, tables: dict[str, Table]) -> Iterable[Finding]:
    for rule in block.fields:
        if rule.table is not None and rule.table not in tables:
            close = difflib.get_close_matches(rule.table, sorted(tables), n=1)
            hint = f'did you mean "{close[0]}"?' if close else ""
            text = f'no table "{rule.table}"'
            yield Finding(file=rule._file, line=rule._line, column=rule._column or 1, text=text, hint=hint)
