"""From the settings of a FHIR source to what signs in for it."""

import threading
import uuid
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, assert_never

from adapter.config import FhirSearchSource
from adapter.config.fhir_auth import ClientSecret, PrivateKeyJwt
from adapter.outbound import open_session
from adapter.sources import smart_keys
from adapter.sources.pace import Pace
from adapter.sources.smart_auth import Credentials, NoCredentials, StaticToken, WithHeaders
from adapter.sources.smart_keys import SigningKey
from adapter.sources.smart_token import (
    SharedSecret,
    ShowsWhoWeAre,
    SignedAssertion,
    SignIn,
    TokenEndpoint,
    TokenRules,
)


def credentials_of(source: FhirSearchSource, *, pace: Pace | None = None) -> Credentials:
    """What the server is shown; SetupError where a key or a secret cannot be used. Tokens are asked for by `pace`."""
    shown = _signing_in(source, pace=pace)
    further = {name: secret.resolve for name, secret in source.headers.items()}
    return WithHeaders(shown, further) if further else shown


def _signing_in(source: FhirSearchSource, *, pace: Pace | None) -> Credentials:
    auth = source.auth
    if auth is None:
        return StaticToken(source.token.resolve) if source.token else NoCredentials()
    session = open_session(ca=source.ca, proxy=source.proxy, certificate=key_pair(source))
    rules = TokenRules(
        margin_s=auth.refresh_margin_s, shortest_s=auth.min_refresh_interval_s, refused_s=auth.refused_wait_s
    )
    endpoint = TokenEndpoint(url=auth.token_url, scopes=auth.scopes, session=session)
    turn = nullcontext if pace is None else partial(pace.turn, threading.Event())
    return SignIn(endpoint=endpoint, client=_client(auth), rules=rules, turn=turn)


def _client(auth: PrivateKeyJwt | ClientSecret) -> ShowsWhoWeAre:
    match auth:
        case PrivateKeyJwt():
            active = auth.active or auth.keys[0].kid
            return SignedAssertion(
                client_id=auth.client_id,
                audience=auth.audience or auth.token_url,
                key=next(key for key in _keys(auth) if key.kid == active),
                life_s=auth.jwt_lifetime_s,
                fresh_id=lambda: str(uuid.uuid4()),
            )
        case ClientSecret():
            in_body = auth.method == "client_secret_post"
            return SharedSecret(client_id=auth.client_id, read=auth.secret.resolve, in_body=in_body)
    assert_never(auth)


def _keys(auth: PrivateKeyJwt) -> list[SigningKey]:
    return [smart_keys.read_key(each.key.resolve(), kid=each.kid, algorithm=auth.alg) for each in auth.keys]


def public_keys(sources: Iterable[FhirSearchSource]) -> dict[str, Any]:
    """The public halves of all keys of these sources, each once, as a JSON Web Key Set."""
    found = {key.kid: key for source in sources if isinstance(source.auth, PrivateKeyJwt) for key in _keys(source.auth)}
    return smart_keys.jwks(found.values())


def key_pair(source: FhirSearchSource) -> tuple[Path, Path] | None:
    """Certificate and key for mutual TLS."""
    return (source.certificate, source.key) if source.certificate and source.key else None
