"""Asks one FHIR server, and no other: the token and the patients' data go to the configured address alone.

Redirects are not followed. What may pass within seconds is tried again with back-off and jitter; the rest flies to the
caller as a SourceError that says what to do.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from adapter.errors import Declined, Halted, NotNow, PagingExpired, SourceError, SourceFault
from adapter.outbound import open_session, retry_after_s
from adapter.sources.fhir_page import issues_of
from adapter.sources.pace import Pace
from adapter.sources.smart_auth import Credentials

_PORTS = {"https": 443, "http": 80}
_CHUNK_BYTES = 64 * 1024
_LONGEST_REFUSAL = 1024 * 1024
# RFC 3986: what a URL is written with. Anything else is read differently by different readers, and so may lead astray.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%|]+")
_BUSY = frozenset({408, 425, 429, 503})
"""RFC 9110 15.5.9 and 15.6.4, RFC 8470 5.2, RFC 6585 4: not now."""
_EXPIRED = frozenset({404, 410})
_MOST_NAMED = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, how much to take, how often to try."""

    connect_s: float = 10.0
    silence_s: float = 60.0
    answer_s: float = 300.0
    """For a whole answer, so that one byte a minute does not hold a search for ever."""
    max_bytes: int = 64 * 1024 * 1024
    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    """What a server wants beyond this is left to the next turn."""


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class FhirServer:
    """One server with its connection kept open; not to be shared between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials,
        pace: Pace,
        limits: Limits | None = None,
        session: requests.Session | None = None,
    ) -> None:
        """`session` as `open_session` makes it; left out, one that trusts the public authorities."""
        self.base_url = base_url.rstrip("/")
        self._origin = _origin(self.base_url)
        self._credentials = credentials
        self._pace = pace
        self._limits = limits or Limits()
        self._session = session or open_session(ca=None, proxy=None)
        self._session.headers["Accept"] = "application/fhir+json"

    def close(self) -> None:
        """Close the kept connection."""
        self._session.close()

    def check_granted(self, resource_type: str) -> None:
        """Declined where the token does not let us read the type: no answer would mean that there is nothing."""
        if not self._credentials.may_read(resource_type):
            text = f"the server has not granted us to read {resource_type}: ask its team for system/{resource_type}.rs"
            raise Declined(SourceFault.NO_SCOPE, text)

    def get(self, url: str, *, read: Callable[[bytes], T], stop: threading.Event, is_link: bool = False) -> T:
        """What `read` makes of the body of a 200. `is_link`: the server gave this address itself.

        Raises NotNow, PagingExpired, Declined, Halted, or what `read` raises; between attempts it waits, unless `stop`
        is set.
        """
        self._check_place(url)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_another),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._limits.attempts), tenacity.stop_when_event_set(stop)
            ),
            wait=self._wait_s,
            sleep=tenacity.sleep_using_event(stop),
            reraise=True,
        )
        return attempts(lambda: read(self._once(url, stop=stop, is_link=is_link)))

    def _check_place(self, url: str) -> None:
        """The same scheme, host and port as the configured address, for us and for the library that will connect."""
        if not _URL.fullmatch(url) or _origin(url) != self._origin or "@" in urlsplit(url).netloc:
            text = "the server's next link leads to another address: nothing was sent there; ask the server's team"
            raise Halted(SourceFault.LINK_ELSEWHERE, text)

    def _is_worth_another(self, error: BaseException) -> bool:
        if not isinstance(error, NotNow) or not error.is_brief:
            return False
        return error.retry_after_s is None or error.retry_after_s <= self._limits.longest_wait_s

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        limits = self._limits
        backed_off = tenacity.wait_exponential_jitter(
            multiplier=limits.first_wait_s, max=limits.longest_wait_s, jitter=limits.first_wait_s
        )(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, NotNow) else None
        return max(backed_off, asked or 0.0)

    def _once(self, url: str, *, stop: threading.Event, is_link: bool) -> bytes:
        answer = self._ask(url, stop)
        if answer.status == 401:
            # Behaviour 5: one new token and the same page once more, and only then give up.
            self._credentials.renew()
            answer = self._ask(url, stop)
        if answer.status == 200:
            return answer.body
        refusal = _refusal(answer, is_link=is_link)
        if isinstance(refusal, NotNow) and refusal.retry_after_s:
            self._pace.leave_alone(refusal.retry_after_s)
        raise refusal

    def _ask(self, url: str, stop: threading.Event) -> _Answer:
        header = self._credentials.header()
        request = self._session.prepare_request(requests.Request("GET", url))
        # The link exactly as given (behaviour 20): a library that writes it more correctly may break a paging token.
        request.url = url
        if header is not None:
            request.headers["Authorization"] = header
        settings = self._session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        times = (self._limits.connect_s, self._limits.silence_s)
        try:
            with (
                self._pace.turn(stop),
                self._session.send(request, allow_redirects=False, timeout=times, **settings) as response,
            ):
                deadline = time.monotonic() + self._limits.answer_s
                return _Answer(response.status_code, response.headers, self._read(response, deadline, stop))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _unanswered(error) from None

    def _read(self, response: requests.Response, deadline: float, stop: threading.Event) -> bytes:
        limit = self._limits.max_bytes if response.status_code == 200 else _LONGEST_REFUSAL
        body = bytearray()
        # What has come, not a whole chunk: a trickle must reach the look at the clock.
        while chunk := response.raw.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                text = f"the answer is longer than {limit} bytes: ask for fewer resources on a page (`count`)"
                raise Declined(SourceFault.TOO_LARGE, text)
            if time.monotonic() > deadline:
                raise NotNow(SourceFault.TOO_SLOW, "the answer trickled in for too long", is_brief=True)
            if stop.is_set():
                raise NotNow(SourceFault.STOPPED, "stopping")
        return bytes(body)


def _refusal(answer: _Answer, *, is_link: bool) -> SourceError:
    """What an answer without a page means."""
    status = answer.status
    said = _said(answer)
    if is_link and status in _EXPIRED:
        return PagingExpired(SourceFault.PAGING_EXPIRED, f"the server answered {status} to its own next link{said}")
    if status in _BUSY:
        wait_s = retry_after_s(answer.headers.get("Retry-After"), now=datetime.now(UTC))
        text = f"the server answered {status}: it asks to be left alone for a while{said}"
        return NotNow(SourceFault.BUSY, text, is_brief=True, retry_after_s=wait_s)
    if status == 401:
        return NotNow(SourceFault.UNAUTHORISED, f"the server takes neither the token nor the one read after it{said}")
    if 300 <= status < 400:
        text = f"the server answered {status}, a redirect, which is never followed: correct base_url"
        return NotNow(SourceFault.REDIRECT, text)
    if status >= 500 and status != 501:
        return NotNow(SourceFault.SERVER_ERROR, f"the server answered {status}{said}", is_brief=True)
    return Declined(SourceFault.REFUSED, f"the server answered {status} to this search{said}")


def _said(answer: _Answer) -> str:
    codes = dict.fromkeys(issue.code for issue in issues_of(answer.body))
    return f" ({', '.join(list(codes)[:_MOST_NAMED])})" if codes else ""


def _unanswered(error: Exception) -> NotNow:
    # The kind of the error, not its text, which may hold the address with what a server wrote into it.
    kind = type(error).__name__
    if isinstance(error, requests.exceptions.SSLError):
        text = f"the server's certificate is not trusted ({kind}): name its authority by `ca`"
        return NotNow(SourceFault.UNREACHABLE, text)
    if isinstance(error, requests.exceptions.ReadTimeout | ReadTimeoutError):
        return NotNow(SourceFault.TOO_SLOW, f"the server fell silent ({kind})", is_brief=True)
    if isinstance(error, HTTPError):  # the head had come
        return NotNow(SourceFault.BROKEN_BODY, f"the answer broke off ({kind})", is_brief=True)
    return NotNow(SourceFault.UNREACHABLE, f"the server cannot be reached ({kind})", is_brief=True)


def _origin(url: str) -> tuple[Any, ...]:
    """Scheme, host and port as the standard library and as the connecting library read them."""
    try:
        ours, theirs = urlsplit(url), parse_url(url)
        ports = ours.port or _PORTS.get(ours.scheme), theirs.port or _PORTS.get(theirs.scheme or "")
    except (ValueError, LocationParseError):
        return ()
    host = (ours.hostname or "").strip("[]").lower(), (theirs.host or "").strip("[]").lower()
    return (ours.scheme.lower(), (theirs.scheme or "").lower(), *host, *ports)
