"""One page of a FHIR search: what is on it, and where the next one is. Pure; each resource keeps its own bytes."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec

from adapter.errors import Declined, NotNow, SourceFault
from adapter.fhir.sorting import CONTEXT_TYPES
from adapter.sources.fhir_outcomes import LONGEST_TOLD, Action, Issue, Outcomes, issues_of

_NOTHING = msgspec.Raw(b"null")
_NO_RULES = Outcomes()


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


class Page(NamedTuple):
    """One page of a searchset."""

    entries: list[Entry]
    next_link: str
    """Resolved against the address of this page; empty on the last one."""
    issues: list[Issue]
    timestamp: str
    """`Bundle.timestamp`."""
    incomplete: tuple[str, ...] = ()
    """Codes by which the server says that it does not show all (behaviour 27)."""
    ignored: tuple[str, ...] = ()
    """Codes by which it says that it did not use a parameter (behaviour 26)."""
    unknown: tuple[str, ...] = ()
    """Codes that nobody has said the meaning of."""
    used: frozenset[str] = frozenset()
    """Parameters that its link to itself names: those that the server has used (FHIR R4, section 3.1.1.2.3)."""
    told: bytes = b""
    """The outcomes by which the server says that it does not show all, word for word."""


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


_BUNDLE = msgspec.json.Decoder(_Bundle)
_ENTRY = msgspec.json.Decoder(_Entry)
_RESOURCE = msgspec.json.Decoder(_Resource)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_page(body: bytes, *, url: str, outcomes: Outcomes = _NO_RULES, is_link: bool = False) -> Page:
    """The page that was got from `url`.

    NotNow where it cannot be read: a proxy, or a server in trouble, said it. Declined where it is another resource, or
    an outcome says that there is nothing to be had; PagingExpired where it says that the link has expired.
    """
    try:
        bundle = _BUNDLE.decode(body)
    except _UNREADABLE as error:
        fault = SourceFault.NOT_A_SEARCHSET if isinstance(error, msgspec.ValidationError) else SourceFault.BROKEN_BODY
        raise NotNow(fault, "the answer cannot be read as a FHIR Bundle", is_brief=True) from None
    entries: list[Entry] = []
    remarks: list[bytes] = []
    for raw in bundle.entry or []:
        _sort_in(bytes(raw), entries, remarks)
    if bundle.resourceType != "Bundle":
        remarks.append(body)
    said = [issue for remark in remarks for issue in issues_of(remark)]
    _check(said, outcomes, told=b"\n".join(remarks), is_link=is_link)
    if bundle.resourceType != "Bundle" and outcomes.ruled(said)[0] is not Action.NOTHING_FOUND:
        raise _no_page(said, told=body)
    links = {link.relation: link.url for link in reversed(bundle.link or []) if link.url}
    link = links.get("next", "")
    judged = outcomes.judged(said)
    return Page(
        entries,
        _resolved(url, link) if link else "",
        said,
        bundle.timestamp or "",
        *judged,
        used=_used(links.get("self")),
        told=b"\n".join(remarks)[:LONGEST_TOLD] if judged.incomplete else b"",
    )


def read_resource(body: bytes, *, name: str, url: str, outcomes: Outcomes = _NO_RULES) -> Entry:
    """The resource that was asked for by its name, as an entry that others refer to.

    What flies is as with `read_page`. A Patient under another id is a merge (behaviour 67).
    """
    try:
        head = _RESOURCE.decode(body)
    except _UNREADABLE:
        raise NotNow(SourceFault.BROKEN_BODY, "the answer cannot be read as a resource", is_brief=True) from None
    if head.resourceType == "OperationOutcome" or not head.resourceType:
        said = issues_of(body)
        _check(said, outcomes, told=body, is_link=False)
        is_nothing = outcomes.ruled(said)[0] is Action.NOTHING_FOUND
        raise Declined(SourceFault.NOT_FOUND, "there is no such resource") if is_nothing else _no_page(said, told=body)
    if f"{head.resourceType}/{head.id}" != name:
        if head.resourceType == "Patient" and name.startswith("Patient/"):
            raise Declined(SourceFault.MERGED, "the server gave another patient than was asked for", survivor=head.id)
        raise Declined(SourceFault.REFUSED, "the server gave another resource than was asked for")
    return entry_of(body, url=url)


def entry_of(resource: bytes, *, url: str) -> Entry:
    """A resource that came alone, as what others refer to."""
    address = b'{"fullUrl":' + msgspec.json.encode(url)
    raw = address + b',"resource":' + resource.strip() + b',"search":{"mode":"include"}}'
    entries: list[Entry] = []
    _sort_in(raw, entries, [])
    return entries[0]


def _check(said: Sequence[Issue], outcomes: Outcomes, *, told: bytes, is_link: bool) -> None:
    error = outcomes.ending(said)
    if is_link and outcomes.has_expired(said, status=200):
        error = outcomes.expiry("the server says of its own next link that it has expired")
    if error is not None:
        error.told = told[:LONGEST_TOLD]
        raise error


def _no_page(said: Sequence[Issue], *, told: bytes) -> Declined:
    codes = ", ".join(issue.code for issue in said)
    text = "the answer is no FHIR Bundle" + (f" but an OperationOutcome: {codes}" if codes else "")
    error = Declined(SourceFault.NOT_A_SEARCHSET, text, code=said[0].code if said else "")
    error.told = told[:LONGEST_TOLD] if said else b""
    return error


def _used(link: str | None) -> frozenset[str]:
    try:
        query = urlsplit(link or "").query
    except ValueError:
        return frozenset()
    return frozenset(name.partition(":")[0] for name, _ in parse_qsl(query, keep_blank_values=True))


def _resolved(url: str, link: str) -> str:
    """RFC 3986 section 5: a relative link is meant from the page it stands on (behaviour 20)."""
    try:
        return urljoin(url, link)
    except ValueError:  # no address at all; who would follow it says so
        return link


def _sort_in(raw: bytes, entries: list[Entry], remarks: list[bytes]) -> None:
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
        remarks.append(resource)
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
