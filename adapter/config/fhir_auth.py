"""How the adapter signs in at a FHIR server; which of these a server takes, its vendor's team says."""

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from adapter.config.secrets import SecretRef
from adapter.datafile import Positioned

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[\x21-\x7e]+$")]


def url_parts(url: str) -> SplitResult:
    """Its parts, with a port that is one."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts


def check_secure(parts: SplitResult, *, carries: str) -> None:
    """Refuse http to another machine, with what could be read on the way."""
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError(f"should begin with https: over http {carries} can be read on the way")


def _token_url(url: str) -> str:
    parts = url_parts(url)
    is_plain = not parts.fragment and parts.username is None
    if parts.scheme not in {"https", "http"} or not parts.hostname or not is_plain:
        raise ValueError("should be https://HOST[:PORT]/PATH, without credentials or fragment")
    check_secure(parts, carries="secrets and tokens")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _SignIn(Positioned):
    token_url: Annotated[str, AfterValidator(_token_url)]
    client_id: Text
    scopes: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What is asked for: `system/Patient.rs`, or `system/Patient.read` at servers of SMART version 1."""
    refresh_margin_s: Annotated[float, Field(ge=0)] = 60
    """So long before its end a token is not used any more."""
    min_refresh_interval_s: Annotated[float, Field(ge=1)] = 60
    """Between two requests for a token (behaviour 4)."""
    refused_wait_s: Annotated[float, Field(ge=60)] = 3600
    """How long to wait once the server has refused to know us (behaviour 6)."""


class KeyFile(Positioned):
    """A private key in PEM, and the name under which the server has its public half."""

    kid: Text
    key: SecretRef


class PrivateKeyJwt(_SignIn):
    """SMART Backend Services: a signed assertion, renewed with each token (behaviours 1 and 2)."""

    method: Literal["private_key_jwt"]
    alg: Literal["RS384", "ES384"] = "RS384"
    keys: Annotated[tuple[KeyFile, ...], Field(min_length=1)]
    """While keys are changed there are two: `csor-adapter jwks` prints the public halves of all."""
    active: Text | None = None
    """The `kid` that signs; may be left out where there is one key."""
    audience: Text | None = None
    """`aud` of the assertion; the token URL, unless the server's team says otherwise."""
    jwt_lifetime_s: Annotated[int, Field(ge=30, le=300)] = 240

    @model_validator(mode="after")
    def _one_signs(self) -> Self:
        kids = [each.kid for each in self.keys]
        if len(set(kids)) < len(kids):
            raise ValueError("two keys have the same kid")
        if self.active is None and len(kids) > 1:
            raise ValueError(f"active should say which key signs: {', '.join(kids)}")
        if self.active is not None and self.active not in kids:
            raise ValueError(f"active names no key of the list: {', '.join(kids)}")
        return self


class ClientSecret(_SignIn):
    """A shared secret, where a server knows no signatures (behaviour 3)."""

    method: Literal["client_secret_basic", "client_secret_post"]
    secret: SecretRef


Auth = Annotated[PrivateKeyJwt | ClientSecret, Field(discriminator="method")]
