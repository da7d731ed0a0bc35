"""The server side of `benchmarks.bulk`, in a process of its own: one export, whose lines are made as they are sent.

A thousand lines for each child: a patient with gastroschisis, then panels of ten results, each with its Specimen and
its ServiceRequest. Files hold one type, child after child by turns, so that no child's lines stand together.
"""

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PANELS = 83
RESULTS = 10
_AT_ONCE = 200
LINES_OF_A_CHILD = 3 + PANELS * (RESULTS + 2)
_STAMP = "2026-01-03T12:10:00.000+00:00"
_META = {"versionId": "1", "lastUpdated": _STAMP}
_TESTS = (
    ("1988-5", "CRP", "mg/L"),
    ("777-3", "PLT", "10*9/L"),
    ("2524-7", "LAC", "mmol/L"),
    ("2951-2", "NA", "mmol/L"),
)
_HOSPITAL = "https://fhir.rxx.example/Id/hospital-number"


def _patient() -> dict[str, Any]:
    number = {"system": _HOSPITAL, "value": "H@c"}
    born = {"birthDate": "2026-01-01", "gender": "female"}
    return {"resourceType": "Patient", "id": "p@c", "meta": _META, "identifier": [number], **born}


def _of(kind: str, identity: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": identity, "meta": _META, "subject": {"reference": "Patient/p@c"}, **more}


def _encounter() -> dict[str, Any]:
    ward = {"location": {"identifier": {"value": "NICU"}}}
    period = {"start": "2026-01-01T12:00:00+00:00"}
    return _of("Encounter", "e@c", status="in-progress", location=[ward], period=period, **{"class": {"code": "IMP"}})


def _condition() -> dict[str, Any]:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "Q79.3"}
    sure = {"coding": [{"code": "confirmed"}]}
    return _of("Condition", "d@c", code={"coding": [coding]}, verificationStatus=sure, recordedDate="2026-01-01")


def _specimen() -> dict[str, Any]:
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "122555007"}]}
    return _of("Specimen", "s@c-@n", type=kind)


def _order() -> dict[str, Any]:
    number = {"type": {"coding": [{"code": "FILL"}]}, "system": "urn:lab", "value": "F@c-@n"}
    code = {"coding": [{"system": "urn:lab", "code": "FBC"}]}
    return _of("ServiceRequest", "r@c-@n", identifier=[number], status="completed", intent="order", code=code)


def _observation(test: tuple[str, str, str]) -> dict[str, Any]:
    code, local, unit = test
    laboratory = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return _of(
        "Observation",
        "o@c-@n-@r",
        status="final",
        category=[{"coding": [laboratory]}],
        code={"coding": [{"system": "http://loinc.org", "code": code}, {"system": "urn:lab", "code": f"{local}@r"}]},
        basedOn=[{"reference": "ServiceRequest/r@c-@n"}],
        specimen={"reference": "Specimen/s@c-@n"},
        effectiveDateTime="2026-01-03T11:00:00+00:00",
        issued=_STAMP,
        valueQuantity={"value": 12, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    )


def _template(resource: dict[str, Any]) -> str:
    return json.dumps(resource, separators=(",", ":")) + "\n"


_ONES = {"Patient": _template(_patient()), "Encounter": _template(_encounter()), "Condition": _template(_condition())}
_PANEL = {"Specimen": _template(_specimen()), "ServiceRequest": _template(_order())}
_RESULT = [_template(_observation(test)) for test in _TESTS]
TYPES = (*_ONES, *_PANEL, "Observation")


def lines(kind: str, children: int) -> Iterator[str]:
    """All of a type; what comes after another is of another child."""
    if kind in _ONES:
        yield from (_ONES[kind].replace("@c", str(child)) for child in range(children))
        return
    for panel in range(PANELS):
        for result in range(RESULTS if kind == "Observation" else 1):
            text = _RESULT[result % len(_RESULT)] if kind == "Observation" else _PANEL[kind]
            text = text.replace("@n", str(panel)).replace("@r", str(result))
            yield from (text.replace("@c", str(child)) for child in range(children))


class _Server(ThreadingHTTPServer):
    children = 0


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        base = f"http://{self.headers['Host']}"
        if "$export" in self.path:
            self._head(202, {"Content-Location": f"{base}/status", "Content-Length": "0"})
        elif self.path == "/status":
            output = [{"type": kind, "url": f"{base}/files/{kind}"} for kind in TYPES]
            manifest = {"transactionTime": _STAMP, "requiresAccessToken": False, "output": output, "error": []}
            body = json.dumps(manifest).encode()
            self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
            self.wfile.write(body)
        else:
            self._head(200, {"Content-Type": "application/fhir+ndjson", "Connection": "close"})
            self._send(self.path.rpartition("/")[2])

    def do_DELETE(self) -> None:
        self._head(202, {"Content-Length": "0"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, kind: str) -> None:
        assert isinstance(self.server, _Server)
        waiting: list[str] = []
        for line in lines(kind, self.server.children):
            waiting.append(line)
            if len(waiting) == _AT_ONCE:
                self.wfile.write("".join(waiting).encode())
                waiting = []
        self.wfile.write("".join(waiting).encode())


def main() -> None:
    """Serve an export of so many children; print the port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.children = int(sys.argv[1])
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
