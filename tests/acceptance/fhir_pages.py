"""What a FHIR server answers to a poller over the months: pages, each with the resources that its matches refer to.

Every version of every resource stands on some page, so that pages in another order are older versions after newer ones.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from adapter import simulator
from adapter.simulator import SentMessage, Simulation
from adapter.simulator.fhir_versions import Change, encode, instant
from tests.acceptance.hospital import FHIR_FEED

_INCLUDED = ("Location", "Specimen", "ServiceRequest", "Medication", "MedicationRequest")
"""What searches ask for beside their matches."""
_ASKED_AFTER = timedelta(minutes=10)
"""A sample may become visible some minutes after its results."""
Json = dict[str, Any]
Version = tuple[datetime, Json]
"""When it can be seen, and what."""


def pages(simulation: Simulation, *, per_page: int) -> list[SentMessage]:
    """In the order of the changes; what became visible at once stands on one page, however long."""
    versions = list(_versions(simulator.fhir_timeline(simulation.courses)))
    current: dict[str, Json] = {}
    found: list[SentMessage] = []
    waiting = deque(versions)
    for number, together in enumerate(_together(versions, per_page)):
        at = together[-1][0]
        while waiting and waiting[0][0] <= at + _ASKED_AFTER:
            resource = waiting.popleft()[1]
            current[_name(resource)] = resource
        matches = [resource for _, resource in together]
        found.append(page(matches, _included(matches, current), at=at, number=number))
    return found


def _versions(timeline: Iterable[Change]) -> Iterator[Version]:
    """As the server stamps them."""
    counts: Counter[str] = Counter()
    for change in timeline:
        name = _name(change.resource)
        counts[name] += 1
        stamp = {"versionId": str(counts[name]), "lastUpdated": instant(change.updated_at or change.visible_at)}
        meta = {**change.resource.get("meta", {}), **stamp}
        yield change.visible_at, {**change.resource, "meta": meta}


def _name(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _together(versions: Iterable[Version], per_page: int) -> Iterator[list[Version]]:
    waiting: list[Version] = []
    for _, visible in groupby(versions, key=lambda version: version[0]):
        waiting += visible
        if len(waiting) >= per_page:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def page(matches: Sequence[Json], included: Sequence[Json] = (), *, at: datetime, number: int) -> SentMessage:
    """One answer of the server."""
    modes = [*((each, "match") for each in matches), *((each, "include") for each in included)]
    entries = [{"resource": each, "search": {"mode": mode}} for each, mode in modes]
    body = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    return SentMessage(
        at=at, control_id=f"page {number}", raw=encode(body), subject="", event="page", feed=FHIR_FEED
    )  # fmt: skip


def _included(matches: Sequence[Json], current: dict[str, Json]) -> list[Json]:
    """As they are when the page is asked for, and what they refer to."""
    named: dict[str, Json] = {}
    waiting = list(matches)
    while waiting:
        for name in references(waiting.pop()):
            if name in current and name not in named and current[name] not in matches:
                named[name] = current[name]
                waiting.append(current[name])
    return list(named.values())


def references(value: Any) -> Iterator[str]:
    """The resources of the included types that one names."""
    for name in _strings(json.loads(encode(value))):
        if name.startswith(tuple(f"{each}/" for each in _INCLUDED)):
            yield name


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _strings(each)
