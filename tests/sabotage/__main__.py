"""Breaks the code in one line at a time and asks the tests of the behaviour that must suffer: they have to notice.

    python -m tests.sabotage [--behaviour N …] [--first K]

The faults stand in `faults.yaml`. Each is tried on a copy of the checkout, by marked tests of its behaviour alone.
Exit 1 where a fault goes unnoticed, or the tests fail without it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.yaml")
_COPIED = (
    "adapter",
    "mappings",
    "config",
    "tests",
    "docs",
    "benchmarks",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
)
_AT_MOST_S = 300


class Fault(NamedTuple):
    """One line, and what it becomes."""

    behaviour: int
    file: str
    line: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.behaviour:>3}  {self.file}: {_short(self.line)}  →  {_short(self.becomes)}"


def _short(text: str) -> str:
    return " ".join(text.split())[:60]


def faults() -> list[Fault]:
    """The list."""
    return [Fault(**each) for each in yaml.safe_load(FAULTS.read_text(encoding="utf-8"))]


def broken(text: str, fault: Fault) -> str:
    """The file with the fault in it; ValueError unless the line is there exactly once."""
    if text.count(fault.line) != 1:
        raise ValueError(f"{fault.file} has {text.count(fault.line)} times: {fault.line.strip()}")
    return text.replace(fault.line, fault.becomes)


class Copy:
    """A copy of the checkout that may be broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy(source, folder / name)

    def tests_of(self, numbers: Iterable[int]) -> dict[int, list[str]]:
        """The files with marked tests, by behaviour."""
        found = defaultdict(list)
        for path in sorted((self._folder / "tests").rglob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            for number in set(numbers):
                if f"mark.behaviour({number})" in text:
                    found[number].append(path.relative_to(self._folder).as_posix())
        return found

    def fails(self, number: int, files: Sequence[str]) -> bool:
        """Whether a test of the behaviour fails; none at all is an error."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--behaviour", str(number)]
        run = subprocess.run(
            [*command, *files], cwd=self._folder, capture_output=True, text=True, check=False, timeout=_AT_MOST_S
        )
        # A fault that hinders the import of the tests is noticed by them too.
        if run.returncode not in (0, 1) and "error" not in run.stdout:
            raise RuntimeError(f"behaviour {number} has no test that runs: {run.stdout[-500:]}{run.stderr[-500:]}")
        return run.returncode != 0

    def breaks(self, fault: Fault, files: Sequence[str]) -> bool:
        """Whether the tests notice the fault; the copy is whole again afterwards."""
        path = self._folder / fault.file
        text = path.read_text(encoding="utf-8")
        path.write_text(broken(text, fault), encoding="utf-8")
        try:
            return self.fails(fault.behaviour, files)
        finally:
            path.write_text(text, encoding="utf-8")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--behaviour", type=int, nargs="*", default=[])
    asked.add_argument("--first", type=int, default=None)
    given = asked.parse_args()
    chosen = [fault for fault in faults() if not given.behaviour or fault.behaviour in given.behaviour][: given.first]
    with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
        copy = Copy(Path(folder))
        tests = copy.tests_of({fault.behaviour for fault in chosen})
        bad = [number for number in sorted(tests) if copy.fails(number, tests[number])]
        for number in bad:
            print(f"the tests of behaviour {number} fail without any fault")
        unnoticed = [fault for fault in chosen if not _is_noticed(copy, fault, tests[fault.behaviour])]
    print(f"{len(chosen)} faults, {len(chosen) - len(unnoticed)} noticed by the tests of their behaviour")
    return 1 if unnoticed or bad else 0


def _is_noticed(copy: Copy, fault: Fault, files: Sequence[str]) -> bool:
    is_noticed = copy.breaks(fault, files)
    print(f"{'noticed  ' if is_noticed else 'UNNOTICED'} {fault}", flush=True)
    return is_noticed


if __name__ == "__main__":
    sys.exit(main())
