"""Messages full of canaries: invented names, numbers, addresses and words in every place that a sender can write."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapter.simulator import HOSPITAL_NUMBER, SentMessage
from adapter.simulator.scenarios import restamped

MARK = "KNRYZQXWV"
"""In every canary that says where it was planted."""
SURNAME, GIVEN, STREET = "Quorvexley", "Zephyranthia", "14 Vexworthycombe Crescent"
POSTCODE, PHONE, MAIL = "ZZ99 7QX", "07700900461", "zephyr.quorvex@example.invalid"
WORDS = "seen with her uncle Barnabus Trelldorn at the allotment"
STRAY_NUMBER = "9990010019"
"""Of the 999 range, with its check digit, written where no number belongs."""
CANARIES = (
    MARK,
    SURNAME,
    GIVEN,
    "Vexworthycombe",
    POSTCODE,
    "ZZ997QX",
    PHONE,
    MAIL,
    "Barnabus Trelldorn",
    STRAY_NUMBER,
)

ENCODINGS = {"epic": "utf-8", "careflow": "iso-8859-1"}

POISON = f"{MARK}-POISON"
"""Translation of a message that holds this raises an error whose text is the message."""

_FREE = {
    "PID": {5: f"{SURNAME}^{GIVEN}^{MARK}", 9: f"{SURNAME}^ALIAS", 11: f"{STREET}^^{MARK}^^{POSTCODE}", 13: PHONE},
    "NK1": {2: f"{SURNAME}^{GIVEN}", 4: f"{STREET}^^^^{POSTCODE}", 5: PHONE, 6: MAIL},
}
# What says that a stay is over, that somebody is dead or a twin: tried one at a time in `field_by_field`.
_MEANS_MUCH = {("PID", 24), ("PID", 25), ("PID", 29), ("PID", 30), ("PV1", 2), ("PV1", 45), ("PV1", 50)}
_LAST_FIELD = {"PID": 39, "PV1": 52, "NK1": 39, "DG1": 21, "PR1": 20, "OBR": 50, "OBX": 25, "ORC": 31, "EVN": 7}
_WORDED = {"OBR": 4, "RXE": 2, "RXA": 5, "DG1": 3, "PR1": 3}
"""Coded fields, whose words are the sender's own."""
_TAIL = (
    f"NTE|1|L|{WORDS}~{MARK} {STRAY_NUMBER}|{MARK}",
    f"ZPI|1|{SURNAME}^{GIVEN}|{PHONE}|{STREET}&{POSTCODE}|{WORDS}|{STRAY_NUMBER}^^^NHS^NH",
    f"QQQ|{MARK}|{WORDS}",
    f"GT1|1||{SURNAME}^{GIVEN}||{STREET}^^^^{POSTCODE}|{PHONE}",
    f"OBX|99|TX|{MARK}^{WORDS}^{MARK}||{WORDS}. Call {PHONE}, NHS {STRAY_NUMBER}\\.br\\{SURNAME}|{MARK}|{MARK}|||||F",
    f"{MARK} a line that is no segment",
)


def planted(message: SentMessage) -> SentMessage:
    """The same message with a canary in every empty field and after every component, and more segments at its end."""
    segments = message.raw.decode(ENCODINGS[message.feed]).rstrip("\r").split("\r")
    return _with(message, [_filled(segment) for segment in segments] + list(_TAIL))


def field_by_field(message: SentMessage, *, number: int, tried: set[tuple[str, str, int]]) -> Iterator[SentMessage]:
    """One message for each field of each segment not tried before, that field being nothing but a canary."""
    segments = message.raw.decode(ENCODINGS[message.feed]).rstrip("\r").split("\r")
    for place, segment in enumerate(segments):
        fields = segment.split("|")
        for field in range(1, len(fields)):
            name = fields[0]
            trial = (message.event[0], name, field)
            if (name, field) == ("MSH", 1) or trial in tried:
                continue
            tried.add(trial)
            number += 1
            fresh = restamped(message, number)
            told = fresh.raw.decode(ENCODINGS[fresh.feed]).rstrip("\r").split("\r")
            parts = told[place].split("|")
            parts[field] = f"{MARK}{name}{field}^{SURNAME}^{WORDS}^{STRAY_NUMBER}"
            told[place] = "|".join(parts)
            yield _with(fresh, told)


def poisoned(message: SentMessage) -> SentMessage:
    segments = restamped(message, 90_001).raw.decode(ENCODINGS[message.feed]).rstrip("\r").split("\r")
    return _with(message, [*segments, f"NTE|1||{POISON} {SURNAME}"])


def malformed() -> list[bytes]:
    """What is parked or refused."""
    return [
        f"{SURNAME} {MARK} {WORDS}".encode(),
        f"MSH|^~\\&|{MARK}|{SURNAME}\r{MARK}|{WORDS}".encode(),
        f"MSH|^~\\&|A|B|C|D|20260901||{MARK}^{SURNAME}|{MARK}1|P|2.4\rPID|1||{STRAY_NUMBER}^^^NHS^NH||{SURNAME}".encode(),
        f"MSH|^~\\&|A|B|C|D|{MARK}||ADT^A01|{MARK}2|P|{MARK}\rPID|1||{MARK}^^^RXX^MR||{SURNAME}^{GIVEN}".encode(),
        f"MSH|^~\\&|A|B|C|D|20260901||ADT^A01|{MARK}3|P|2.4\rPID|1||{STRAY_NUMBER}^^^NHS^NH~9990000026^^^NHS^NH".encode(),
        f"MSH|^~\\&|A|B|C|D|20260901||ADT^A01|{MARK}4|P|2.4\r".encode() + SURNAME.encode("utf-16"),
        f"\x00MSH|^~\\&|{MARK}".encode(),
    ]


NARRATIVE = {"status": "generated", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{WORDS} {MARK}</div>"}
EXTENSION = [{"url": f"urn:{MARK}", "valueString": f"{SURNAME} {PHONE}"}]


def _patient(hospital_number: str) -> dict[str, object]:
    return {
        "resourceType": "Patient",
        "id": f"p{hospital_number}",
        "text": NARRATIVE,
        "extension": EXTENSION,
        "identifier": [
            {
                "system": HOSPITAL_NUMBER,
                "value": hospital_number,
                "type": {"coding": [{"code": "MR"}], "text": MARK},
                "assigner": {"display": "RXX"},
            },
            {"system": f"urn:{MARK}", "value": STRAY_NUMBER},
        ],
        "name": [{"family": SURNAME, "given": [GIVEN], "text": WORDS}],
        "telecom": [{"system": "phone", "value": PHONE}, {"system": "email", "value": MAIL}],
        "address": [{"line": [STREET], "postalCode": POSTCODE, "text": WORDS}],
        "contact": [{"name": {"family": SURNAME}}],
        "contained": [{"resourceType": "Organization", "id": "c", "name": MARK}],
    }


def _observation(hospital_number: str, *, is_wrong: bool) -> dict[str, object]:
    coded = {"coding": [{"system": "http://loinc.org", "code": "1988-5", "display": MARK}], "text": f"{WORDS} {MARK}"}
    return {
        "resourceType": "Observation",
        "id": f"o1-{hospital_number}",
        "text": NARRATIVE,
        "contained": [{"resourceType": "Patient", "id": "m", "name": [{"family": SURNAME}]}],
        "extension": EXTENSION,
        "status": "final",
        "code": coded,
        "subject": {"reference": f"Patient/p{hospital_number}", "display": f"{SURNAME} {GIVEN}"},
        "performer": [{"display": f"Dr {SURNAME}"}],
        "effectiveDateTime": "2026-09-03T10:00:00+01:00",
        "issued": "2026-09-03T11:00:00+01:00",
        "valueQuantity": {
            "value": SURNAME if is_wrong else 12,
            "unit": f"mg/L {MARK}",
            "code": "mg/L",
            "extension": EXTENSION,
        },
        "note": [{"text": f"{WORDS} {PHONE}", "authorString": SURNAME}],
        "interpretation": [{"text": WORDS}],
        "referenceRange": [{"text": WORDS}],
    }


def bundle(hospital_number: str, *, is_wrong: bool = False) -> bytes:
    """FHIR of a confirmed child, with canaries in text, contained resources, extensions, displays and notes."""
    observation = _observation(hospital_number, is_wrong=is_wrong)
    worded = {**observation, "id": f"o2-{hospital_number}", "valueString": f"{WORDS} {STRAY_NUMBER}"}
    del worded["valueQuantity"]
    condition = {
        "resourceType": "Condition",
        "id": f"d1-{hospital_number}",
        "subject": {"reference": f"Patient/p{hospital_number}", "display": SURNAME},
        "code": {"coding": [{"system": f"urn:{MARK}", "code": MARK, "display": SURNAME}], "text": WORDS},
        "note": [{"text": WORDS}],
        "recordedDate": "2026-09-03",
    }
    entries = [
        {"fullUrl": f"urn:{MARK}:{n}", "resource": each}
        for n, each in enumerate((_patient(hospital_number), observation, worded, condition))
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def planted_in(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The same resource of a FHIR server with a canary wherever its writer or its software can write."""
    said = dict(resource)
    said |= {"text": NARRATIVE, "extension": [*said.get("extension", []), *EXTENSION]}
    kind = said["resourceType"]
    if kind in ("Patient", "RelatedPerson"):
        said["name"] = [{"use": "official", "family": SURNAME, "given": [GIVEN, MARK]}]
        said["telecom"] = [{"system": "phone", "value": PHONE}, {"system": "email", "value": MAIL}]
        said["address"] = [{"line": [STREET], "city": MARK, "postalCode": POSTCODE}]
        said["identifier"] = [*said.get("identifier", []), {"system": f"urn:{MARK}", "value": STRAY_NUMBER}]
    elif kind == "QuestionnaireResponse":
        answer = {"valueString": f"{SURNAME} {WORDS} {STRAY_NUMBER}"}
        said["item"] = [*said["item"], {"linkId": f"{MARK}.1", "text": WORDS, "answer": [answer]}]
    elif "subject" in said:
        said["subject"] = {**said["subject"], "display": f"{SURNAME} {GIVEN}"}
        said["note"] = [{"text": f"{WORDS} {PHONE}", "authorString": SURNAME}]
    if "conclusion" in said:
        said["conclusion"] += f"\n{WORDS}. Call {PHONE}, NHS {STRAY_NUMBER} {MARK}"
    return said


def everything(messages: Sequence[SentMessage], child: str) -> Iterator[SentMessage]:
    """All for the wire: the hospital full of canaries, then single fields of one child, then what is broken."""
    yield from (planted(message) for message in messages)
    number = 1_000
    last_of_kind = {_kind(message): message for message in messages if message.subject == child}
    tried: set[tuple[str, str, int]] = set()
    for message in last_of_kind.values():
        trials = list(field_by_field(message, number=number, tried=tried))
        number += len(trials)
        yield from trials
    result = next(message for message in messages if message.event == "R01")
    yield poisoned(result)
    yield from (replace(result, raw=body) for body in malformed())


def _kind(message: SentMessage) -> tuple[str, str]:
    """What it is, and whose: a report of the laboratory is not one of radiology."""
    return message.event, message.raw.split(b"|")[2].decode()


def _filled(segment: str) -> str:
    fields = segment.split("|")
    name = fields[0]
    if name == "MSH" or (name == "PV1" and fields[2] == "N"):  # MSH has its turn field by field
        return segment
    if name in _WORDED:
        fields[_WORDED[name]] += f" {MARK}" if "^" in fields[_WORDED[name]] else ""
    if name == "OBX" and fields[2] in ("TX", "FT"):
        fields[5] += f" {WORDS}. Call {PHONE}, NHS {STRAY_NUMBER} {MARK}"
    fields += [""] * (_LAST_FIELD.get(name, len(fields)) + 1 - len(fields))
    free = _FREE.get(name, {})
    for number in range(1, len(fields)):
        if number in free:
            fields[number] = free[number]
        elif not fields[number] and (name, number) not in _MEANS_MUCH:
            fields[number] = f"{MARK}{name}{number}^{SURNAME}^{WORDS}"
    return "|".join(fields)


def _with(message: SentMessage, segments: Sequence[str]) -> SentMessage:
    return replace(message, raw="".join(f"{segment}\r" for segment in segments).encode(ENCODINGS[message.feed]))
