"""What the tests of the simulated hospital share: one hospital, and its text read by python-hl7."""

from functools import cache

import hl7

from adapter.simulator import SentMessage, Simulation, TruthRow, hospital

ENCODINGS = {"epic": "utf-8", "careflow": "iso-8859-1"}


@cache
def the_hospital(*, seed: int = 11, infants: int = 90) -> Simulation:
    """Large enough for every kind of course and of look-alike."""
    return hospital(seed=seed, infants=infants)


@cache
def parsed() -> tuple[tuple[SentMessage, hl7.Message], ...]:
    """All messages, read by python-hl7."""
    return tuple((each, hl7.parse(each.raw.decode(ENCODINGS[each.feed]))) for each in the_hospital().messages)


def rows(kind: str) -> list[TruthRow]:
    """The truth of one kind."""
    return [row for row in the_hospital().truth if row.kind == kind]


def text(segment: hl7.Segment, number: int, component: int = 1) -> str:
    """A component of a field; empty where the segment ends before it."""
    field = str(segment[number]) if number < len(segment) else ""
    parts = field.split("~")[0].split("^")
    return parts[component - 1] if component <= len(parts) else ""


def lines(raw: bytes, name: str) -> list[list[str]]:
    """The segments of that name as one reads them by eye, fields by their number."""
    fields = [line.split("|") for line in raw.decode().split("\r") if line.startswith(f"{name}|")]
    return [["MSH", "|", *found[1:]] for found in fields] if name == "MSH" else fields


def field(found: list[str], number: int) -> str:
    """Empty where the segment ends before it."""
    return found[number] if number < len(found) else ""
