"""Keyed pseudonyms: without the key nobody can go through all ten-digit numbers and find the child."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

_LENGTH_BYTES = 20
"""160 bits: 32 characters of base32 without padding."""


def pseudonym(key: bytes, *, domain: str, parts: Iterable[str | bytes]) -> str:
    """HMAC-SHA-256 in base32. The domain keeps pseudonyms of different use apart; parts cannot run into each other."""
    if len(key) < 16:
        raise ValueError("a pseudonym key has at least 16 bytes")
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in (domain, *parts):
        raw = part.encode() if isinstance(part, str) else part
        mac.update(len(raw).to_bytes(4, "big") + raw)
    return base64.b32encode(mac.digest()[:_LENGTH_BYTES]).decode().lower()
