"""Reads the v2-to-FHIR mapping files, tables and a vendor's overlay into one effective set, or says what is wrong."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from adapter.datafile import load_model, positions_of, read_csv
from adapter.errors import ExitCode, Finding, SetupError
from adapter.mapping.rules import (
    Block,
    Change,
    FieldRule,
    KeyChange,
    OrderClass,
    OrderClasses,
    Overlay,
    SegmentMap,
    TableRow,
)
from adapter.mapping.v2_classes import Names
from adapter.mapping.v2_reader import Entry, Table
from adapter.statement import Word

M = TypeVar("M", SegmentMap, Overlay)

OwnCodes = Mapping[str, Iterable[str]]
"""A trust's own codes for tables that only list codes (`imaging-exams`, `imaging-sections`, `imaging-senders`)."""


CLASSES = "classes.yaml"
"""Beside the maps of the segments."""


IDENTITY_EVENTS = "identity-events"
"""The table that says what an event means for numbers."""
NO_WORD = "none"
"""There: a vendor uses the event for something else."""


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


def load_source(folder: Path, *, vendor: str | None, own_codes: OwnCodes | None = None) -> V2Source:
    """`folder` is `mappings` or `mappings/v2-to-fhir`."""
    if (folder / "v2-to-fhir").is_dir():
        folder = folder / "v2-to-fhir"
    findings: list[Finding] = []
    overlays = _overlays(folder, vendor, findings)
    tables = _tables([folder, *([folder / "vendors" / vendor] if vendor else [])], own_codes or {}, findings)
    findings += _unknown_words(tables.get(IDENTITY_EVENTS, {}))
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.name != CLASSES]
    maps = [found for path in paths if (found := _read(path, SegmentMap, findings)) is not None]
    blocks = [
        (segment_map.segment, segment_map._file, block) for segment_map in maps for block in segment_map.resources
    ]
    for overlay in overlays:
        blocks = _overlaid(blocks, overlay, findings)
    names = Names(_classes(folder / CLASSES, findings), tables, findings)
    blocks = [(segment, file, names.resolved(block)) for segment, file, block in blocks]
    for _, _, block in blocks:
        findings += _unknown_tables(block, tables)
    if findings:
        raise SetupError("the v2-to-fhir mappings cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    if not blocks:
        raise SetupError(f"no v2-to-fhir mappings in {folder}", exit_code=ExitCode.MAPPING)
    return V2Source(blocks=tuple(blocks), tables=tables)


def _classes(path: Path, findings: list[Finding]) -> Iterable[OrderClass]:
    try:
        return load_model(path, OrderClasses, exit_code=ExitCode.MAPPING).classes if path.exists() else ()
    except SetupError as error:
        findings += error.findings
        return ()


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


def _tables(folders: Iterable[Path], own_codes: OwnCodes, findings: list[Finding]) -> dict[str, Table]:
    """The tables of each folder, rows of a later one over those of an earlier; then a trust's own codes."""
    tables: dict[str, dict[str, Entry]] = {}
    for folder in folders:
        for path in sorted((folder / "tables").glob("*.csv")):
            try:
                rows = read_csv(path, TableRow)
            except SetupError as error:
                findings += error.findings
                continue
            place = f"vendors/{folder.name}/tables" if folder.parent.name == "vendors" else "tables"
            tables.setdefault(path.stem, {}).update(
                (row.code.upper(), Entry(row.target, row.display, row.system, f"{place}/{path.name}:{row._line}"))
                for row in reversed(rows)
            )
    for name, codes in own_codes.items():
        tables.setdefault(name, {}).update((code.upper(), Entry(code, "", "", "the trust's own")) for code in codes)
    return dict(tables)


def _unknown_words(table: Table) -> Iterable[Finding]:
    known = [*map(str, Word), NO_WORD]
    for code, entry in table.items():
        if entry.target not in known:
            file, _, line = entry.origin.rpartition(":")
            close = difflib.get_close_matches(entry.target, known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(known)}"
            text = f'{code}: no identity event means "{entry.target}"'
            yield Finding(file=file, line=int(line) if line.isdigit() else 0, column=1, text=text, hint=hint)


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
    for keyed in overlay.keys:
        changed = _keyed(changed, overlay.segment, keyed, findings)
    return changed


def _keyed(
    blocks: list[tuple[str, str, Block]], segment: str, change: KeyChange, findings: list[Finding]
) -> list[tuple[str, str, Block]]:
    """Every block of that segment and resource with the vendor's key."""
    fits = [name == segment and block.resource == change.resource and bool(block.key) for name, _, block in blocks]
    if not any(fits):
        text = f"no key to change: {segment} makes no {change.resource} with a key"
        findings.append(Finding(file=change._file, line=change._line, column=change._column or 1, text=text))
    return [
        (name, file, block.model_copy(update={"key": change.key}) if does_fit else block)
        for (name, file, block), does_fit in zip(blocks, fits, strict=True)
    ]


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
        for name in filter(None, (rule.table, rule.order)):
            if name in tables:
                continue
            close = difflib.get_close_matches(name, sorted(tables), n=1)
            hint = f'did you mean "{close[0]}"?' if close else ""
            text = f'no table "{name}"'
            yield Finding(file=rule._file, line=rule._line, column=rule._column or 1, text=text, hint=hint)
