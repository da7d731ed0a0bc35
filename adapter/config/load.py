"""Reads a trust file, puts the vendor's facts under it and validates the whole. The one place where that happens."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from adapter.config.packaged import packaged
from adapter.config.settings import TrustSettings
from adapter.config.vendor import settings_of
from adapter.datafile import Node, did_you_mean, read_yaml, validate_node
from adapter.errors import ExitCode, SetupError


class Effective(NamedTuple):
    """One value in force, and where it was written."""

    setting: str
    value: str
    at: str
    """`file:line`."""


def load_trust(path: Path) -> TrustSettings:
    """The settings of one trust, or SetupError with every fault of both files."""
    merged, vendor_path = _merged(path)
    context = {"folder": path.resolve().parent}
    settings = validate_node(merged, TrustSettings, exit_code=ExitCode.CONFIG, context=context)
    settings._digest = _digest(path, vendor_path, *(table for table in settings.own_tables() if table.exists()))
    return settings


def effective(path: Path) -> list[Effective]:
    """Every value that a file sets, for `check --show`; defaults of the adapter are not listed."""
    return list(_leaves(_merged(path)[0], ""))


def _merged(path: Path) -> tuple[Node, Path]:
    trust = read_yaml(path)
    vendor = trust.child("vendor")
    if vendor is None or not isinstance(vendor.value, str):
        raise SetupError(f"{path} cannot be used", findings=(trust.finding('"vendor" is missing here'),))
    vendor_path = _vendor_path(vendor, path.parent)
    return _over(settings_of(read_yaml(vendor_path)), trust), vendor_path


def _vendor_path(vendor: Node, folder: Path) -> Path:
    """A trust's own vendor file wins over the packaged one of the same name."""
    folders = (folder.parent / "vendors", packaged("config/vendors"))
    known = {path.stem: path for each in reversed(folders) for path in sorted(each.glob("*.yaml"))}
    name = str(vendor.value)
    if name not in known:
        finding = vendor.finding(f'unknown vendor "{name}"', hint=did_you_mean(name, list(known)))
        raise SetupError(f"{vendor.file} cannot be used", findings=(finding,))
    return known[name]


def _over(under: Node, upper: Node) -> Node:
    """Mappings merge key by key; a list or a value of the trust replaces the vendor's."""
    if not (isinstance(under.value, dict) and isinstance(upper.value, dict)):
        return upper
    value = dict(under.value)
    for key, child in upper.value.items():
        value[key] = _over(value[key], child) if key in value else child
    return replace(upper, value=value, keys={**under.keys, **upper.keys})


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
