"""What of a page is kept: the newest version of each resource, and nothing but what was asked for. Pure.

A server may show somebody else's resource among a patient's (behaviour 32), pass over a parameter (behaviour 26), or
give one resource on several pages (behaviour 24).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.sources.fhir_match import fits, is_filter
from adapter.sources.fhir_page import Entry, Page
from adapter.sources.fhir_request import Pairs

_PATIENT = "Patient/"
_PATIENT_PARAMETERS = frozenset({"patient", "subject"})
_MOST_REMEMBERED = 50_000
"""What moves to a later page moves within less; of what is forgotten the older version is put right by its clock."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Asked(NamedTuple):
    """One search, as it was sent."""

    resource_type: str
    pairs: Pairs = ()
    patient_id: str = ""
    """Whose resources alone there may be; empty: anybody's."""


class Ours(NamedTuple):
    """What is left of a page."""

    page: Page
    strangers: int = 0
    """Of another patient: not kept, whatever the search."""
    dropped: int = 0
    """That the server should not have given."""
    is_unfiltered: bool = False
    """It passed over a parameter that narrows the search."""


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Owned(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    subject: _Reference | None = None
    patient: _Reference | None = None


class _Entry(msgspec.Struct):
    resource: _Owned


_OWNED = msgspec.json.Decoder(_Entry)


def keep_ours(page: Page, asked: Asked, *, is_unfiltered: bool = False) -> Ours:
    """Without other patients' resources; and where the server has passed over a parameter, filtered by ourselves.

    `is_unfiltered`: it has said so on a page before.
    """
    entries = page.entries
    if asked.patient_id:
        entries = [entry for entry in entries if not is_of_another(entry, asked.patient_id)]
    strangers = len(page.entries) - len(entries)
    is_unfiltered = is_unfiltered or bool(page.ignored) or bool(_passed_over(page, asked))
    kept = _fitting(entries, asked) if is_unfiltered else entries
    ours = page if len(kept) == len(page.entries) else page._replace(entries=kept)
    return Ours(ours, strangers, len(entries) - len(kept), is_unfiltered)


def is_of_another(entry: Entry, patient_id: str) -> bool:
    """Whether it says itself that it is another patient's. What says of nobody, or cannot be read, goes on."""
    try:
        resource = _OWNED.decode(entry.raw).resource
    except _UNREADABLE:
        return False
    if resource.resourceType == "Patient":
        return resource.id != patient_id
    named = next((one.reference for one in (resource.subject, resource.patient) if one and one.reference), "")
    # Relative or absolute, with or without a version; a group, a device or `#contained` is for the pipeline to judge.
    path = named.partition("/_history/")[0]
    kind, _, identity = path.rpartition("/")
    return f"{kind.rpartition('/')[2]}/" == _PATIENT and identity != patient_id


def _passed_over(page: Page, asked: Asked) -> set[str]:
    """Filters that the page's link to itself does not name, though it names others of ours."""
    names = {_plain(name) for name, _ in asked.pairs}
    used = {_plain(name) for name in page.used}
    filters = {_plain(name) for name, _ in asked.pairs if is_filter(name)}
    # A link that names none of ours is a server's own shorthand and says nothing.
    return filters - used if used & names else set()


def _plain(parameter: str) -> str:
    """Servers write them as they like: `_lastupdated`, `subject` for `patient`."""
    name = parameter.partition(":")[0].lower()
    return "patient" if name in _PATIENT_PARAMETERS else name


def _fitting(entries: Sequence[Entry], asked: Asked) -> list[Entry]:
    """The matches that fit, and of what is included what they refer to."""
    filters = [(name, value) for name, value in asked.pairs if is_filter(name) and name not in _PATIENT_PARAMETERS]
    matches = [entry for entry in entries if not entry.is_include and _fits(entry, filters)]
    text = b"".join(entry.raw for entry in matches)
    kept = {id(entry) for entry in matches}
    waiting = [entry for entry in entries if entry.is_include]
    while text and waiting:
        named = [entry for entry in waiting if not entry.name or f'{entry.name}"'.encode() in text]
        kept |= {id(entry) for entry in named}
        waiting = [entry for entry in waiting if id(entry) not in kept]
        text = b"".join(entry.raw for entry in named)
    return [entry for entry in entries if id(entry) in kept]


def _fits(entry: Entry, filters: Iterable[tuple[str, str]]) -> bool:
    try:
        resource: Any = msgspec.json.decode(entry.raw)["resource"]
        return not isinstance(resource, dict) or all(fits(resource, name, value) for name, value in filters)
    except (*_UNREADABLE, KeyError, TypeError):  # also what is nested too deep to be looked through
        return True


class Newest:
    """Of the resources of one search, page after page, each in no older version than it came before."""

    def __init__(self) -> None:
        self._met: dict[str, Entry] = {}

    def only(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those that are newer than all before, each once; of two on this page the newer."""
        fresh: dict[str, Entry] = {}
        for number, entry in enumerate(entries):
            name = entry.name or f"#{number}"
            before = fresh.get(name) or (self._met.get(name) if entry.name else None)
            if before is None or _is_newer(entry, before):
                fresh[name] = entry
        for name, entry in fresh.items():
            if not name.startswith("#"):
                self._met.pop(name, None)
                self._met[name] = entry._replace(raw=b"")
        while len(self._met) > _MOST_REMEMBERED:
            del self._met[next(iter(self._met))]
        return list(fresh.values())


def _is_newer(entry: Entry, before: Entry) -> bool:
    if entry.digest == before.digest:
        # The same once more: on a later page it is there for what refers to it there.
        return entry.is_include
    if entry.updated is None or before.updated is None:
        return True
    return (entry.updated, _number(entry)) >= (before.updated, _number(before))


def _number(entry: Entry) -> int:
    """Of its version, where it is one."""
    version = entry.version.split("|")[1] if entry.version else ""
    return int(version) if version.isdecimal() and len(version) < 19 else 0
