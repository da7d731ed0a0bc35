"""A sample of the simulated messages read by hl7apy, which shares no line with the simulator or with our tokeniser."""

import pytest
from hl7apy.parser import parse_message

from tests.unit.simulator.wards_of_tests import a_hospital

EVENTS = ("A01", "A02", "A03", "A04", "A08", "A11", "A13", "A28", "A31", "A40", "R01")


def a_message(event: str) -> bytes:
    """The richest of its kind."""
    return max((message.raw for message in a_hospital().messages if message.event == event), key=len)


@pytest.mark.parametrize("event", EVENTS)
def test_hl7apy_finds_every_segment_where_the_standard_puts_it(event: str) -> None:
    raw = a_message(event)
    sent = sorted(line[:3] for line in raw.decode().split("\r") if line)
    parsed = parse_message(raw.decode(), find_groups=True)
    assert parsed.msh.msh_9.msh_9_2.value == event
    assert sorted(_segment_names(parsed)) == sent
    assert parsed.pid.pid_3 if event not in {"A40", "R01"} else True


def _segment_names(element: object) -> list[str]:
    names: list[str] = []
    for child in element.children:  # type: ignore[attr-defined]
        names += [child.name] if child.classname == "Segment" else _segment_names(child)
    return names


@pytest.mark.parametrize("event", EVENTS)
def test_hl7apy_knows_every_segment_of_the_structure(event: str) -> None:
    parsed = parse_message(a_message(event).decode(), find_groups=True)
    assert parsed.name == parsed.msh.msh_9.msh_9_3.value
    assert not [name for name in _segment_names(parsed) if name.startswith("Z")]
