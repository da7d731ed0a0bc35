"""Faults of a FHIR server for tests: which request they hit, and what they make of its answer.

An effect is a function from the answer that would have been given to the one that is.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from adapter.simulator.fhir_outcomes import outcome

Interaction = Literal["metadata", "read", "search", "page", "export", "export-status", "export-file", "export-delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked, as far as a fault can choose by it."""

    interaction: Interaction
    """`search` is the first page of one, `page` a later one."""
    resource_type: str
    page: int
    """From 1; 0 where it is no search."""
    url: str
    query: str
    is_authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What will be sent, and how well."""

    status: int = 200
    content: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    again: str = ""
    """Of a page: a fresh link to the same page."""
    sent_share: float = 1
    """The connection is closed after this share of the body."""
    pause_s: float = 0
    """Before the second half of the body."""
    is_dropped: bool = False
    """The connection is closed without an answer."""


Effect = Callable[[Request, Answer], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An effect, and which requests it hits. What is left empty matches all."""

    effect: Effect
    resource_type: str = ""
    interactions: tuple[Interaction, ...] = ("search", "page")
    page: int | None = None
    skip: int = 0
    """So many requests that match go unharmed first."""
    times: int | None = 1
    """None: for ever."""

    def matches(self, request: Request) -> bool:
        """Whether the request is one of those."""
        return (
            self.resource_type in {"", request.resource_type}
            and request.interaction in self.interactions
            and self.page in {None, request.page}
        )


class Faults:
    """The faults in force; may be changed while the server runs."""

    def __init__(self, *faults: Fault) -> None:
        self._lock = threading.Lock()
        self._faults: list[list[Any]] = []
        self.hits = 0
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """From the next request on."""
        with self._lock:
            self._faults.extend([fault, 0] for fault in faults)

    def clear(self) -> None:
        """From now on all goes well."""
        with self._lock:
            self._faults.clear()

    def applied(self, request: Request, answer: Answer) -> Answer:
        """The answer after all faults that hit."""
        for effect in self._effects(request):
            answer = effect(request, answer)
        return answer

    def _effects(self, request: Request) -> list[Effect]:
        hit = []
        with self._lock:
            for entry in self._faults:
                fault, seen = entry
                if fault.matches(request):
                    entry[1] += 1
                    if seen >= fault.skip and (fault.times is None or seen < fault.skip + fault.times):
                        hit.append(fault.effect)
            self.hits += len(hit)
        return hit


def status(number: int, *, code: str = "transient", headers: Mapping[str, str] | None = None) -> Effect:
    """An error with an OperationOutcome instead of the answer: 500, 503, 403, 410 on a link …"""
    return lambda _, answer: replace(
        answer, status=number, content=outcome(code, f"simulated {number}"), headers=headers or {}
    )


def too_many(*, retry_after: str = "") -> Effect:
    """429; `retry_after` is seconds or an HTTP date."""
    return status(429, code="throttled", headers={"Retry-After": retry_after} if retry_after else {})


def unauthorised() -> Effect:
    """The token has expired in between."""
    return status(401, code="login", headers={"WWW-Authenticate": "Bearer"})


def expired_link() -> Effect:
    """The paging session is gone."""
    return status(410, code="expired")


def truncated(*, share: float = 0.5) -> Effect:
    """The connection breaks in the middle of the body."""
    return lambda _, answer: replace(answer, sent_share=share)


def slow(*, pause_s: float) -> Effect:
    """The second half of the body comes late."""
    return lambda _, answer: replace(answer, pause_s=pause_s)


def dropped() -> Effect:
    """The connection breaks before any answer."""
    return lambda _, answer: replace(answer, is_dropped=True)


def redirected(*, to: str) -> Effect:
    """A redirect, perhaps to another host; what was asked for is appended."""
    return lambda request, answer: replace(
        answer, status=307, content=outcome("informational", "moved"), headers={"Location": f"{to}{request.url}"}
    )


def next_link(url: str) -> Effect:
    """A next link that leads to another host, say."""
    return lambda _, answer: _with_next(answer, url)


def endless_next() -> Effect:
    """The next link is the one that was followed."""
    return lambda request, answer: _with_next(answer, request.url)


def page_again() -> Effect:
    """The next link leads to the same page once more, under a fresh link."""
    return lambda _, answer: _with_next(answer, answer.again)


def with_entry(resource: Mapping[str, Any], *, mode: str = "match") -> Effect:
    """One entry more: another patient's, an invalid one, an OperationOutcome of mode `outcome`."""
    entry = {"resource": dict(resource), "search": {"mode": mode}}
    return lambda _, answer: _with(answer, entry=[*answer.content.get("entry", ()), entry])


def empty_page() -> Effect:
    """No entry, though links and total stay."""
    return lambda _, answer: _with(answer, entry=[])


def wrong_total(total: int) -> Effect:
    """A total that is not true."""
    return lambda _, answer: _with(answer, total=total)


def outcome_instead(code: str = "informational") -> Effect:
    """200 with an OperationOutcome where a Bundle belongs."""
    return lambda _, answer: replace(answer, content=outcome(code, "no Bundle today", severity="warning"))


def _with(answer: Answer, **elements: object) -> Answer:
    return replace(answer, content={**answer.content, **elements})


def _with_next(answer: Answer, url: str) -> Answer:
    links = [link for link in answer.content.get("link", ()) if link["relation"] != "next"]
    return _with(answer, link=[*links, {"relation": "next", "url": url}])
