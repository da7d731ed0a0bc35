"""The token endpoint of a simulated FHIR server: SMART Backend Services and client secrets, checked strictly.

400 with an OAuth error for an assertion that is old, used before, for somebody else, or not signed by a known key.
"""

import hmac
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from adapter.simulator.fhir_rules import Violation

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_LIFE_S = 300
_LONGEST_JTI = 151
"""Epic's."""


@dataclass(slots=True, kw_only=True)
class Client:
    """Somebody whom the server knows."""

    client_id: str
    jwks: KeySetSerialization | None = None
    """Public keys; may be exchanged while the server runs."""
    secret: str = ""
    scopes: tuple[str, ...] = ("system/*.rs",)
    """What is granted of what is asked for."""


@dataclass(slots=True, kw_only=True)
class TokenDesk:
    """Gives tokens to known clients."""

    clients: tuple[Client, ...]
    lives_s: int = 570
    now: Callable[[], float] = time.time
    tokens: dict[str, float] = field(default_factory=dict)
    """Until when each is good."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The form of each request, and its `Authorization` under that name."""
    least_between_s: float = 0
    """Who asks more often is told to wait: 429."""
    violations: list[Violation] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _given: dict[str, float] = field(default_factory=dict)

    def is_good(self, token: str) -> bool:
        """Whether a bearer token may still be used."""
        return self.tokens.get(token, 0.0) > self.now()

    def revoke(self) -> None:
        """All tokens are taken back."""
        self.tokens.clear()

    def answer(self, form: Mapping[str, str], authorization: str, *, url: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request at `url`."""
        self.asked.append({**form, "Authorization": authorization})
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        client = self._client_of(form, authorization, url=url)
        if client is None:
            self.violations.append(Violation("not-signed-in", "Auth", "token"))
            return 401 if authorization else 400, {"error": "invalid_client"}
        if self.now() - self._given.get(client.client_id, -self.least_between_s) < self.least_between_s:
            self.violations.append(Violation("token-asked-too-often", "Token lifetime", "token"))
            return 429, {"error": "temporarily_unavailable"}
        wanted = form.get("scope", "").split()
        granted = [each for each in wanted if _is_within(each, client.scopes)]
        if not granted:
            return 400, {"error": "invalid_scope"}
        token = secrets.token_urlsafe(24)
        self._given[client.client_id] = self.now()
        self.tokens[token] = self.now() + self.lives_s
        said = {"access_token": token, "token_type": "bearer", "expires_in": self.lives_s}
        return 200, {**said, "scope": " ".join(granted)}

    def _client_of(self, form: Mapping[str, str], authorization: str, *, url: str) -> Client | None:
        if form.get("client_assertion_type") == _ASSERTION_TYPE:
            return self._signed(form.get("client_assertion", ""), url=url)
        if authorization.startswith("Basic "):
            name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return self._with_secret(unquote(name), unquote(secret))
        return self._with_secret(form.get("client_id", ""), form.get("client_secret", ""))

    def _with_secret(self, client_id: str, secret: str) -> Client | None:
        for client in self.clients:
            if client.client_id == client_id and client.secret:
                return client if hmac.compare_digest(client.secret, secret) else None
        return None

    def _signed(self, assertion: str, *, url: str) -> Client | None:
        for client in self.clients:
            if client.jwks is None:
                continue
            try:
                token = jwt.decode(assertion, KeySet.import_key_set(client.jwks), algorithms=["RS384", "ES384"])
            except (JoseError, ValueError):
                continue
            if token.header.get("kid") and self._is_fair(token.claims, client, url=url):
                return client
        return None

    def _is_fair(self, claims: Mapping[str, Any], client: Client, *, url: str) -> bool:
        expires, fresh = claims.get("exp", 0), claims.get("jti", "")
        now = self.now()
        is_in_time = now < expires <= now + _LONGEST_LIFE_S + 5
        is_ours = claims.get("iss") == claims.get("sub") == client.client_id and claims.get("aud") == url
        if not (is_in_time and is_ours and 0 < len(fresh) <= _LONGEST_JTI) or fresh in self._used:
            return False
        self._used.add(fresh)
        return True


def _is_within(scope: str, granted: tuple[str, ...]) -> bool:
    head = scope.partition("/")[0]
    return scope in granted or any(each.startswith(f"{head}/*.") for each in granted)
