"""Our tokeniser and hl7apy divide messages alike (the short form of `python -m tests.unit.hl7v2.against_hl7apy`)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.hl7v2.against_hl7apy import compared, differences, messages_of

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "tests" / "data" / "hl7v2", ROOT / "mappings" / "examples" / "v2-uk")

HEAD = b"MSH|^~\\&|EPR|RXX|CSOR|RXX|20260301120000||ADT^A01|1|P|2.5\r"
PID = b"PID|1||X1^^^RXX&1.2.3&ISO^MR~9990000018^^^NHS^NH||TESTER^Baby^^^^^L||20260301|M\r"


def known() -> Iterator[tuple[str, bytes]]:
    for folder in FOLDERS:
        yield from messages_of(folder)


def test_published_messages_and_examples_are_divided_as_hl7apy_divides_them() -> None:
    outcome = compared(known())
    assert outcome.differences == []
    assert outcome.agreed > 2
    assert outcome.parts["subcomponents"] > 1000


@pytest.mark.behaviour(95)
@pytest.mark.parametrize(
    "version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.9", ""]
)
def test_of_any_version(version: str) -> None:
    raw = HEAD.replace(b"|2.5\r", f"|{version}\r".encode()) + PID + b"ZZ1|a^b&c~d||\xc2\xb5\r"
    outcome = compared([("message", raw)])
    assert outcome.differences == []
    assert outcome.agreed + outcome.agreed_as_known_version == 1


@pytest.mark.behaviour(89)
def test_with_delimiters_of_every_kind() -> None:
    swapped = (HEAD + PID).translate(bytes.maketrans(b"|^~\\&", b"#$!?%"))
    outcome = compared([("swapped", swapped), ("fifth", (HEAD + PID).replace(b"|^~\\&|", b"|^~\\&#|"))])
    assert (outcome.differences, outcome.agreed, outcome.agreed_as_known_version) == ([], 1, 1)


@pytest.mark.parametrize(
    "other",
    [
        PID.replace(b"~", b"^"),
        PID.replace(b"^^^RXX", b"^^RXX"),
        PID.replace(b"&1.2.3", b"&&1.2.3"),
        PID.replace(b"||TESTER", b"|TESTER"),
        PID.replace(b"|M\r", b"|M|||\r").replace(b"Baby", b"baby"),
        PID + b"PID|2\r",
    ],
)
def test_what_differs_is_found(other: bytes) -> None:
    assert list(differences(HEAD + PID, HEAD + PID)) == []
    assert list(differences(HEAD + PID, HEAD + other))
