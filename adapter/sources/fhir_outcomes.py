"""What an OperationOutcome of a FHIR server means, in a page, in place of one or in an error, by its vendor's codes.

Pure. Free text of a server never leaves here: it may name a patient.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from adapter.errors import Declined, PagingExpired, SourceError, SourceFault
from adapter.fhir.issues import SEVERITIES, is_code

_OTHER = "other"
LONGEST_TOLD = 64 * 1024
"""Of what a server writes about an error, this much is kept."""
_HARMLESS = frozenset({"information", "success"})


class Action(StrEnum):
    """What is done about an issue; the words of `outcome_rules`."""

    MARK_INCOMPLETE = "mark-incomplete"
    PERSON = "person"
    PAUSE_UNTIL_TOMORROW = "pause-until-tomorrow"
    IGNORED_PARAMETER = "ignored-parameter"
    NOTHING_FOUND = "nothing-found"
    RESTART_SEARCH = "restart-search"
    MERGED = "merged"
    DELETED = "deleted"
    IGNORE = "ignore"


# FHIR R4, value set issue-type: what these say of a searchset needs no vendor's rule.
_STANDARD = {
    "incomplete": Action.MARK_INCOMPLETE,
    "suppressed": Action.MARK_INCOMPLETE,
    "not-supported": Action.IGNORED_PARAMETER,
}
_ENDS = {
    Action.PERSON: SourceFault.PERSON,
    Action.PAUSE_UNTIL_TOMORROW: SourceFault.PAUSED,
    Action.MERGED: SourceFault.MERGED,
    Action.DELETED: SourceFault.GONE,
}
"""After these there is nothing to be had of what was asked for."""


class Issue(NamedTuple):
    """What an OperationOutcome tells, as far as it is written in words of a code system."""

    severity: str
    code: str
    """`details.coding.code` (a vendor's number), else `code`."""
    codes: tuple[str, ...] = ()
    """All of them."""


class Judged(NamedTuple):
    """What the issues on a page say of it."""

    incomplete: tuple[str, ...] = ()
    """Codes by which the server says that it does not show all."""
    ignored: tuple[str, ...] = ()
    """Codes by which it says that it did not use a parameter."""
    unknown: tuple[str, ...] = ()
    """Codes that no rule names."""


class _Coding(msgspec.Struct):
    code: str | None = None


class _Details(msgspec.Struct):
    coding: list[_Coding] | None = None


class _Issue(msgspec.Struct):
    severity: str = ""
    code: str = ""
    details: _Details | None = None


class _Outcome(msgspec.Struct):
    resourceType: str = ""
    issue: list[_Issue] | None = None


_OUTCOME = msgspec.json.Decoder(_Outcome)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def issues_of(body: bytes) -> list[Issue]:
    """The issues of an OperationOutcome; none where the bytes are something else. Free text is left out."""
    try:
        outcome = _OUTCOME.decode(body)
    except _UNREADABLE:
        return []
    return [_issue(issue) for issue in outcome.issue or []]


def _issue(issue: _Issue) -> Issue:
    codings = (issue.details.coding if issue.details else None) or []
    codes = [*(_word(coding.code) for coding in codings if coding.code), _word(issue.code)]
    severity = issue.severity if issue.severity in SEVERITIES else _OTHER
    return Issue(severity, codes[0], tuple(dict.fromkeys(codes)))


def _word(text: str) -> str:
    """A server may write a patient's name anywhere, in small letters too."""
    return text if is_code(text) else _OTHER


class Outcomes:
    """What one server's codes mean."""

    def __init__(
        self,
        rules: Iterable[tuple[str, Action]] = (),
        *,
        expired: Collection[str] = ("http-404", "http-410"),
        is_restarted: bool = True,
    ) -> None:
        """Of two rules for a code the first one counts. `expired`: what says of a next link that it has expired."""
        self._actions: dict[str, Action] = {}
        for code, action in rules:
            self._actions.setdefault(code, action)
        self._expired = frozenset(expired)
        self._is_restarted = is_restarted

    def has_expired(self, issues: Sequence[Issue], *, status: int) -> bool:
        """Whether this, in answer to a next link, says that links lead nowhere any more."""
        return f"http-{status}" in self._expired or any(code in self._expired for one in issues for code in one.codes)

    def expiry(self, text: str) -> SourceError:
        """What to raise then."""
        return (PagingExpired if self._is_restarted else Declined)(SourceFault.PAGING_EXPIRED, text)

    def ruled(self, issues: Sequence[Issue]) -> tuple[Action | None, str]:
        """The first action that a rule of the vendor names for any of these, and its code."""
        for issue in issues:
            for code in issue.codes:
                if code in self._actions:
                    return self._actions[code], code
        return None, ""

    def ending(self, issues: Sequence[Issue]) -> SourceError | None:
        """What to raise where one of these leaves nothing to be had."""
        for issue in issues:
            action, code = self.ruled([issue])
            if action is Action.RESTART_SEARCH:
                return self.expiry(f"the server says ({code}) that the search has to begin again")
            if action in _ENDS:
                fault = _ENDS[action]
                return Declined(fault, f"the server says ({code}) that this is {fault.value}", code=code)
        return None

    def judged(self, issues: Sequence[Issue]) -> Judged:
        """Of a page that is there."""
        incomplete, ignored, unknown = [], [], []
        for issue in issues:
            action, code = self.ruled([issue])
            if action is None:
                code = issue.code
                action = next((_STANDARD[one] for one in issue.codes if one in _STANDARD), None)
            if action is Action.MARK_INCOMPLETE:
                incomplete.append(code)
            elif action is Action.IGNORED_PARAMETER:
                ignored.append(code)
            elif action is None and issue.severity not in _HARMLESS:
                unknown.append(code)
        return Judged(tuple(incomplete), tuple(ignored), tuple(unknown))
