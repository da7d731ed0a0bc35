"""All vendor files of a folder, each held to the settings that it fills."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from adapter.config.layers import over
from adapter.config.packaged import packaged
from adapter.config.reading import Reading
from adapter.config.settings import TrustSettings
from adapter.config.vendor import VendorFile, settings_of, vendor_file
from adapter.datafile import Node, did_you_mean, read_yaml, validate_node
from adapter.errors import ExitCode, Finding, SetupError

_EXAMPLE, _GENERIC = "example-trust.yaml", "uk-generic.yaml"


class Vendor(NamedTuple):
    """One vendor file that is sound."""

    file: VendorFile
    node: Node
    """With the values, each at its place."""
    reading: Reading
    """How its feeds are read where no trust says anything."""

    @property
    def is_questionnaire(self) -> bool:
        """More is asked than known."""
        return len(self.file.questions) > len(self.file.facts)


def vendor_paths(*folders: Path) -> dict[str, Path]:
    """By name; a file of an earlier folder wins over one of the same name in a later."""
    return {path.stem: path for folder in reversed(folders) for path in sorted(folder.glob("*.yaml"))}


def packaged_vendor(name: str) -> Vendor:
    """One that came with the adapter; SetupError where there is none of that name."""
    paths = vendor_paths(packaged("config/vendors"))
    if name not in paths:
        text = f"there is no vendor {name}; {did_you_mean(name, list(paths))}"
        raise SetupError(text, exit_code=ExitCode.CONFIG)
    return load_vendor(paths[name])


def load_vendor(path: Path) -> Vendor:
    """SetupError with every fault: unknown settings, wrong values, facts without source or date."""
    node = read_yaml(path)
    file = vendor_file(node, settings=TrustSettings)
    also = [] if file.vendor == path.stem else [_misnamed(node, path)]
    facts = settings_of(node)
    settings = _settings_with(facts, also)
    return Vendor(file, node, settings.v2.reading)


def _misnamed(node: Node, path: Path) -> Finding:
    named = node.child("vendor") or node
    return named.finding(f"the file is named {path.name} but tells of {named.value}")


def _settings_with(facts: Node, also: Iterable[Finding]) -> TrustSettings:
    """The facts in an example trust's settings: what is wrong with a value is told as it would be to a trust."""
    example = read_yaml(packaged("config/trusts") / _EXAMPLE)
    generic = settings_of(read_yaml(packaged("config/vendors") / _GENERIC))
    merged = over(over(generic, example), facts)
    context = {"folder": Path(example.file).parent}
    return validate_node(merged, TrustSettings, exit_code=ExitCode.CONFIG, context=context, also=list(also))
