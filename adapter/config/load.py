"""Reads a trust file, puts the vendor's facts under it and validates the whole. The one place where that happens."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from adapter.config.layers import over
from adapter.config.packaged import packaged
from adapter.config.reading import Reading
from adapter.config.settings import TrustSettings
from adapter.config.vendor import settings_of
from adapter.config.vendors import packaged_vendor, vendor_paths
from adapter.datafile import Node, did_you_mean, read_yaml, validate_node
from adapter.errors import ExitCode, SetupError

_V2_KINDS = ("mllp", "http", "folder")


class Effective(NamedTuple):
    """One value in force, and where it was written."""

    setting: str
    value: str
    at: str
    """`file:line`, or `default`."""


def load_trust(path: Path) -> TrustSettings:
    """The settings of one trust, or SetupError with every fault of both files."""
    merged, vendors = _merged(path)
    context = {"folder": path.resolve().parent}
    settings = validate_node(merged, TrustSettings, exit_code=ExitCode.CONFIG, context=context)
    settings._digest = _digest(path, *vendors, *(table for table in settings.own_tables() if table.exists()))
    return settings


def effective(path: Path) -> list[Effective]:
    """Every value that a file sets, for `check --show`; of how a feed is read, the adapter's defaults, too."""
    merged = _merged(path)[0]
    sources = merged.child("sources")
    listed = sources.value if sources and isinstance(sources.value, list) else []
    defaults = [found for number, source in enumerate(listed) for found in _default_reading(source, number)]
    return [*_leaves(merged, ""), *defaults]


def _default_reading(source: Node, number: int) -> Iterator[Effective]:
    if not _is_v2(source):
        return
    said = source.child("reading")
    for name, value in Reading().model_dump(mode="json", exclude_none=True).items():
        if said is None or said.child(name) is None:
            yield Effective(f"sources[{number}].reading.{name}", json.dumps(value).strip('"'), "default")


def vendor_reading(vendor: str) -> Reading:
    """How the feeds of a packaged vendor are read where no trust says anything."""
    return packaged_vendor(vendor).reading


def _merged(path: Path) -> tuple[Node, tuple[Path, ...]]:
    """The vendor's facts with the trust file over them, and the vendor files that were read."""
    trust = read_yaml(path)
    vendor = trust.child("vendor")
    if vendor is None or not isinstance(vendor.value, str):
        raise SetupError(f"{path} cannot be used", findings=(trust.finding('"vendor" is missing here'),))
    # A trust's own vendor file wins over the packaged one of the same name.
    known = vendor_paths(path.parent.parent / "vendors", packaged("config/vendors"))
    facts = {vendor.value: settings_of(read_yaml(_named(vendor, known)))}
    merged = over(facts[vendor.value], trust)
    sources = merged.child("sources")
    for source in sources.value if sources and isinstance(sources.value, list) else []:
        named = source.child("vendor")
        if named is not None and isinstance(named.value, str) and named.value not in facts:
            facts[named.value] = settings_of(read_yaml(_named(named, known)))
    return _with_readings(merged, trust, facts), tuple(known[name] for name in facts)


def _with_readings(merged: Node, trust: Node, facts: Mapping[str, Node]) -> Node:
    """Each HL7 v2 source with its whole `reading`: its own, over the trust's for all, over its vendor's facts."""
    sources = merged.child("sources")
    if not isinstance(merged.value, dict) or sources is None or not isinstance(sources.value, list):
        return merged
    whole = [_with_reading(source, merged, trust, facts) for source in sources.value]
    return replace(merged, value={**merged.value, "sources": replace(sources, value=whole)})


def _with_reading(source: Node, merged: Node, trust: Node, facts: Mapping[str, Node]) -> Node:
    if not _is_v2(source) or not isinstance(source.value, dict):
        return source
    named = source.child("vendor")
    layers = [_reading_of(merged)]
    if named is not None and isinstance(named.value, str):
        layers = [_reading_of(facts[named.value]), _reading_of(trust)]
    present = [each for each in (*layers, source.child("reading")) if each is not None]
    if not present:
        return source
    return replace(source, value={**source.value, "reading": reduce(over, present)})


def _is_v2(source: Node) -> bool:
    kind = source.child("kind")
    return kind is not None and kind.value in _V2_KINDS


def _reading_of(settings: Node) -> Node | None:
    v2 = settings.child("v2")
    return v2.child("reading") if v2 else None


def _named(vendor: Node, known: Mapping[str, Path]) -> Path:
    name = str(vendor.value)
    if name not in known:
        finding = vendor.finding(f'unknown vendor "{name}"', hint=did_you_mean(name, list(known)))
        raise SetupError(f"{vendor.file} cannot be used", findings=(finding,))
    return known[name]


def _leaves(node: Node, setting: str) -> Iterator[Effective]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _leaves(child, f"{setting}.{key}" if setting else key)
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _leaves(child, f"{setting}[{index}]")
    else:
        yield Effective(setting, node.value, f"{Path(node.file).name}:{node.line}")


def _digest(*paths: Path) -> str:
    whole = hashlib.sha256()
    for path in paths:
        body = path.read_bytes()
        whole.update(len(body).to_bytes(8, "big") + body)
    return whole.hexdigest()
