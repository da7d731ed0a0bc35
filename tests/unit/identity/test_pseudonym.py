"""Keyed pseudonyms."""

import hashlib
import hmac

import pytest

from adapter.identity import pseudonym

KEY = bytes(range(32))


def test_a_pseudonym_has_at_least_128_bits_and_is_the_same_each_time() -> None:
    made = pseudonym(KEY, domain="csor:v1", parts=["nhs", "9990000018"])
    assert made == pseudonym(KEY, domain="csor:v1", parts=["nhs", b"9990000018"])
    assert len(made) * 5 >= 128
    assert made.isalnum()
    assert "999" not in made


def test_key_domain_and_parts_all_count_and_parts_cannot_run_together() -> None:
    made = {
        pseudonym(KEY, domain="a", parts=["bc", "d"]),
        pseudonym(KEY, domain="a", parts=["b", "cd"]),
        pseudonym(KEY, domain="ab", parts=["c", "d"]),
        pseudonym(KEY, domain="a", parts=["bcd"]),
        pseudonym(KEY[::-1], domain="a", parts=["bc", "d"]),
    }
    assert len(made) == 5


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        pseudonym(b"short", domain="a", parts=[])


def test_it_is_plain_hmac_sha_256() -> None:
    import base64

    mac = hmac.new(KEY, b"\0\0\0\1a\0\0\0\2bc", hashlib.sha256).digest()
    assert pseudonym(KEY, domain="a", parts=["bc"]) == base64.b32encode(mac[:20]).decode().lower()
