"""What it means where a FHIR server does not give what it was asked for: when to ask again, or what to do instead."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from adapter.errors import Declined, NotNow, SourceError, SourceFault
from adapter.outbound import retry_after_s
from adapter.sources.fhir_outcomes import LONGEST_TOLD, Action, Issue, Outcomes, issues_of
from adapter.sources.fhir_request import Request

_BUSY = frozenset({408, 425, 429, 503})
"""RFC 9110 15.5.9 and 15.6.4, RFC 8470 5.2, RFC 6585 4: not now."""
_MEANT = {403: SourceFault.DENIED, 404: SourceFault.NOT_FOUND, 410: SourceFault.GONE}
_PATIENT = "/Patient/"
_MOST_NAMED = 3


class Answer(NamedTuple):
    """What came, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_nothing(answer: Answer, outcomes: Outcomes) -> bool:
    """Whether an error only says that nothing was found."""
    return outcomes.ruled(issues_of(answer.body))[0] is Action.NOTHING_FOUND


def refusal(answer: Answer, *, request: Request, outcomes: Outcomes, now: datetime) -> SourceError:
    """What to raise after an answer that is not the one that was asked for."""
    issues = issues_of(answer.body)
    error = _by_code(issues, outcomes) or _by_status(answer, request, issues, outcomes=outcomes, now=now)
    survivor = _survivor(answer, request)
    if survivor and error.fault in (SourceFault.MERGED, SourceFault.REDIRECT):
        # Never followed: the survivor's data under the id of who was merged into them would be the wrong child's.
        code = error.code if isinstance(error, Declined) else f"http-{answer.status}"
        error = Declined(SourceFault.MERGED, str(error), code=code, survivor=survivor)
    error.told = answer.body[:LONGEST_TOLD] if issues else b""
    return error


def _by_code(issues: list[Issue], outcomes: Outcomes) -> SourceError | None:
    action, code = outcomes.ruled(issues)
    if action is Action.MARK_INCOMPLETE:
        return Declined(SourceFault.INCOMPLETE, f"the server says ({code}) that it does not show all", code=code)
    return outcomes.ending(issues)


def _by_status(
    answer: Answer, request: Request, issues: list[Issue], *, outcomes: Outcomes, now: datetime
) -> SourceError:
    status, said = answer.status, _said(issues)
    if request.is_link and outcomes.has_expired(issues, status=status):
        return outcomes.expiry(f"the server answered {status} to its own next link{said}")
    if status in _BUSY:
        wait_s = retry_after_s(answer.headers.get("Retry-After"), now=now)
        text = f"the server answered {status}: it asks to be left alone for a while{said}"
        return NotNow(SourceFault.BUSY, text, is_brief=True, retry_after_s=wait_s)
    if status == 401:
        return NotNow(SourceFault.UNAUTHORISED, f"the server takes neither the token nor the one read after it{said}")
    if 300 <= status < 400:
        text = f"the server answered {status}, a redirect, which is never followed: correct base_url"
        return NotNow(SourceFault.REDIRECT, text)
    if status >= 500 and status != 501:
        return NotNow(SourceFault.SERVER_ERROR, f"the server answered {status}{said}", is_brief=True)
    fault = _MEANT.get(status, SourceFault.REFUSED)
    code = issues[0].code if issues else f"http-{status}"
    return Declined(fault, f"the server answered {status} to this request{said}", code=code)


def _said(issues: list[Issue]) -> str:
    codes = dict.fromkeys(issue.code for issue in issues)
    return f" ({', '.join(list(codes)[:_MOST_NAMED])})" if codes else ""


def _survivor(answer: Answer, request: Request) -> str:
    """The id that the answer to a read of a Patient leads on to; empty where it leads anywhere else."""
    base, found, asked = request.url.rpartition(_PATIENT)
    if request.is_search or not found or not 300 <= answer.status < 400:
        return ""
    try:
        target = urljoin(request.url, answer.headers.get("Location", ""))
    except ValueError:
        return ""
    identity = target.removeprefix(base + _PATIENT)
    return identity if identity not in (target, asked) and identity and not set(identity) & set("/?#") else ""


def unanswered(error: Exception) -> NotNow:
    """What to raise where no answer came, or not the whole of it."""
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
