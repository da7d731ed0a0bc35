"""Which numbered vendor behaviours the tests prove: `pytest --behaviours FILE` writes the table of a run.

A test is marked `@pytest.mark.behaviour(n)`. `--behaviour n` runs the tests of one behaviour alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "behaviours.md"
_HEAD = """# Behaviours of vendors that tests prove

The numbers are those of the list of vendor behaviours that this project was built from. The page is written by a run of
the tests: `make test ARGS="--behaviours=docs/behaviours.md"`. A behaviour whose test fails is not on it.

| behaviour | passed | tests |
|---|---|---|
"""
_OF_TEST = "behaviours"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    parser.addoption("--behaviours", metavar="FILE", type=Path, help="write which behaviours passing tests prove")
    parser.addoption("--behaviour", metavar="N", type=int, help="run the tests of one behaviour alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write the numbers where a report takes them along, also out of another process."""
    asked = config.getoption("--behaviour")
    for item in items:
        item.user_properties.append((_OF_TEST, sorted(_numbers(item))))
    if asked is not None:
        kept = [item for item in items if asked in _numbers(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _numbers(item: pytest.Item) -> set[int]:
    return {int(number) for mark in item.iter_markers("behaviour") for number in mark.args}


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that sees all reports writes."""
    if config.getoption("--behaviours") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Table(config.getoption("--behaviours")))


class _Table:
    def __init__(self, page: Path) -> None:
        self._page = page
        self._passed: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._failed: set[int] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts when its body passed; a failure takes its behaviours off the page."""
        numbers = [number for name, found in report.user_properties if name == _OF_TEST for number in found]  # type: ignore[attr-defined]
        if report.failed:
            self._failed.update(numbers)
        if report.when == "call" and report.passed:
            for number in numbers:
                self._passed[number][_sentence(report.nodeid)] += 1

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        passed = {number: tests for number, tests in self._passed.items() if number not in self._failed}
        self._page.write_text(_HEAD + "".join(rows(passed)), encoding="utf-8")


def rows(passed: Mapping[int, Mapping[str, int]]) -> Iterator[str]:
    """A line for each behaviour."""
    for number, tests in sorted(passed.items()):
        yield f"| {number} | {sum(tests.values())} | {'<br>'.join(sorted(tests))} |\n"


def _sentence(node: str) -> str:
    """`unit/framing/test_ack: the ack uses the senders delimiters`."""
    path, _, name = node.partition("::")
    name = name.rpartition("::")[2].partition("[")[0]
    return f"{path.removeprefix('tests/').removesuffix('.py')}: {name.removeprefix('test_').replace('_', ' ')}"
