"""One page of a FHIR search: what is on it, and where the next one is. Pure; each resource keeps its own bytes."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urljoin

import msgspec

from adapter.errors import Declined, NotNow, SourceFault
from adapter.fhir.sorting import CONTEXT_TYPES

_NOTHING = msgspec.Raw(b"null")
# FHIR's issue types and severities, its codes for details, and the numbers of vendors.
_WORD = re.compile(r"[a-z]{2,20}(-[a-z]{2,20}){0,3}|MSG_[A-Z_]{2,40}|[0-9]{1,6}")


class Entry(NamedTuple):
    """One entry that may hold data."""

    raw: bytes
    digest: bytes
    """SHA-256 of the bytes of its resource: the same version of it has the same."""
    updated: datetime | None
    """`meta.lastUpdated` of its resource."""
    name: str = ""
    """`Specimen/123`, as references in other resources end."""
    is_include: bool = False
    """It is there because a match refers to it (behaviour 28)."""
    version: str = ""
    """Name, version and time of change, as `version_of` writes them; empty where it has not all of them."""


class Issue(NamedTuple):
    """What an OperationOutcome tells, as far as it is written in words of a code system."""

    severity: str
    code: str
    """`details.coding.code` (a vendor's number), else `code`."""


class Page(NamedTuple):
    """One page of a searchset."""

    entries: list[Entry]
    next_link: str
    """Resolved against the address of this page; empty on the last one."""
    issues: list[Issue]
    timestamp: str
    """`Bundle.timestamp`."""


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    timestamp: str | None = None
    link: list[_Link] | None = None
    entry: list[msgspec.Raw] | None = None


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    search: _Search | None = None
    resource: msgspec.Raw = _NOTHING


class _Meta(msgspec.Struct):
    versionId: str | None = None
    lastUpdated: str | None = None


class _Resource(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    meta: _Meta | None = None


class _Coding(msgspec.Struct):
    code: str | None = None


class _Details(msgspec.Struct):
    coding: list[_Coding] | None = None


class _Issue(msgspec.Struct):
    severity: str = ""
    code: str = ""
    details: _Details | None = None


class _Outcome(msgspec.Struct):
    issue: list[_Issue] | None = None


_BUNDLE = msgspec.json.Decoder(_Bundle)
_ENTRY = msgspec.json.Decoder(_Entry)
_RESOURCE = msgspec.json.Decoder(_Resource)
_OUTCOME = msgspec.json.Decoder(_Outcome)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_page(body: bytes, *, url: str) -> Page:
    """The page that was got from `url`.

    NotNow where it cannot be read: a proxy, or a server in trouble, said it. Declined where it is another resource.
    """
    try:
        bundle = _BUNDLE.decode(body)
    except _UNREADABLE as error:
        fault = SourceFault.NOT_A_SEARCHSET if isinstance(error, msgspec.ValidationError) else SourceFault.BROKEN_BODY
        raise NotNow(fault, "the answer cannot be read as a FHIR Bundle", is_brief=True) from None
    if bundle.resourceType != "Bundle":
        said = ", ".join(issue.code for issue in issues_of(body))
        text = "the answer is no FHIR Bundle" + (f" but an OperationOutcome: {said}" if said else "")
        raise Declined(SourceFault.NOT_A_SEARCHSET, text)
    entries: list[Entry] = []
    issues: list[Issue] = []
    for raw in bundle.entry or []:
        _sort_in(bytes(raw), entries, issues)
    link = next((link.url for link in bundle.link or [] if link.relation == "next" and link.url), "")
    return Page(entries, _resolved(url, link) if link else "", issues, bundle.timestamp or "")


def _resolved(url: str, link: str) -> str:
    """RFC 3986 section 5: a relative link is meant from the page it stands on (behaviour 20)."""
    try:
        return urljoin(url, link)
    except ValueError:  # no address at all; who would follow it says so
        return link


def _sort_in(raw: bytes, entries: list[Entry], issues: list[Issue]) -> None:
    """An entry that cannot be read goes on as data: the pipeline keeps it for a person."""
    try:
        entry = _ENTRY.decode(raw)
    except _UNREADABLE:
        entries.append(Entry(raw, sha256(raw).digest(), None))
        return
    resource = bytes(entry.resource)
    if resource == b"null":
        return
    mode = entry.search.mode if entry.search else None
    try:
        head = _RESOURCE.decode(resource)
    except _UNREADABLE:
        head = _Resource()
    if mode == "outcome" or head.resourceType == "OperationOutcome":
        issues.extend(issues_of(resource))
        return
    updated = _instant(head.meta.lastUpdated) if head.meta and head.meta.lastUpdated else None
    name = f"{head.resourceType}/{head.id}" if head.id else ""
    version = version_of(name, head.meta.versionId, head.meta.lastUpdated) if name and head.meta else ""
    entries.append(Entry(raw, sha256(resource).digest(), updated, name, mode == "include", version))


def version_of(name: str, version_id: object, last_updated: object) -> str:
    """What is equal only for one version of one resource of a server; empty where that cannot be said."""
    if not (isinstance(version_id, str) and version_id and isinstance(last_updated, str) and last_updated):
        return ""
    return f"{name}|{version_id}|{last_updated}"


def issues_of(body: bytes) -> list[Issue]:
    """The issues of an OperationOutcome; none where the bytes are something else. Free text is left out."""
    try:
        outcome = _OUTCOME.decode(body)
    except _UNREADABLE:
        return []
    return [Issue(_word(issue.severity), _code(issue)) for issue in outcome.issue or []]


def _code(issue: _Issue) -> str:
    codings = (issue.details.coding if issue.details else None) or []
    return next((_word(coding.code) for coding in codings if coding.code), "") or _word(issue.code)


def _word(text: str) -> str:
    """A server may write a patient's name anywhere; nothing of that form is a code."""
    return text if _WORD.fullmatch(text) else "other"


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def to_keep(entries: Sequence[Entry], known: Collection[bytes]) -> list[Entry]:
    """Each resource that is not in already, once; what refers to a new part of it; and what all those refer to.

    A result without its new sample would go on with the old one, or with none.
    """
    fresh = {entry.digest: entry for entry in entries if entry.digest not in known}
    changed = [entry for entry in fresh.values() if entry.is_include and _is_part(entry)]
    while changed:
        names = [f'{entry.name}"'.encode() for entry in changed]
        others = [entry for entry in entries if entry.digest not in fresh]
        found = [entry for entry in others if any(name in entry.raw for name in names)]
        fresh.update((entry.digest, entry) for entry in found)
        changed = [entry for entry in found if _is_part(entry)]
    waiting = [entry for entry in entries if entry.is_include and entry.name and entry.digest not in fresh]
    reading = list(fresh.values())
    while reading and waiting:
        text = b"".join(entry.raw for entry in reading)
        reading = [entry for entry in waiting if f'{entry.name}"'.encode() in text]
        fresh.update((entry.digest, entry) for entry in reading)
        waiting = [entry for entry in waiting if entry.digest not in fresh]
    return list(fresh.values())


def _is_part(entry: Entry) -> bool:
    """Whether rows of others are made with it."""
    return entry.name.partition("/")[0] in CONTEXT_TYPES


def body_of(entries: Sequence[Entry], *, timestamp: str) -> bytes:
    """What goes to the inbox: these entries as they came, in a Bundle whose bytes depend on nothing else.

    So a page that is got again is known as the same. `Bundle.timestamp` is the clock of what has none of its own.
    """
    when = b""
    if timestamp and any(entry.updated is None for entry in entries):
        when = b'"timestamp":' + msgspec.json.encode(timestamp) + b","
    inner = b",".join(entry.raw for entry in entries)
    return b'{"resourceType":"Bundle","type":"searchset",' + when + b'"entry":[' + inner + b"]}"
