"""The list of faults is of today's code; a few of them are tried in every run of the tests."""

from pathlib import Path

import pytest

from tests.sabotage.__main__ import ROOT, Copy, Fault, broken, faults

TRIED = (72, 98, 129)


@pytest.mark.parametrize("fault", faults(), ids=str)
def test_the_line_stands_once_in_its_file(fault: Fault) -> None:
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    assert broken(text, fault) != text


def test_there_are_thirty_at_least_and_none_twice() -> None:
    assert len({(fault.file, fault.becomes) for fault in faults()}) == len(faults()) >= 30


def test_some_are_noticed_by_the_tests_of_their_behaviour(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    chosen = [next(fault for fault in faults() if fault.behaviour == number) for number in TRIED]
    tests = copy.tests_of(TRIED)
    for fault in chosen:
        files = [file for file in tests[fault.behaviour] if file.startswith("tests/unit")]
        assert not copy.fails(fault.behaviour, files)
        assert copy.breaks(fault, files), fault
