"""Signs in at a FHIR server's token endpoint and keeps the token until shortly before its end.

SMART Backend Services (signed assertion) and OAuth 2.0 client credentials with a secret (RFC 6749 sections 2.3.1, 4.4).
The secret, the assertion and the token go to the configured addresses alone, and into no text.
"""

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import requests
import structlog

from adapter.errors import NotNow, SourceFault
from adapter.outbound import retry_after_s
from adapter.sources.smart_keys import SigningKey, assertion

_log = structlog.get_logger()

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ANSWER = 64 * 1024
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope", "access_denied"}
)  # fmt: skip
"""RFC 6749 section 5.2. No other word of an answer is repeated."""
_SCOPE = re.compile(r"(?:system|user|patient)/(\*|[A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(?:\?.*)?\Z")
_WITHOUT_END_S = 300
"""SMART asks servers for tokens of five minutes; one that does not say how long its token lives is taken at that."""


class ShowsWhoWeAre(Protocol):
    """How a client says who it is."""

    def form(self, now: datetime) -> Mapping[str, str]:
        """Fields of the request's body."""

    def headers(self) -> Mapping[str, str]:
        """And of its head."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SignedAssertion:
    """SMART Backend Services; behaviour 1."""

    client_id: str
    audience: str
    key: SigningKey
    life_s: int
    fresh_id: Callable[[], str]
    """A new `jti` each time."""

    def form(self, now: datetime) -> Mapping[str, str]:
        """A new assertion for each request."""
        signed = assertion(
            self.key,
            client_id=self.client_id,
            audience=self.audience,
            now=now,
            life_s=self.life_s,
            jti=self.fresh_id(),
        )
        return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": signed}

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SharedSecret:
    """For servers that know no signatures; behaviour 3."""

    client_id: str
    read: Callable[[], bytes]
    """The secret, read anew for each request; SetupError where there is none."""
    in_body: bool = False
    """As `client_secret_post`; else HTTP Basic."""

    def form(self, now: datetime) -> Mapping[str, str]:
        """See ShowsWhoWeAre."""
        return {"client_id": self.client_id, "client_secret": self.read().decode()} if self.in_body else {}

    def headers(self) -> Mapping[str, str]:
        """RFC 6749 section 2.3.1: both are encoded as form values before they are joined."""
        if self.in_body:
            return {}
        pair = f"{quote(self.client_id, safe='')}:{quote(self.read().decode(), safe='')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """When to ask for a token."""

    margin_s: float = 60.0
    """So long before its end a token is not used any more."""
    shortest_s: float = 60.0
    """Between two requests for one (behaviour 4)."""
    refused_s: float = 3600.0
    """How long to wait once the server has refused to know us (behaviour 6)."""
    skew_s: float = 60.0
    """By how much its clock may differ before that is said (behaviour 8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Where tokens are to be had, and for what."""

    url: str
    scopes: tuple[str, ...]
    session: requests.Session
    timeout_s: float = 30.0


class _Granted(NamedTuple):
    token: str
    until: float
    """By the clock that never goes back."""
    scopes: frozenset[str]


@dataclass(slots=True, kw_only=True)
class SignIn:
    """The token of one server. Not to be shared between threads but for `renew`."""

    endpoint: TokenEndpoint
    client: ShowsWhoWeAre
    rules: TokenRules = field(default_factory=TokenRules)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """Held while a token is asked for: it is a request to the same server (behaviour 40)."""
    _granted: _Granted | None = None
    _asked_at: float | None = None
    _refused_until: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self) -> str | None:
        """The bearer token. NotNow where there is none to be had, or none may be asked for yet."""
        with self._lock:
            return f"Bearer {self._current().token}"

    def beside(self) -> Mapping[str, str]:
        """None."""
        return {}

    def renew(self) -> None:
        """The server did not take the last one."""
        self._granted = None

    def may_read(self, resource_type: str) -> bool:
        """Whether the server has granted what reading and searching that type needs (behaviour 7)."""
        with self._lock:
            return any(_covers(scope, resource_type) for scope in self._current().scopes)

    def left_out(self) -> frozenset[str]:
        """What was asked for and not granted, as it was written."""
        with self._lock:
            granted = self._current().scopes
        return frozenset(each for each in self.endpoint.scopes if each not in granted)

    def _current(self) -> _Granted:
        moment, granted = self.clock(), self._granted
        if granted is not None and moment < granted.until:
            return granted
        if self._refused_until is not None and moment < self._refused_until:
            wait_s = self._refused_until - moment
            raise NotNow(SourceFault.NO_TOKEN, "the server has refused to know us", retry_after_s=wait_s)
        if self._asked_at is not None and moment - self._asked_at < self.rules.shortest_s:
            wait_s = self.rules.shortest_s - (moment - self._asked_at)
            text = "the server takes no token of this minute; no other is asked for yet"
            raise NotNow(SourceFault.UNAUTHORISED, text, is_brief=True, retry_after_s=wait_s)
        self._asked_at = moment
        self._granted = self._ask(moment)
        return self._granted

    def _ask(self, moment: float) -> _Granted:
        form = {"grant_type": "client_credentials", "scope": " ".join(self.endpoint.scopes)}
        try:
            # The turn first: what is signed is good for minutes only.
            with (
                self.turn(),
                self.endpoint.session.post(
                    self.endpoint.url,
                    data={**form, **self.client.form(self.now())},
                    headers={"Accept": "application/json", **self.client.headers()},
                    timeout=self.endpoint.timeout_s,
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                body = answer.raw.read(_LONGEST_ANSWER + 1)
                return self._granted_by(answer, body, moment)
        except requests.RequestException as error:
            # The kind of the error, not its text, which may hold the address of a proxy with its password.
            text = f"the token endpoint cannot be reached ({type(error).__name__})"
            raise NotNow(SourceFault.UNREACHABLE, text, is_brief=True) from None

    def _granted_by(self, answer: requests.Response, body: bytes, moment: float) -> _Granted:
        skew = self._skew_s(answer)
        said = _object(body) if len(body) <= _LONGEST_ANSWER else {}
        if answer.status_code != 200:
            raise self._refusal(answer, said, skew)
        token, kind = said.get("access_token"), str(said.get("token_type", "bearer"))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
            raise NotNow(SourceFault.NO_TOKEN, "the token endpoint answered 200 without a token that can be sent")
        if kind.lower() != "bearer":
            raise NotNow(SourceFault.NO_TOKEN, "the token endpoint gives tokens that are not bearer tokens")
        self._refused_until = None
        lives_s = said.get("expires_in")
        seconds = float(lives_s) if isinstance(lives_s, int | float) and lives_s > 0 else float(_WITHOUT_END_S)
        # A server that says no scope has granted what was asked for (RFC 6749 section 5.1).
        granted = said["scope"].split() if isinstance(said.get("scope"), str) else self.endpoint.scopes
        if skew:
            _log.warning("clocks differ", reason=skew)
        until = moment + max(seconds - self.rules.margin_s, min(seconds, 1.0))
        return _Granted(token, until, frozenset(granted))

    def _refusal(self, answer: requests.Response, said: Mapping[str, Any], skew: str) -> NotNow:
        status = answer.status_code
        if status in _BUSY:
            wait_s = retry_after_s(answer.headers.get("Retry-After"), now=self.now())
            text = f"the token endpoint answered {status}"
            return NotNow(SourceFault.BUSY, text, is_brief=True, retry_after_s=wait_s)
        if 300 <= status < 400:
            return NotNow(SourceFault.REDIRECT, f"the token endpoint answered {status}: correct token_url")
        self._refused_until = self.clock() + self.rules.refused_s
        error = said.get("error")
        named = f" {error}" if error in _ERRORS else ""
        text = f"the token endpoint refused to know us ({status}{named})" + (f"; {skew}" if skew else "")
        fault = SourceFault.CLOCK_SKEW if skew else SourceFault.NO_TOKEN
        return NotNow(fault, text, retry_after_s=self.rules.refused_s)

    def _skew_s(self, answer: requests.Response) -> str:
        """In words, where the server's clock is further off than allowed."""
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return ""
        if theirs.tzinfo is None:
            return ""
        seconds = round((theirs - self.now()).total_seconds())
        if abs(seconds) <= self.rules.skew_s:
            return ""
        side = "ahead of" if seconds > 0 else "behind"
        return f"its clock is {abs(seconds)} s {side} ours: set ours by a time server"


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _covers(scope: str, resource_type: str) -> bool:
    """SMART scopes of version 1 (`.read`, `.*`) and 2 (`.rs`): reading and searching."""
    found = _SCOPE.match(scope)
    if found is None or found[1] not in ("*", resource_type):
        return False
    return found[2] in ("read", "*") or {"r", "s"} <= set(found[2])
