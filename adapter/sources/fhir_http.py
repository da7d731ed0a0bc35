"""Asks one FHIR server, and no other: the token and the patients' data go to the configured address alone.

Redirects are not followed. What may pass within seconds is tried again with back-off and jitter; the rest flies to the
caller as a SourceError that says what to do.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import requests
import tenacity
from urllib3.exceptions import HTTPError

from adapter.errors import Declined, NotNow, SourceFault
from adapter.outbound import open_session
from adapter.sources.fhir_outcomes import Outcomes
from adapter.sources.fhir_page import Entry, Page, read_page, read_resource
from adapter.sources.fhir_places import Places
from adapter.sources.fhir_refusal import Answer, is_nothing, refusal, unanswered
from adapter.sources.fhir_request import Request, read
from adapter.sources.pace import Pace
from adapter.sources.smart_auth import Credentials

_CHUNK_BYTES = 64 * 1024
_LONGEST_REFUSAL = 1024 * 1024
_NO_RULES = Outcomes()

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What its answers mean, and where its links may lead."""

    outcomes: Outcomes = _NO_RULES
    allowed_hosts: Collection[str] = ()


class Stream:
    """An answer whose body has not been read yet."""

    def __init__(
        self, response: requests.Response, *, limit: int, deadline: float | None, stop: threading.Event
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._raw = response.raw
        self._limit = limit
        self._deadline = deadline
        self._stop = stop

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. NotNow where it breaks off, trickles for too long, or we are to stop."""
        try:
            # What has come, not a whole chunk: a trickle must reach the look at the clock.
            while chunk := self._raw.read1(_CHUNK_BYTES):
                yield chunk
                if self._deadline is not None and time.monotonic() > self._deadline:
                    raise NotNow(SourceFault.TOO_SLOW, "the answer trickled in for too long", is_brief=True)
                if self._stop.is_set():
                    raise NotNow(SourceFault.STOPPED, "stopping")
        except (requests.RequestException, HTTPError, OSError) as error:
            raise unanswered(error) from None

    def body(self) -> bytes:
        """The whole. Declined where it is too long for one page."""
        found = bytearray()
        for chunk in self.chunks():
            found += chunk
            if len(found) > self._limit:
                text = f"the answer is longer than {self._limit} bytes: ask for fewer resources on a page (`count`)"
                raise Declined(SourceFault.TOO_LARGE, text)
        return bytes(found)


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
        rules: Answers | None = None,
    ) -> None:
        """`session` as `open_session` makes it; left out, one that trusts the public authorities."""
        rules = rules or Answers()
        self.base_url = base_url.rstrip("/")
        self.outcomes = rules.outcomes
        self._places = Places(self.base_url, rules.allowed_hosts)
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

    def page(self, request: Request, stop: threading.Event) -> Page:
        """One page of a search; see `ask`."""
        reading = partial(read_page, url=request.url, outcomes=self.outcomes, is_link=request.is_link)
        return self.ask(request, read=reading, stop=stop)

    def resource(self, name: str, stop: threading.Event) -> Entry:
        """One resource by its name, `Patient/123`; see `ask`."""
        request = read(self.base_url, name)
        reading = partial(read_resource, name=name, url=request.url, outcomes=self.outcomes)
        return self.ask(request, read=reading, stop=stop)

    def get(self, url: str, *, read: Callable[[bytes], T], stop: threading.Event, is_link: bool = False) -> T:
        """As `ask`, by GET."""
        return self.ask(Request(url, is_link=is_link), read=read, stop=stop)

    def ask(self, request: Request, *, read: Callable[[bytes], T], stop: threading.Event) -> T:
        """What `read` makes of the body of a 200, or of an outcome that says that nothing was found.

        Raises NotNow, PagingExpired, Declined, Halted, or what `read` raises; between attempts it waits, unless `stop`
        is set.
        """
        self._places.is_home(request.url)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_another),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._limits.attempts), tenacity.stop_when_event_set(stop)
            ),
            wait=self._wait_s,
            sleep=tenacity.sleep_using_event(stop),
            reraise=True,
        )
        return attempts(lambda: read(self._once(request, stop)))

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

    def _once(self, request: Request, stop: threading.Event) -> bytes:
        with self._exchange(request, stop, has_token=True, is_timed=True) as stream:
            answer = Answer(stream.status, stream.headers, stream.body())
        if answer.status == 200 or is_nothing(answer, self.outcomes):
            return answer.body
        error = refusal(answer, request=request, outcomes=self.outcomes, now=datetime.now(UTC))
        if isinstance(error, NotNow) and error.retry_after_s:
            self._pace.leave_alone(error.retry_after_s)
        raise error

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        stop: threading.Event,
        body: bytes | None = None,
        with_token: bool = True,
    ) -> AbstractContextManager[Stream]:
        """One request and its answer, whatever its status, streamed for as long as something comes; a 401 once more.

        No token goes to another host than the configured one, whoever asks for it (behaviour 10). Halted where a host
        is not allowed at all.
        """
        return self._exchange(Request(url, method, headers, body), stop, has_token=with_token)

    @contextmanager
    def _exchange(
        self, request: Request, stop: threading.Event, *, has_token: bool, is_timed: bool = False
    ) -> Iterator[Stream]:
        has_token = self._places.is_home(request.url) and has_token
        with self._sent(request, stop, has_token=has_token, is_timed=is_timed) as stream:
            if stream.status != 401 or not has_token:
                yield stream
                return
        # Behaviour 5: one new token and the same page once more, and only then give up.
        self._credentials.renew()
        with self._sent(request, stop, has_token=has_token, is_timed=is_timed) as stream:
            yield stream

    @contextmanager
    def _sent(self, request: Request, stop: threading.Event, *, has_token: bool, is_timed: bool) -> Iterator[Stream]:
        header = self._credentials.header() if has_token else None
        prepared = self._prepared(request, header)
        if has_token:
            prepared.headers.update(self._credentials.beside())
        settings = self._session.merge_environment_settings(request.url, {}, stream=True, verify=None, cert=None)
        if not self._places.is_home(request.url):
            settings["cert"] = None
        times = (self._limits.connect_s, self._limits.silence_s)
        with self._pace.turn(stop):
            try:
                response = self._session.send(prepared, allow_redirects=False, timeout=times, **settings)
            except (requests.RequestException, HTTPError, OSError) as error:
                raise unanswered(error) from None
            limit = self._limits.max_bytes if response.status_code == 200 else _LONGEST_REFUSAL
            deadline = time.monotonic() + self._limits.answer_s if is_timed else None
            with response:
                yield Stream(response, limit=limit, deadline=deadline, stop=stop)

    def _prepared(self, request: Request, header: str | None) -> requests.PreparedRequest:
        asked = requests.Request(request.method, request.url, headers=dict(request.headers), data=request.body)
        prepared = self._session.prepare_request(asked)
        # The link exactly as given (behaviour 20): a library that writes it more correctly may break a paging token.
        prepared.url = request.url
        if header is not None:
            prepared.headers["Authorization"] = header
        return prepared
