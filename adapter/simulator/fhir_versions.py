"""What a FHIR server holds: every version of every resource, and a clock that decides which of them can be seen."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from adapter.simulator.moments import LONDON

Resource = Mapping[str, Any]
encode = msgspec.json.Encoder(decimal_format="number").encode
"""A Decimal keeps its zeros: 7.40 is not 7.4."""
BEFORE_EVERYTHING = datetime(1900, 1, 1, tzinfo=LONDON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A new version of a resource, or its deletion."""

    visible_at: datetime
    resource: Resource
    """Without version and time of update: the server gives both. Of a deleted one, type and id suffice."""
    is_deleted: bool = False
    updated_at: datetime | None = None
    """meta.lastUpdated, where the server stamps a resource before it can be seen (a slow transaction)."""


class Version(NamedTuple):
    """A resource as it is served."""

    resource: dict[str, Any]
    raw: msgspec.Raw
    updated_at: datetime
    number: int
    is_deleted: bool

    @property
    def key(self) -> tuple[str, str]:
        """Type and id."""
        return self.resource["resourceType"], self.resource["id"]


class Archive:
    """The resources of a server. `advance` may be called from another thread than the one that reads."""

    def __init__(self, changes: Iterable[Change] = (), *, now: datetime = BEFORE_EVERYTHING) -> None:
        self.now = now
        self._lock = threading.Lock()
        self._later: list[Change] = []
        self._current: dict[str, dict[str, Version]] = {}
        self._of_patient: dict[tuple[str, str], dict[str, Version]] = {}
        self._former: dict[tuple[str, str], Version] = {}
        self.add(changes)

    def add(self, changes: Iterable[Change]) -> None:
        """Changes that are already due are seen at once."""
        with self._lock:
            # From the last to the first, so that the next one is taken from the end; equal times keep their order.
            waiting = [*reversed(self._later), *changes]
            self._later = sorted(waiting, key=lambda change: change.visible_at)[::-1]
            self._bring_up_to_date()

    def advance(self, to: datetime) -> None:
        """Let the time pass: what is visible by then appears."""
        with self._lock:
            self.now = max(self.now, to)
            self._bring_up_to_date()

    def next_change_at(self) -> datetime | None:
        """When something more will appear; None once all is visible."""
        with self._lock:
            return self._later[-1].visible_at if self._later else None

    def read(self, resource_type: str, resource_id: str) -> Version | None:
        """The current version, which may be a deletion."""
        with self._lock:
            return self._current.get(resource_type, {}).get(resource_id)

    def former(self, key: tuple[str, str]) -> Version | None:
        """The version before the current one."""
        with self._lock:
            return self._former.get(key)

    def current(self, resource_type: str, *, patient_id: str | None = None) -> list[Version]:
        """All that is not deleted, in the order of first appearance."""
        with self._lock:
            if patient_id is None:
                found = self._current.get(resource_type, {})
            else:
                found = self._of_patient.get((resource_type, patient_id), {})
            return [version for version in found.values() if not version.is_deleted]

    def types(self) -> list[str]:
        """Of which there was ever anything."""
        with self._lock:
            return list(self._current)

    def deleted(self, resource_types: Iterable[str]) -> list[Version]:
        """The deletions of these types."""
        with self._lock:
            found = [version for each in resource_types for version in self._current.get(each, {}).values()]
            return [version for version in found if version.is_deleted]

    def _bring_up_to_date(self) -> None:
        while self._later and self._later[-1].visible_at <= self.now:
            self._take(self._later.pop())

    def _take(self, change: Change) -> None:
        resource_type, resource_id = change.resource["resourceType"], change.resource["id"]
        of_type = self._current.setdefault(resource_type, {})
        before = of_type.get(resource_id)
        version = _version(change, number=before.number + 1 if before else 1)
        if before is not None:
            self._former[before.key] = before
            for patient_id in patient_ids(before.resource):
                self._of_patient.get((resource_type, patient_id), {}).pop(resource_id, None)
        of_type[resource_id] = version
        for patient_id in patient_ids(version.resource):
            self._of_patient.setdefault((resource_type, patient_id), {})[resource_id] = version


def patient_ids(resource: Resource) -> Iterator[str]:
    """Whose resource it is."""
    for element in ("subject", "patient"):
        reference = resource.get(element, {}).get("reference", "")
        if reference.startswith("Patient/"):
            yield reference.removeprefix("Patient/")


def instant(moment: datetime) -> str:
    """As UK servers write it: milliseconds, and the offset of the place."""
    return moment.astimezone(LONDON).isoformat(timespec="milliseconds")


def _version(change: Change, *, number: int) -> Version:
    updated_at = change.updated_at or change.visible_at
    meta = {**change.resource.get("meta", {}), "versionId": str(number), "lastUpdated": instant(updated_at)}
    resource = {**change.resource, "meta": meta}
    raw = msgspec.Raw(encode(resource))
    return Version(resource=resource, raw=raw, updated_at=updated_at, number=number, is_deleted=change.is_deleted)
