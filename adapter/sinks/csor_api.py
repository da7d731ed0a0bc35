"""Sends one batch to CSOR over HTTPS.

The one hard question after a failure is whether CSOR may have the batch. The line drawn here: not one byte of the body
was handed to the connection, so it surely has not (TryLater); any byte was, and no whole answer came back, so it may
(Unsure). This holds for every kind of failure, since the kind alone does not tell: with TLS 1.3 even a refused client
certificate shows only after the request was sent.
"""

import io
import ipaddress
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests

from adapter.errors import SetupError, TryLater, Unsure
from adapter.outbound import open_session
from adapter.sinks.answers import judge
from adapter.sinks.receipt import Receipt

LONGEST_ANSWER = 1024 * 1024
"""A receipt is a few hundred bytes, and a refusal names a thousand rows at most; more is not CSOR speaking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for each part."""

    connect_s: float = 10.0
    silence_s: float = 60.0
    """Between two reads; a batch of a thousand rows is applied well within it."""
    answer_s: float = 120.0
    """For the whole answer, so that one byte a minute does not hold a delivery for ever."""


class AnswerTooLong(OSError):
    """More came back than CSOR ever says."""


class AnswerTooSlow(OSError):
    """The answer trickled in for longer than `answer_s`."""


class CsorApi:
    """One destination with its connection kept open; not to be shared between threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: Path | None = None,
        proxy: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`url` is the address of the receiver without `/v1/batches`; `ca` replaces the public authorities."""
        _check_url(url)
        self._endpoint = url.rstrip("/") + "/v1/batches"
        self._timeouts = timeouts or Timeouts()
        self._session = open_session(ca=ca, proxy=proxy)
        self._session.headers.update({"Content-Type": "application/json", "Accept": "application/json"})
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the kept connection."""
        self._session.close()

    def deliver(self, batch: bytes, *, idempotency_key: str) -> Receipt:
        """Send the bytes as they are. Raises TryLater, Unsure or Refused (see adapter.errors)."""
        body = _WatchedBody(batch)
        try:
            status, headers, answer = self._post(body, idempotency_key)
        except (requests.RequestException, OSError) as error:
            raise _undelivered(error, body) from error
        return judge(
            status=status, headers=headers, body=answer, idempotency_key=idempotency_key, now=datetime.now(UTC)
        )

    def _post(self, body: "_WatchedBody", key: str) -> tuple[int, requests.structures.CaseInsensitiveDict[str], bytes]:
        deadline = time.monotonic() + self._timeouts.answer_s
        with self._session.post(
            self._endpoint,
            data=body,
            headers={"Idempotency-Key": key},
            timeout=(self._timeouts.connect_s, self._timeouts.silence_s),
            allow_redirects=False,
            stream=True,
        ) as response:
            return response.status_code, response.headers, _read(response, deadline=deadline)


class _WatchedBody(io.BytesIO):
    """The batch, and whether the connection has begun to take it."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


def _undelivered(error: Exception, body: _WatchedBody) -> TryLater | Unsure:
    # The kind of the error, not its text, which may hold the credentials of a proxy.
    kind = type(error).__name__
    if body.begun:
        return Unsure(f"CSOR gave no whole answer after the batch was sent ({kind})")
    return TryLater(f"CSOR could not be reached, nothing was sent ({kind})")


def _read(response: requests.Response, *, deadline: float) -> bytes:
    """The body of the answer. Where the status alone decides, a broken body does not matter."""
    answer = bytearray()
    try:
        for chunk in response.iter_content(8192):
            answer += chunk
            if len(answer) > LONGEST_ANSWER:
                raise AnswerTooLong
            if time.monotonic() > deadline:
                raise AnswerTooSlow
    except (requests.RequestException, OSError):
        if response.status_code == 200:
            raise
    return bytes(answer)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise SetupError("sink url: write https://HOST[:PORT] of the receiver, without query or fragment")
    if parts.username is not None or parts.password is not None:
        raise SetupError("sink url: credentials do not belong here, use `token`")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise SetupError("sink url: http is for loopback only, the batch and its token would be readable on the way")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
