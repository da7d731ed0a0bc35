"""What the short loop reads of a message is what the walk reads of it."""

from zoneinfo import ZoneInfo

import pytest

from adapter import mapping
from adapter.assertion import ItemKind, Resource
from adapter.config import packaged
from adapter.hl7v2.message import Message, read_plain
from adapter.mapping.v2_visits import TRIAGE_ENCOUNTER
from adapter.statement import Statement

LONDON = ZoneInfo("Europe/London")
MESSAGES = sorted((packaged("mappings") / "examples" / "v2-uk").rglob("*.hl7"))


@pytest.fixture(scope="module")
def maps() -> mapping.WhoseMaps:
    return mapping.WhoseMaps(mapping.load_v2_maps(packaged("mappings"), wanted=mapping.STATE_TYPES))


def _asked(statement: Statement) -> tuple[object, ...]:
    codes: list[Resource] = []
    encounter = statement.context.get(TRIAGE_ENCOUNTER)
    for item in statement.items:
        if item.kind in (ItemKind.CONDITIONS, ItemKind.PROCEDURES):
            codes += item.resources
    found = [resource.get("code") for resource in codes if "code" in resource]
    return statement.patient, statement.related, encounter, found, statement.event, statement.kind, statement.clock_us


@pytest.mark.behaviour(135)
def test_the_short_loop_reads_what_the_walk_reads(maps: mapping.WhoseMaps) -> None:
    seen = 0
    for path in MESSAGES:
        body = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        plain = read_plain(body)
        short = plain and maps.glance(plain, timezone=LONDON)
        if short is None:
            continue
        walked = maps.whose(Message.parse(body), timezone=LONDON)
        assert walked is not None, path.name
        assert _asked(short) == _asked(walked), path.name
        seen += 1
    assert seen > len(MESSAGES) // 2


HEAD = "MSH|^~\\&|LIMS|RXX|CSOR|RXX|{time}||{kind}|1|P|2.4|||||GBR|{charset}\r"
PATIENT = "PID|1||4000001^^^RXX^MR||||19600101|F\r"
PLACE = "PV1|1|I|NICU^BAY1\r"


def _message(*lines: str, time: str = "202609020915", kind: str = "ORU^R01", charset: str = "UNICODE UTF-8") -> bytes:
    return (HEAD.format(time=time, kind=kind, charset=charset) + "".join(lines)).encode()


@pytest.mark.parametrize(
    "time", ["202609020915", "20260902091533", "20261025013000", "2026090209", "202609020915+0200"]
)
def test_the_clock_is_read_as_the_walk_reads_it(maps: mapping.WhoseMaps, time: str) -> None:
    body = _message(PATIENT, PLACE, time=time)
    plain = read_plain(body)
    walked = maps.whose(Message.parse(body), timezone=LONDON)
    assert plain is not None
    assert walked is not None
    short = maps.glance(plain, timezone=LONDON)
    assert short is not None
    assert _asked(short) == _asked(walked)


@pytest.mark.parametrize(
    "body",
    [
        _message(PLACE),
        _message(PATIENT, PATIENT),
        _message(PATIENT, "MSH|^~\\&|LIMS|RXX\r"),
        _message(PATIENT, PLACE, PLACE),
        _message(PATIENT, "MRG|4000002^^^RXX^MR\r", kind="ADT^A08"),
        _message(PATIENT, PLACE, time="notatime"),
        _message(PATIENT, PLACE, time="202609029915"),
        _message(PATIENT, PLACE, time="202609020999"),
        _message(PATIENT, PLACE, kind="ORU"),
        _message(PATIENT.replace("19600101", "1960-13-45"), PLACE),
        _message(PATIENT, PLACE, kind="ADT^A40"),
    ],
)
def test_whatever_is_odd_is_left_to_the_walk(maps: mapping.WhoseMaps, body: bytes) -> None:
    plain = read_plain(body)
    assert plain is not None
    assert maps.glance(plain, timezone=LONDON) is None


@pytest.mark.parametrize(
    "body",
    [
        b"\x0b" + _message(PATIENT),
        _message(PATIENT).replace(b"\r", b"\r\n"),
        _message(PATIENT, "note without a name\r"),
        _message(PATIENT, "OBX|1|TX|A||text\x0bPID|1||4000002^^^RXX^MR\r"),
        _message(PATIENT, "OBX|1|TX|A||text\x85 PID|1||4000002^^^RXX^MR\r"),
        _message(PATIENT, "pid|1||4000002^^^RXX^MR\r"),
        _message(PATIENT, charset="8859/1"),
        _message(PATIENT, charset="NO SUCH SET"),
        _message(PATIENT).replace(b"4000001", b"400\xff001"),
        _message(PATIENT).replace(b"|^~\\&|", b"|^~\\&#|"),
        b"MSH|^~\\&|A",
    ],
)
def test_what_is_written_in_another_way_is_not_plain(body: bytes) -> None:
    assert read_plain(body) is None
