"""What the tests of the simulated hospital share: one small hospital, and a reading of its text of their own."""

from functools import cache

from adapter.simulator import Simulation, hospital


@cache
def a_hospital(*, seed: int = 7, infants: int = 16) -> Simulation:
    """Large enough for every kind of course."""
    return hospital(seed=seed, infants=infants)


def segments(raw: bytes, name: str) -> list[list[str]]:
    """The segments of that name, fields by their number."""
    fields = [line.split("|") for line in raw.decode().split("\r") if line.startswith(f"{name}|")]
    return [["MSH", "|", *found[1:]] for found in fields] if name == "MSH" else fields


def field(found: list[str], number: int) -> str:
    """Empty where the segment ends before it."""
    return found[number] if number < len(found) else ""
