"""A report in many OBX: an OBX-5 that is left empty is an empty line of it (behaviour 131)."""

import pytest

from adapter.assertion import ItemKind
from adapter.mapping.trace import trace
from tests.unit.mapping_v2.messages import LONDON, PID, PV1, a_message, items, state_maps, stated

REPORT = "OBR|1|P1|X1|XABDO^XR Abdomen^CRIS|||20260103110000|||||||||||||||20260103121000||RAD|F"


def lines(*texts: str) -> list[str]:
    return [f"OBX|{n}|TX|XABDO^Report^CRIS||{text}||||||F" for n, text in enumerate(texts, start=1)]


@pytest.mark.behaviour(131)
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (("One.", "", "Two."), "One.\n\nTwo."),
        (("One.", "", "", "Two."), "One.\n\n\nTwo."),
        (("", "One."), "One."),
        (("One.", ""), "One.\n"),
    ],
)
def test_an_empty_line_of_a_report_stays(sent: tuple[str, ...], read: str) -> None:
    message = a_message("ORU^R01", PID, PV1, REPORT, *lines(*sent))
    (item,) = items(stated(message), ItemKind.IMAGING)
    assert item.resources[0]["conclusion"] == read
    (origin,) = [each for each in trace(message, state_maps(), timezone=LONDON) if each.path == "conclusion"]
    assert origin.steps[-1].result == read
    if origin.steps[-1].name == "report":
        whole = origin.steps[0].result
        ranges = [each.split(":") for each in origin.steps[-1].argument.split(" ")[1:]]
        assert "\n".join(whole[int(start) : int(end)] for start, end in ranges) == read


@pytest.mark.behaviour(131)
def test_a_report_of_empty_lines_alone_has_no_text() -> None:
    (item,) = items(stated(a_message("ORU^R01", PID, PV1, REPORT, *lines("", ""))), ItemKind.IMAGING)
    assert "conclusion" not in item.resources[0]
