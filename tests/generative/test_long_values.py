"""One value of twenty thousand characters in any field: the cost grows with its length, not with the square of it."""

import time
from collections.abc import Iterator

import pytest

from tests.generative.mutated_messages import MOST_CPU_S, REPEATED, Reader

LONG = 20_000
HEAD = "MSH|^~\\&|LAB|RXX|CSOR|RXX|202609010900||{kind}|1|P|2.4"
PATIENT = "PID|1||700001^^^RXX^MR~9990000018^^^NHS^NH||MARROWSIDE^BABY||202609010230|F"
VISIT = "PV1|1|I|NICU^BAY1^B1^RXX||||||||||||||||V1"
ORDER = "OBR|1|P1|F1|CRP^C-reactive protein|||202609010900"
RESULT = "OBX|1|NM|CRPB^C-reactive protein^WINPATH||7|mg/L|||||F"
PROCEDURE = "PR1|1||T46.2^Drainage^OPCS4||202609010900"
KINDS = {
    "ORU^R01": ("NTE", "OBR", "OBX", "ORC", "SPM"),
    "ADT^A01": ("ACC", "AL1", "DB1", "DG1", "EVN", "MRG", "NK1", "PD1", "PDA", "PID", "PR1", "PV1", "PV2", "RF1"),
    "RDE^O11": ("RXE", "RXO", "RXR"),
    "RAS^O17": ("RXA",),
    "MDM^T02": ("TXA",),
    "SIU^S12": ("AIG", "AIL", "AIP", "AIS", "SCH"),
    "DFT^P03": ("FT1",),
}
TYPES = ("NM", "SN", "ST", "TX", "FT", "CE", "ED", "TS", "TM")
FEW = (" ", "9", "^", "~", "\\", "A", ".")
MORE = (
    "<",
    "&",
    "x",
    "-",
    "/",
    "\n",
    "=",
    "_",
    "é",
    "9 ",
    "1^",
    "~9",
    "a.",
    "- ",
    "10^9/",
    "\\T\\",
    "\\.br\\",
    "\\X41\\",
)
LONG_ESCAPES = tuple(f"\\{name}{'9' * LONG}\\" for name in (".sp", ".sk", ".in+", ".ti", "X", "Z"))


def spoiled(signs: tuple[str, ...], fields: int) -> Iterator[tuple[str, bytes]]:
    """Where the long value stands, and the message."""
    for kind, segments in KINDS.items():
        usual = [PATIENT, VISIT, *([ORDER, RESULT] if kind == "ORU^R01" else [])]
        for segment in segments:
            first = next((line for line in (*usual, PROCEDURE) if line.startswith(segment)), segment)
            parts = [*first.split("|"), *[""] * fields][: fields + 1]
            for number in range(1, fields + 1):
                for value_type in TYPES if (segment, number) == ("OBX", 5) else ("",):
                    for sign in signs:
                        value = (sign * (LONG // len(sign) + 1))[: max(LONG, len(sign))]
                        line = [*parts[:number], value, *parts[number + 1 :]]
                        line[2] = value_type or line[2]
                        others = [each for each in usual if each[:3] != segment]
                        at = 2 if segment in ("OBX", "NTE") and kind == "ORU^R01" else len(others)
                        lines = [HEAD.format(kind=kind), *others[: at + 1], "|".join(line), *others[at + 1 :]]
                        yield f"{segment}-{number} {value_type} {sign[:8]!r}", "\r".join([*lines, ""]).encode()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("long"))


def slow(reader: Reader, messages: Iterator[tuple[str, bytes]]) -> dict[str, float]:
    """Those that take longer than they may, with the CPU milliseconds of the quickest of several readings."""
    found = {}
    for name, raw in messages:
        took = []
        while len(took) < REPEATED and (not took or min(took) > MOST_CPU_S):
            began = time.process_time()
            reader.read(raw)
            took.append(time.process_time() - began)
        if min(took) > MOST_CPU_S:
            found[name] = round(min(took) * 1e3, 1)
    return found


def test_a_long_run_of_one_sign_in_any_field_takes_no_longer_than_it_is(reader: Reader) -> None:
    assert slow(reader, spoiled(FEW, fields=22)) == {}


@pytest.mark.long
def test_a_long_run_of_any_signs_in_any_field_takes_no_longer_than_it_is(reader: Reader) -> None:
    assert slow(reader, spoiled((*FEW, *MORE, *LONG_ESCAPES), fields=50)) == {}


@pytest.mark.parametrize("sign", LONG_ESCAPES)
def test_an_escape_of_many_digits_is_text(reader: Reader, sign: str) -> None:
    at_risk = spoiled((sign,), fields=6)
    assert slow(reader, ((name, raw) for name, raw in at_risk if name[:5] in ("OBX-5", "NTE-3", "PID-5"))) == {}
