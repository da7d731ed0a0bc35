"""A simulated hospital sent through a whole adapter over several feeds: what the sources said, and what CSOR got.

What a source says of a person, a visit, an order, a code of its own or in words is a needle; the payload is the hay.
"""

import base64
import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adapter import fhir, simulator
from adapter.csor.payload import SCHEMA_FILE
from adapter.dispatch import record_bytes
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Mappings
from adapter.settle.loading import record_id_of
from adapter.simulator import Simulation
from adapter.simulator.fhir_records import fhir_timeline
from tests.acceptance.hospital import trust_file
from tests.integration.trust import Trust, load

Needles = dict[str, set[str]]
"""By what they are."""

_V2_FIELDS = {
    "message id": {"MSH": (9,)},
    "sender": {"MSH": (2, 3, 4)},
    "name, number or address": {"PID": (3, 5, 11, 13, 14, 21), "NK1": (2, 4, 5, 33), "MRG": (1,)},
    "ward": {"PV1": (3, 6)},
    "staff": {"PV1": (7, 8, 9), "OBR": (16, 32), "PR1": (11,)},
    "spell": {"PV1": (19,)},
    "order or accession": {"ORC": (2, 3), "OBR": (2, 3, 18, 19, 20)},
    "local code or its words": {"OBR": (4,), "OBX": (3,), "RXA": (5,), "RXE": (2,), "RXR": (1,), "DG1": (4,)},
    "clinical question": {"OBR": (13, 31)},
    "unit as sent": {"OBX": (6,)},
}
"""Positions in the segment split at `|`; in MSH, whose separator is a field, one less than the standard counts."""

_FHIR_WORDS = {"text", "display", "div", "conclusion", "comment", "city", "family", "line", "reasonCode"}
_UNITS_OF_UCUM = {
    "mg/L", "mmol/L", "umol/L", "ug/L", "nmol/L", "g/L", "U/L", "L/L", "kPa", "kg", "g", "cm", "mm", "s", "d",
    "{INR}", "{score}", "[pH]", "10*9/L",
}  # fmt: skip
_TIMES = re.compile(r"\b(20\d\d[01]\d[0-3]\d(?:\d{4}){0,1}(?:\d\d)?\b|20\d\d-\d\d-\d\d(?:T[\d:.]+)?)")


def a_hospital(folder: Path) -> tuple[Trust, Simulation, list[bytes]]:
    """A trust to which two EPRs spoke v2 and a third system FHIR; and all bodies sent to it."""
    told = simulator.hospital(seed=7, infants=10)
    settings = load(trust_file(folder, simulation=told, sink={"kind": "csor-api", "url": "http://127.0.0.1:9"}))
    trust = Trust(settings, mappings=Mappings.load(settings))
    bundle = _bundle(told)
    received = [
        Received(feed=each.feed, media=Media.HL7V2, received_at=each.at, body=each.raw) for each in told.messages
    ]
    received.append(Received(feed="ehr", media=Media.FHIR, received_at=trust.now, body=bundle))
    Reception(trust.works.inbox, trust.works.ring).append(received)
    trust.works.drain()
    trust.later(days=200)
    trust.dispatch()
    return trust, told, [each.raw for each in told.messages] + [bundle]


def _bundle(told: Simulation) -> bytes:
    """The newest version of every resource."""
    latest: dict[tuple[str, str], Any] = {}
    for change in fhir_timeline(told.courses):
        latest[change.resource["resourceType"], change.resource["id"]] = None if change.is_deleted else change.resource
    entries = [{"resource": each} for each in latest.values() if each is not None]
    return fhir.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})


def needles_of(bodies: Iterable[bytes]) -> Needles:
    """All that must not stand in a payload."""
    found: Needles = defaultdict(set)
    for body in bodies:
        text = body.decode("utf-8") if body.startswith(b"{") else body.decode("latin-1")
        found["date or time"] |= set(_TIMES.findall(text))
        for name, needle in _of_fhir(json.loads(text)) if text.startswith("{") else _of_v2(text):
            if _is_telling(needle):
                found[name].add(needle)
    found["unit as sent"] -= _UNITS_OF_UCUM
    return found


def _is_telling(text: str) -> bool:
    """Long enough not to stand somewhere by chance."""
    return len(text) >= (3 if not text.isdigit() else 6)


def _of_v2(text: str) -> Iterator[tuple[str, str]]:
    for segment in text.split("\r"):
        fields = segment.split("|")
        for name, places in _V2_FIELDS.items():
            for place in places.get(fields[0], ()):
                if place < len(fields):
                    # the third component of a code is the name of its system
                    parts = re.split(r"[~&]", fields[place])
                    words = [word for part in parts for word in part.split("^")[: 2 if "code" in name else None]]
                    yield from ((name, word) for word in words if word not in _TABLES)
        if fields[0] == "OBX" and fields[2] in ("TX", "FT", "ST") and not fields[5][:1].isdigit():
            yield from (("report text", line) for line in re.split(r"~|\\.br\\", fields[5]))


_TABLES = {"NHS", "RXX", "I10", "OPCS4", "SNM3", "ICD-10", "MTH", "HL70063", "HL70070", "HL70162", "Mother", "GBR"}


def _of_fhir(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_fhir(inner, f"identifier {key}" if name.startswith("identifier") else key)
        if value.get("system", "").startswith(("urn:", "https://")) and not _is_national(value["system"]):
            yield "local code or its words", str(value.get("code", ""))
    elif isinstance(value, list):
        for inner in value:
            yield from _of_fhir(inner, name)
    elif isinstance(value, str):
        if name in ("id", "reference", "identifier value", "fullUrl"):
            yield "resource id, reference or identifier", value
        elif name in _FHIR_WORDS:
            yield "words of a resource", value


def _is_national(system: str) -> bool:
    return any(each in system for each in ("fhir.nhs.uk", "fhir.hl7.org.uk", "hl7.org", "loinc", "snomed"))


def strings_of(batches: Iterable[bytes]) -> set[str]:
    """Every text and number, but for the ids, which are keyed hashes, and the register's own words and units."""
    own = _own_words(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    texts = {each for batch in batches for each in _strings(json.loads(batch))}
    return texts - set(own) - _UNITS_OF_UCUM


def _own_words(schema: Any, name: str = "") -> Iterator[str]:
    """What the published schema lists: names of fields, and choices."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for key, inner in schema.items():
            yield from _own_words(inner, key)
    elif isinstance(schema, list):
        yield from (each for each in schema if name == "enum")
        for inner in schema:
            yield from _own_words(inner, name if name == "enum" else "")
    elif name == "const":
        yield str(schema)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in ("record_id", "csor_id"):
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield str(value)


def found_in(strings: Iterable[str], needles: Needles) -> dict[str, set[str]]:
    """Which needles stand there, whole or as a part; numbers only as a whole, unless they are long."""
    texts = set(strings)
    hay = "\n".join(texts)
    return {
        name: hits
        for name, group in needles.items()
        if (hits := {each for each in group if (each in texts if each.isdigit() and len(each) < 8 else each in hay)})
    }


def ids_of(trust: Trust) -> set[bytes]:
    """Every record id that was sent, and every csor_id."""
    sent = [json.loads(batch) for _, batch in trust.csor.batches]
    records = {record_bytes(row["record_id"]) for batch in sent for row in batch["rows"]}
    return records | {base64.b32decode(batch["csor_id"].upper()) for batch in sent}


def source_ids(needles: Needles) -> set[str]:
    names = (
        "name, number or address",
        "spell",
        "order or accession",
        "message id",
        "resource id, reference or identifier",
    )
    return {each for name in names for each in needles[name]}


_KINDS = (
    "",
    "record",
    "admission",
    "infant",
    "lab_result",
    "imaging_study",
    "imaging_report",
    "operation",
    "ward_stay",
)
_SPELLINGS = (
    "{}",
    "visit|{}",
    "imaging|{}",
    "RXX|{}",
    "RXX|{}|person",
    "epic|obs|{}",
    "csor:v1|person|{}",
    "csor:v1|nhs|{}",
)
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2s", "blake2b")


def guesses(known: Iterable[str]) -> Iterator[bytes]:
    """What ids would be, were they made of source ids without the trust's key, or with a key that is none."""
    for each in known:
        for spelling in _SPELLINGS:
            text = spelling.format(each)
            for kind in _KINDS:
                plain = (f"{kind}|{text}" if kind else text).encode()
                yield plain[:16].ljust(16, b"\0")
                yield from (hashlib.new(name, plain).digest() for name in _ALGORITHMS)
                yield hashlib.blake2b(plain, digest_size=16).digest()
            yield from (hmac.digest(key, text.encode(), "sha256") for key in (b"", b"RXX", b"csor", bytes(32)))


def is_linked(ids: Iterable[bytes], made: Iterable[bytes]) -> bool:
    """Whether any of them begins as one of these ids does: an id may be a hash cut short."""
    starts = {each[:12] for each in ids}
    return any(each[:12] in starts for each in made)


def with_the_key(trust: Trust, known: Iterable[str]) -> set[bytes]:
    """The control: what the trust itself can do."""
    return {record_id_of(trust.works.ring, "admission", f"visit|{each}") for each in known}
