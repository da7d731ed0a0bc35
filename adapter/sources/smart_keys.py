"""Keys by which we sign in at a FHIR server, and what we show of them: their public halves.

SMART Backend Services (HL7 FHIR SMART App Launch 2.2, "Client Authentication: Asymmetric"): RS384 or ES384.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeyParameters, KeySet, RSAKey

from adapter.errors import SetupError

Algorithm = Literal["RS384", "ES384"]
LONGEST_LIFE_S = 300
"""Of an assertion (SMART: no more than five minutes)."""
_LEAST_RSA_BITS = 2048


class SigningKey(NamedTuple):
    """A private key and the name under which the server knows its public half."""

    kid: str
    algorithm: Algorithm
    key: RSAKey | ECKey


def read_key(pem: bytes, *, kid: str, algorithm: Algorithm) -> SigningKey:
    """A private key in PEM without pass phrase; SetupError, which never holds a part of it, where it cannot be used."""
    kind: type[RSAKey] | type[ECKey] = RSAKey if algorithm == "RS384" else ECKey
    known: KeyParameters = {"kid": kid, "alg": algorithm, "use": "sig"}
    try:
        key = kind.import_key(pem, known)
    except (JoseError, ValueError, TypeError) as error:
        text = f"the key {kid} is no private key for {algorithm} in PEM without pass phrase ({type(error).__name__})"
        raise SetupError(text) from None
    if not key.is_private:
        raise SetupError(f"the key {kid} is only the public half; the private key is needed to sign")
    if isinstance(key, ECKey) and key.curve_name != "P-384":
        raise SetupError(f"the key {kid} is on the curve {key.curve_name}; ES384 needs P-384")
    if isinstance(key, RSAKey) and key.raw_value.key_size < _LEAST_RSA_BITS:
        raise SetupError(f"the key {kid} has {key.raw_value.key_size} bits; a server takes {_LEAST_RSA_BITS} or more")
    return SigningKey(kid, algorithm, key)


def jwks(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The public halves as a JSON Web Key Set (RFC 7517); never a private member."""
    found = KeySet([each.key for each in keys]).as_dict(private=False)
    return {"keys": [{name: value for name, value in each.items() if name in _PUBLIC} for each in found["keys"]]}


_PUBLIC = frozenset({"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"})


def assertion(key: SigningKey, *, client_id: str, audience: str, now: datetime, life_s: int, jti: str) -> str:
    """What says who we are, signed; good for one use and `life_s` seconds."""
    issued = int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": issued,
        "exp": issued + min(life_s, LONGEST_LIFE_S),
        "jti": jti,
    }
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, claims, key.key, algorithms=[key.algorithm])
