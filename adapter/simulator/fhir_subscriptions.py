"""A server's Subscription: tells of changes over real HTTP in the forms that servers use, and badly where told to.

Rest-hooks of FHIR R4 (an empty body, or the resource put below the address as HAPI does), and notification Bundles of
the Subscriptions R5 Backport for R4, with their count, handshake and heartbeats.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import msgspec
import requests

_JSON = {"Content-Type": "application/fhir+json"}
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Form(Enum):
    """How a change is told of."""

    EMPTY = auto()
    """A POST without a body."""
    RESOURCE = auto()
    """The resource itself, put to ADDRESS/Type/id."""
    IDS = auto()
    """A notification Bundle that names the resource."""
    WHOLE = auto()
    """A notification Bundle that carries it."""


@dataclass(slots=True, kw_only=True)
class Subscription:
    """One of them; what it says and does can be changed at any time."""

    endpoint: str
    base: str
    """Of the server, as it writes it into references."""
    headers: Mapping[str, str]
    """With the secret; a wrong one is sent as it is."""
    form: Form = Form.IDS
    id: str = "csor-1"
    state: str = "active"
    hyphens: bool = False
    """Names of parameters as HAPI and others write them."""
    count: int = 0
    """Events since it began; those that are lost count too (VENDORS, failures 24)."""
    answers: list[int] = field(default_factory=list)
    """What the listener said, in order; 0 where it could not be reached."""
    verify: str | bool = True

    def handshake(self) -> None:
        """It begins, or begins again."""
        self._send(self._bundle("handshake", state="requested"))

    def heartbeat(self) -> None:
        """Nothing has happened."""
        self._send(self._bundle("heartbeat"))

    def tell(self, resource: Mapping[str, Any], *, times: int = 1, is_lost: bool = False) -> None:
        """One change, `times` over."""
        self.count += 1
        number = self.count
        for _ in range(0 if is_lost else times):
            self._tell(resource, number)

    @contextmanager
    def beating(self, every_s: float) -> Iterator[None]:
        """Heartbeats from another thread, until the end of the block."""
        stopping = threading.Event()

        def beat() -> None:
            while not stopping.wait(every_s):
                self.heartbeat()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(10)

    def _tell(self, resource: Mapping[str, Any], number: int) -> None:
        name = f"{resource['resourceType']}/{resource['id']}"
        match self.form:
            case Form.EMPTY:
                self._send(None)
            case Form.RESOURCE:
                self._send(resource, method="PUT", below=f"/{name}")
            case Form.IDS | Form.WHOLE:
                self._send(self._bundle("event-notification", number=number, name=name, resource=resource))

    def _send(self, body: Mapping[str, Any] | None, *, method: str = "POST", below: str = "") -> None:
        data = b"" if body is None else _ENCODER.encode(body)
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    method,
                    self.endpoint + below,
                    data=data,
                    headers={**self.headers, **(_JSON if body is not None else {})},
                    timeout=20,
                    verify=self.verify,
                )
            self.answers.append(answer.status_code)
        except requests.ConnectionError:
            self.answers.append(0)

    def _bundle(
        self, kind: str, *, number: int | None = None, name: str = "", resource: Any = None, state: str = ""
    ) -> dict[str, Any]:
        parameters: list[dict[str, Any]] = [
            {"name": "subscription", "valueReference": {"reference": f"{self.base}/Subscription/{self.id}"}},
            {"name": "status", "valueCode": state or self.state},
            {"name": "type", "valueCode": kind},
            {"name": self._named("eventsSinceSubscriptionStart"), "valueString": str(self.count)},
        ]
        if number is not None:
            part: list[dict[str, Any]] = [
                {"name": self._named("eventNumber"), "valueString": str(number)},
                {"name": "timestamp", "valueInstant": datetime.now(UTC).isoformat()},
                {"name": "focus", "valueReference": {"reference": f"{self.base}/{name}"}},
            ]
            parameters.append({"name": self._named("notificationEvent"), "part": part})
        entries: list[dict[str, Any]] = [{"resource": {"resourceType": "Parameters", "parameter": parameters}}]
        if number is not None and self.form is Form.WHOLE:
            request = {"method": "PUT", "url": name}
            entries.append({"fullUrl": f"{self.base}/{name}", "resource": resource, "request": request})
        return {"resourceType": "Bundle", "type": "history", "entry": entries}

    def _named(self, guide: str) -> str:
        if not self.hyphens:
            return guide
        return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in guide)
