"""An ORU^R01 of 20 results from bytes to canonical FHIR, against what python-hl7 takes only to parse the same bytes.

The two take turns in one run; medians count. Also: the compiled rules against accessors written by hand for this one
message, which make the same resources with no checks, no escapes, no other types.
Run: `python -m benchmarks.parse_and_map`.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

import hl7

from adapter import config, mapping
from adapter.hl7v2 import Message

MESSAGES = 200
ROUNDS = 15
RESULTS = 20
_LONDON = ZoneInfo("Europe/London")
_TESTS = (
    ("HB", "Haemoglobin", "g/L", "140-200"),
    ("WBC", "White cell count", "10\\S\\9/L", "10-26"),
    ("PLT", "Platelets", "10\\S\\9/L", "150-450"),
    ("CRP", "C reactive protein", "mg/L", "<5"),
    ("LAC", "Lactate", "mmol/L", "0.5-2.0"),
)
_HEAD = (
    "MSH|^~\\&|WINPATH|RXX|ADAPTER|RXX|20260103121500||ORU^R01^ORU_R01|M{n:06}|P|2.4\r"
    "PID|1||{n}^^^RXX^MR~9990000042^^^NHS^NH||TESTER^INVENTED^BABY^^^^L||202601011130|F|||1 INVENTED STREET^^NOWHERE"
    "^^ZZ99 3VZ^^H||00000000000\r"
    "PV1|1|I|NICU^BAY1^COT3^RXX||||C0000001^CONSULTANT^INVENTED^^^DR|||422|||||||||V{n:06}^^^RXX^VN|||||||||||||||||||||"
    "||||20260101123000\r"
    "ORC|RE|P{n:06}|F{n:06}||CM\r"
    "OBR|1|P{n:06}^EPR|F{n:06}^WINPATH|FBC^Full blood count^WINPATH|||20260103110000|||||||20260103113000|BLD^Blood|"
    "C0000001^CONSULTANT^INVENTED^^^DR||||||20260103121000||HM|F\r"
)
_OBX = "OBX|{i}|NM|{code}{i}^{name}^WINPATH||{value}|{unit}|{range}|{flag}|||F|||20260103110000\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: medians in microseconds for one message, and reference ÷ ours."""

    name: str
    ours_us: float
    reference: str
    reference_us: float
    floor: float

    @property
    def ratio(self) -> float:
        """How many times faster than the reference."""
        return self.reference_us / self.ours_us


def an_oru(number: int) -> bytes:
    """A message with values of its own; codes, units and ranges come again, as they do in a real feed."""
    segments = [_HEAD.format(n=number)]
    for index in range(RESULTS):
        code, name, unit, reference_range = _TESTS[index % len(_TESTS)]
        value = f"{(number * 7 + index * 13) % 300}.{index % 10}"
        flag = "H" if index % 3 else "N"
        segments.append(
            _OBX.format(i=index + 1, code=code, name=name, value=value, unit=unit, range=reference_range, flag=flag)
        )
    return "".join(segments).encode()


def measure(*, messages: int = MESSAGES, rounds: int = ROUNDS) -> list[Row]:
    """The comparisons, each pair interleaved."""
    maps = mapping.load_v2_maps(config.packaged("mappings"), wanted=mapping.STATE_TYPES)
    bodies = [an_oru(number) for number in range(messages)]
    texts = [body.decode() for body in bodies[:20]]

    def ours(body: bytes) -> object:
        return mapping.state(Message.parse(body), maps, timezone=_LONDON)

    mapped, parsed = _interleaved([(ours, bodies), (hl7.parse, texts)], rounds=rounds)
    compiled, by_hand = _interleaved([(ours, bodies), (written_by_hand, bodies)], rounds=rounds)
    return [
        Row(name="v2 parse + map", ours_us=mapped, reference="python-hl7 parse", reference_us=parsed, floor=15),
        Row(name="v2 parse + map", ours_us=compiled, reference="written by hand", reference_us=by_hand, floor=0.25),
    ]


def _interleaved(sides: Sequence[tuple[Callable[[Any], object], Sequence[Any]]], *, rounds: int) -> list[float]:
    """Median time of one call of each side, in microseconds."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for at, (call, bodies) in enumerate(sides):
            start = time.perf_counter()
            for body in bodies:
                call(body)
            times[at].append((time.perf_counter() - start) / len(bodies) * 1e6)
    return [statistics.median(each) for each in times]


def written_by_hand(body: bytes) -> list[dict[str, Any]]:
    """What a programmer would write for this laboratory's results, and only these."""
    lines = body.decode().split("\r")
    found: list[dict[str, Any]] = []
    order: list[str] = []
    for line in lines:
        fields = line.split("|")
        if fields[0] == "OBR":
            order = fields
        elif fields[0] == "PID":
            found.append(_patient(fields))
        elif fields[0] == "OBX":
            found.append(_observation(fields, order))
    return found


def _patient(fields: list[str]) -> dict[str, Any]:
    name = fields[5].split("^")
    return {
        "resourceType": "Patient",
        "identifier": [{"value": each.split("^")[0]} for each in fields[3].split("~")],
        "name": [{"family": name[0], "given": name[1:3]}],
        "birthDate": _time(fields[7])[:10],
        "gender": {"F": "female", "M": "male"}.get(fields[8]),
    }


def _observation(fields: list[str], order: list[str]) -> dict[str, Any]:
    code, display, system = fields[3].split("^")
    value = fields[5]
    comparator = value[0] if value[:1] in "<>" else ""
    quantity: dict[str, Any] = {"value": Decimal(value.lstrip("<>")), "unit": fields[6].replace("\\S\\", "^")}
    if comparator:
        quantity["comparator"] = comparator
    return {
        "resourceType": "Observation",
        "key": f"obs|{order[3].split('^')[0]}|{order[4].split('^')[0]}|{code}|{fields[4]}",
        "status": {"F": "final", "P": "preliminary", "C": "corrected"}.get(fields[11], "unknown"),
        "code": {"coding": [{"system": f"urn:id:{system}", "code": code, "display": display}]},
        "effectiveDateTime": _time(fields[14] or order[7]),
        "issued": _time(order[22]),
        "valueQuantity": quantity,
        "referenceRange": [{"text": fields[7]}],
        "interpretation": [{"coding": [{"code": fields[8]}]}],
    }


def _time(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14] or '00'}+00:00"


def main() -> int:
    """Print the run; exit 1 where a floor is missed."""
    print(f"{platform.platform()}, {platform.processor() or platform.machine()}, CPython {platform.python_version()}")
    print(f"python-hl7 {version('hl7')}, msgspec {version('msgspec')}; {RESULTS} results a message, {ROUNDS} rounds")
    rows = measure()
    for row in rows:
        print(
            f"{row.name}: {row.ours_us:.1f} µs; {row.reference}: {row.reference_us:.1f} µs; "
            f"ratio {row.ratio:.2f} (floor {row.floor:g})"
        )
    return int(any(row.ratio < row.floor for row in rows))


if __name__ == "__main__":
    sys.exit(main())
