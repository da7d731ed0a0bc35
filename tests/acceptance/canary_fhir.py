"""A FHIR server full of canaries: its resources, the words of its errors, its addresses, headers and secrets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import msgspec

from adapter.simulator.fhir_faults import Answer, Effect, Request
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_versions import Change, encode
from tests.acceptance.canary_messages import (
    CANARIES,
    GIVEN,
    MARK,
    NARRATIVE,
    PHONE,
    POSTCODE,
    STRAY_NUMBER,
    SURNAME,
    WORDS,
    planted_in,
)
from tests.acceptance.canary_search import Search
from tests.fakes.polled_hospital import a_child

TOKEN, HOOK_SECRET, SIGNATURE = "tkn-wqzvjxkplm-471", "hks-vbnqzwxjkt-882", "sgn-plkqzjwvxm-913"
"""What nobody may read: the bearer token, the secret of notifications, what signs the address of a file."""
SECRETS = (TOKEN, HOOK_SECRET, SIGNATURE)
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "id": "s-1",
    "status": "error",
    "reason": SURNAME,
    "error": f"delivery of Patient/{MARK}-9 ({SURNAME}) failed: {WORDS}",
    "criteria": "Observation?",
    "channel": {"type": "rest-hook", "header": [f"X-Hook: {HOOK_SECRET}"]},
}
"""What a server says of a Subscription that it gave up."""
STRANGER = f"{MARK}-stranger"
QUERY = f"patient={MARK}-9&name={SURNAME}&identifier={STRAY_NUMBER}"
"""As addresses hold who is meant."""
NEWLINE = b"\n"


def the_changes(number: int) -> list[Change]:
    """Everything of one child, with canaries wherever a writer can write, and in every id."""
    found = fhir_timeline([a_child(number)])
    names = {f"{each.resource['resourceType']}/{each.resource['id']}" for each in found}
    return [replace(each, resource=_planted(each, names)) for each in found]


def _planted(change: Change, names: set[str]) -> dict[str, Any]:
    resource = cast(dict[str, Any], _led_on(change.resource, names))
    resource["id"] = f"{MARK}-{resource['id']}"
    if change.is_deleted:
        return resource
    return planted_in(resource) | {"meta": {"source": f"urn:{MARK}:{SURNAME}", "tag": [{"display": SURNAME}]}}


def _led_on(value: object, names: set[str]) -> object:
    """The same with every reference to one of these under its new id."""
    if isinstance(value, Mapping):
        return {
            key: f"{each.partition('/')[0]}/{MARK}-{each.partition('/')[2]}"
            if key == "reference" and each in names
            else _led_on(each, names)
            for key, each in value.items()
        }
    return [_led_on(each, names) for each in value] if isinstance(value, list | tuple) else value


def numbers_in(changes: Iterable[Change]) -> set[str]:
    """Every identifier that the server writes, but for words too short to be searched for."""
    return {each for change in changes for each in _identifiers(change.resource) if len(each) >= 7}


def _identifiers(value: object, *, is_one: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if is_one and key == "value":
                yield str(each)
            else:
                yield from _identifiers(each, is_one=key in ("identifier", "accessionNumber"))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _identifiers(each, is_one=is_one)


def searcher(numbers: Iterable[str]) -> Search:
    """For all of it."""
    return Search([*CANARIES, *SECRETS], plainly=numbers)


# --- what a server says where it fails


def outcome(code: str = "processing", *, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome that names the patient in each of its places; a name is written as a code, too."""
    coded = {"system": f"urn:{MARK}", "code": SURNAME.lower(), "display": f"{SURNAME} {GIVEN}"}
    named = {
        "severity": severity,
        "code": code,
        "details": {"coding": [coded], "text": f"{SURNAME} {GIVEN}, NHS {STRAY_NUMBER}"},
        "diagnostics": f"GET /Patient/{MARK}-9?{QUERY}: {WORDS}, {POSTCODE}",
        "expression": [f"Patient.name.where(family='{SURNAME}')"],
    }
    as_code = {"severity": SURNAME.lower(), "code": SURNAME.lower(), "diagnostics": MARK}
    shouted = {
        "severity": "error",
        "code": f"MSG_{SURNAME.upper()}",
        "details": {"coding": [{"code": STRAY_NUMBER[:6]}, {"code": f"MSG_{SURNAME.upper()}"}]},
    }
    return {"resourceType": "OperationOutcome", "text": NARRATIVE, "issue": [named, as_code, shouted]}


_HEADERS = {
    "Warning": f'199 - "{SURNAME} {STRAY_NUMBER}"',
    "X-Patient": f"{SURNAME} {GIVEN} {MARK}",
    "X-Progress": f"{SURNAME} {WORDS}",
    "WWW-Authenticate": f'Bearer realm="{MARK}", error_description="{SURNAME}"',
    "Retry-After": SURNAME,
    "ETag": f'W/"{MARK}"',
}


def refusing(status: int, *, code: str = "processing") -> Effect:
    """An error that names the patient."""
    return lambda _, answer: replace(answer, status=status, content=outcome(code), headers=_HEADERS)


def page_of_html(status: int) -> Effect:
    """As a proxy or a broken server writes it, with a trace of its innards."""
    text = f"<html><h1>{SURNAME} {GIVEN}</h1>at {MARK}.find({QUERY}) Authorization: Bearer {TOKEN} {WORDS}</html>"
    return lambda _, answer: replace(answer, status=status, content=_raw(text.encode()), headers=_HEADERS)


def redirect() -> Effect:
    """To an address that names the patient."""
    where = f"http://{SURNAME.lower()}.invalid/{MARK}/Patient/{STRANGER}?{QUERY}"
    return lambda _, answer: replace(answer, status=302, content=outcome(), headers={**_HEADERS, "Location": where})


def next_link_elsewhere() -> Effect:
    """The next page is at a host of that name."""
    link = {"relation": "next", "url": f"https://{SURNAME.lower()}.invalid/{MARK}?{QUERY}"}
    return lambda _, answer: replace(answer, content={**answer.content, "link": [link]})


def another_patient() -> Effect:
    """In answer to a read of somebody else."""
    return lambda _, answer: replace(answer, status=200, content={**answer.content, "id": STRANGER})


def survivor() -> Effect:
    """The patient lives on under another id, to which the answer leads."""

    def told(request: Request, answer: Answer) -> Answer:
        where = f"{request.url.rpartition('/')[0]}/{STRANGER}"
        return replace(answer, status=301, content=outcome(), headers={**_HEADERS, "Location": where})

    return told


def no_page() -> Effect:
    """An OperationOutcome where a Bundle belongs."""
    return lambda _, answer: replace(answer, content=outcome())


def spoilt_page() -> Effect:
    """A page with another patient's result, what is no resource, and what is no JSON value of one."""
    entries: list[Any] = [
        {"fullUrl": f"urn:{MARK}", "resource": _stranger()},
        {"resource": {"resourceType": MARK, "id": f"{MARK}-1", "subject": SURNAME}},
        {"resource": {"resourceType": "Observation", "id": [SURNAME], "status": WORDS}},
        {"resource": SURNAME},
        {"resource": outcome(severity="warning"), "search": {"mode": "outcome"}},
    ]
    return lambda _, answer: replace(
        answer, content={**answer.content, "entry": [*answer.content.get("entry", ()), *entries]}
    )


def _stranger() -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{MARK}-of-a-stranger",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}], "text": WORDS},
        "subject": {"reference": f"Patient/{STRANGER}", "display": f"{SURNAME} {GIVEN}"},
        "effectiveDateTime": SURNAME,
        "valueString": f"{WORDS} {PHONE}",
    }


def boasting() -> Effect:
    """A CapabilityStatement that names somebody."""
    return lambda _, answer: replace(
        answer,
        content={**answer.content, "fhirVersion": SURNAME, "publisher": MARK, "software": {"name": SURNAME}},
        headers={"Date": f"{SURNAME}, 1 Jan", **_HEADERS},
    )


# --- what it says of an export


def named_place() -> Effect:
    """Content-Location names the patients; it is where the state is to be asked for all the same."""

    def told(_: Request, answer: Answer) -> Answer:
        where = answer.headers.get("Content-Location", "")
        return replace(
            answer, headers={**_HEADERS, "Content-Location": f"{where}?{QUERY}"} if where else answer.headers
        )

    return told


def progress() -> Effect:
    """Of an export that goes on, in words."""
    said = {"X-Progress": f"{SURNAME} {MARK} 50%", "X-Patient": SURNAME}
    return lambda _, answer: replace(answer, headers={**answer.headers, **said})


def manifest() -> Effect:
    """What is beside the files names patients, and so do their addresses and a type; one more tells of deletions."""

    def told(_: Request, answer: Answer) -> Answer:
        if "output" not in answer.content:
            return answer
        files = [{**each, "url": f"{each['url']}?{QUERY}&X-Signature={SIGNATURE}"} for each in answer.content["output"]]
        files[-1]["type"] = SURNAME
        gone = {"type": "Bundle", "url": f"{answer.content['output'][0]['url']}?deleted=1&{QUERY}"}
        beside = {"request": f"https://x/$export?{QUERY}", "extension": {MARK: SURNAME}, "deleted": [gone]}
        return replace(answer, content={**answer.content, "output": files, **beside})

    return told


def sent_elsewhere() -> Effect:
    """A file is somewhere else, under an address that is signed and names a patient; once there, it is sent."""

    def told(request: Request, answer: Answer) -> Answer:
        if "again=" in request.url:  # without a token, as it must be
            return replace(answer, status=200, content=_raw(bytes(encode(_stranger())) + NEWLINE))
        where = f"{request.url.partition('?')[0]}?again=1&{QUERY}&X-Signature={SIGNATURE}"
        return replace(answer, status=307, content={}, headers={**_HEADERS, "Location": where})

    return told


def deletions() -> Effect:
    """Where the file of deletions is asked for."""
    entries = [{"request": {"method": "DELETE", "url": each}} for each in (f"Patient/{STRANGER}", f"{SURNAME}/{MARK}")]
    bundle = {"resourceType": "Bundle", "id": MARK, "type": "transaction", "entry": entries}
    body = _raw(bytes(encode(bundle)) + NEWLINE)
    return lambda request, answer: replace(answer, content=body) if "deleted=1" in request.url else answer


def spoilt_lines() -> Effect:
    """Lines of a file that are no JSON, no resource, nobody's, or another patient's."""
    lines = (
        f'{{"resourceType": "Observation", "id": "{MARK}", "note": {SURNAME}'.encode(),
        f"{SURNAME} {WORDS} {STRAY_NUMBER}".encode(),
        encode({"resourceType": MARK, "id": f"{MARK}-2", "name": SURNAME}),
        encode({"resourceType": "Observation", "id": [MARK], "subject": {"reference": SURNAME}}),
        encode(_stranger()),
    )
    return lambda _, answer: replace(
        answer, content=_raw(bytes(encode(answer.content)) + NEWLINE.join(lines) + NEWLINE) if answer.content else {}
    )


def _raw(body: bytes) -> dict[str, Any]:
    """Bytes stand for themselves where an answer is encoded."""
    return cast(dict[str, Any], msgspec.Raw(body))
