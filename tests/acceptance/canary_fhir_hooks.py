"""Notifications full of canaries, in every form that servers use, and what is none, is refused or breaks off."""

import socket

import requests

from adapter.simulator.fhir_subscriptions import Form, Subscription
from adapter.simulator.fhir_versions import encode
from tests.acceptance import canary_fhir as planted
from tests.acceptance.canary_fhir_run import Hospital
from tests.acceptance.canary_messages import GIVEN, MARK, STRAY_NUMBER, SURNAME, WORDS

_BODY = f'{{"resourceType": "Patient", "id": "{MARK}-9", "name": {SURNAME}, "text": "{WORDS}'.encode()
_SECRET = f"X-Hook: {planted.HOOK_SECRET}\r\n"


def tell(hospital: Hospital) -> list[int]:
    """All of it; what was answered."""
    result = next(each.resource for each in hospital.servers["push"].archive.current("Observation"))
    headers = {"X-Hook": planted.HOOK_SECRET, "X-Patient": f"{SURNAME} {MARK}", "User-Agent": f"{GIVEN} {SURNAME}"}
    subscription = Subscription(endpoint=_address(hospital), base=hospital.servers["push"].base, headers=headers)
    subscription.handshake()
    for form in Form:
        subscription.form = form
        subscription.tell(result)
        subscription.tell({**result, "id": f"{MARK}-gone"})
        subscription.tell({**result, "resourceType": MARK.title()})
    subscription.tell(result, is_lost=True)
    subscription.form, subscription.state = Form.IDS, SURNAME.lower()
    subscription.tell(result)
    hospital.sent += [bytes(encode(result)), repr(headers).encode(), _BODY]
    _break_off(hospital.hook)
    return subscription.answers + _knock(hospital)


def _address(hospital: Hospital) -> str:
    return f"http://127.0.0.1:{hospital.hook}/fhir-notifications/results"


def _knock(hospital: Hospital) -> list[int]:
    """What is refused or cannot be read."""
    good = {"X-Hook": planted.HOOK_SECRET, "Content-Type": f"application/fhir+json; name={SURNAME}"}
    address = _address(hospital)
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": SURNAME}]}
    bundle = encode({"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]})
    tries: list[tuple[str, str, dict[str, str], bytes]] = [
        ("POST", address, {**good, "X-Hook": f"{planted.HOOK_SECRET}-{SURNAME}"}, _BODY),
        ("POST", f"{address}?{planted.QUERY}", good, _BODY),
        ("POST", address, good, bytes(bundle)),
        ("POST", address, good, f"{SURNAME} {WORDS} {STRAY_NUMBER}".encode("utf-16")),
        ("PUT", f"{address}/Patient/{MARK}-9?{planted.QUERY}", good, _BODY),
        ("DELETE", f"{address}/Observation/{MARK}-8", good, b""),
        ("PATCH", f"{address}/Observation/{MARK}-8", good, _BODY),
        ("POST", f"http://127.0.0.1:{hospital.hook}/{SURNAME}/{MARK}?{planted.QUERY}", good, _BODY),
    ]
    answers = []
    with requests.Session() as session:
        session.trust_env = False
        for method, url, headers, body in tries:
            answers.append(session.request(method, url, headers=headers, data=body, timeout=20).status_code)
    return answers


def _break_off(port: int) -> None:
    """Requests that end before their end, and lines that are none."""
    to_us = "POST /fhir-notifications/results HTTP/1.1\r\n"
    for raw in (
        f"POST /{SURNAME} HTTP/1.1\r\nHost: x\r\n{_SECRET}Content-Length: 900\r\n\r\n{MARK}",
        f"{SURNAME} {MARK} {WORDS}\r\n\r\n",
        f"{to_us}{_SECRET}Content-Length: {SURNAME}\r\n\r\n",
        f"{to_us}Host: x\r\n{_SECRET}Content-Length: 900\r\n\r\n{{{MARK} {SURNAME}",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(raw.encode())
