"""Lineage: the steps, applied to the bytes a trace names, give the value; no code is shared with the maps."""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import config
from adapter.hl7v2 import Message
from adapter.mapping.trace import Origin, trace
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, state_maps, stated

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "hl7v2").glob("*.hl7"))
ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\", ".br": "\n", "H": "", "N": ""}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        return ESCAPES[name] if name in ESCAPES else bytes.fromhex(name[1:]).decode()

    return re.sub(r"\\([FSTREHN]|\.br|X(?:[0-9A-F]{2})+)\\", one, text)


def as_time(text: str, zone: str) -> str:
    digits = re.match(r"\d+", text)
    assert digits
    moment = datetime.strptime(digits[0].ljust(14, "0"), "%Y%m%d%H%M%S")
    offset = re.search(r"([+-])(\d\d)(\d\d)$", text)
    if offset:
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3])) * (1 if offset[1] == "+" else -1)
    else:
        shift = moment.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    minutes = int(shift.total_seconds() // 60)
    fraction = re.search(r"\.\d+", text)
    written = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction[0] if fraction else ''}{written}"


def from_table(text: str, argument: str) -> str:
    place, column = argument.split(" ")
    file, line = place.rsplit(":", 1)
    with (config.packaged("mappings") / "v2-to-fhir" / file).open(newline="") as rows:
        row = list(csv.reader(rows))[int(line) - 1]
    assert row[0].upper() == text.upper()
    return row[["code", "target", "display", "system"].index(column)]


def dated(text: str) -> str:
    return "-".join(filter(None, (text[:4], text[4:6], text[6:8])))


def timed(text: str, zone: str) -> str:
    digits = re.match(r"\d+", text)
    assert digits
    return as_time(text, zone) if len(digits[0]) > 8 else dated(text)


def cut(text: str, argument: str) -> str:
    start, end = map(int, argument.split(":"))
    return text[start:end]


STEPS: dict[str, Callable[[str, str], str]] = {
    "unescape": lambda text, _: unescaped(text),
    "trim": lambda text, _: text.strip(),
    "part": cut,
    "table": from_table,
    "datetime": timed,
    "date": lambda text, _: dated(text),
    "number": lambda text, _: str(Decimal(text)),
    "minutes-after": lambda text, argument: (
        datetime.fromisoformat(text) + timedelta(minutes=int(argument))
    ).isoformat(),
    "prefix": lambda text, argument: argument + text,
    "hyphens": lambda text, _: text.replace(" ", "-"),
    "digits": lambda text, _: re.sub("[ -]", "", text),
    "yes-no": lambda text, _: str(text == "Y"),
    "integer": lambda text, _: str(int(text)),
    "lines": lambda text, argument: "\n".join(unescaped(line) for line in text.split(argument)),
}


def applied(origin: Origin, raw: bytes) -> str:
    """The value, made again of the bytes; a join says only which pieces it took."""
    value = ""
    for name, argument, result in origin.steps:
        if name in ("constant", "join"):
            value = result
        elif name == "decode":
            value = raw[origin.start : origin.end].decode(argument)
        else:
            value = STEPS[name](value, argument)
    return value


def assert_traced(message: Message) -> None:
    statement = stated(message)
    origins = {
        (each.item_index, each.resource_index, each.path): each
        for each in trace(message, state_maps(), timezone=LONDON)
    }
    for item_index, item in enumerate(statement.items):
        for resource_index, resource in enumerate(item.resources):
            for path, value in leaves(resource):
                if path == "resourceType":
                    continue
                origin = origins[item_index, resource_index, path]
                assert applied(origin, message.raw) == str(value), (path, origin.position)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_value_of_a_real_message_follows_from_its_bytes(sample: Path) -> None:
    assert_traced(Message.parse(sample.read_bytes()))


FIELD = st.text(alphabet='ab17<>.-~^&\\TFSE éµ"', max_size=10)


@given(
    kind=st.sampled_from(["NM", "SN", "ST", "TX", "FT", "CE", "CWE", "DT"]),
    value=FIELD,
    unit=FIELD,
    span=FIELD,
    code=FIELD,
)
def test_every_value_of_any_result_follows_from_its_bytes(
    kind: str, value: str, unit: str, span: str, code: str
) -> None:
    obx = f"OBX|1|{kind}|{code or 'A'}||{value}|{unit}|{span}|H|||F|||20260703105500"
    assert_traced(a_message("ORU^R01", PID.replace("BABY", f"Zoë{value}"), PV1, OBR, obx))


def test_a_position_reads_as_people_write_it() -> None:
    message = a_message("ORU^R01", PID, PV1, OBR, "OBX|1|NM|A^Name^LAB||5|g/L|||||F")
    found = {each.path: each for each in trace(message, state_maps(), timezone=LONDON)}
    assert found["code.coding[0].display"].position == "OBX[1]-3.2"
    assert found["identifier[1].value"].position == "PID[1]-3[2].1"
    assert found["issued"].position == "OBR[1]-22"
    assert re.fullmatch(r"OBX\.yaml:\d+", found["code.coding[0].display"].rule)
    assert found["valueQuantity.value"].segment == "OBX[1]"
