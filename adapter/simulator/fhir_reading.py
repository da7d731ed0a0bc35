"""Answers what is no search: reads by id, versions, and the look-up of a patient by what is known of them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapter.simulator.fhir_cases import Cases, owners, survivor_of
from adapter.simulator.fhir_faults import Answer
from adapter.simulator.fhir_outcomes import Refused, refused
from adapter.simulator.fhir_rules import Breach
from adapter.simulator.fhir_settings import Mode
from adapter.simulator.fhir_versions import Archive, Resource, Version

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_SAME = ("birthDate", "gender", "name")


class Reader:
    """Answers one resource at a time."""

    def __init__(self, archive: Archive, mode: Mode, *, cases: Cases, base: str) -> None:
        self._archive = archive
        self._mode = mode
        self._cases = cases
        self._base = base

    def read(self, resource_type: str, resource_id: str) -> Answer:
        """A resource by its id. Raises Refused."""
        if self._mode.parameters is not None and resource_type not in self._mode.parameters:
            self._cases.broken(Breach("type-not-served", resource_type, ""), resource_type)
            raise refused(404, "not-supported", f"{resource_type} is not served")
        version = self._archive.read(resource_type, resource_id)
        codes = self._mode.codes
        if version is None:
            raise Refused(404, codes.note("not-found", "not-found", f"no such {resource_type}"))
        if version.is_deleted:
            raise Refused(410, codes.note("deleted", "deleted", f"this {resource_type} has been deleted"))
        if restriction := self._cases.restriction(owners(version.resource)):
            raise self._cases.deny(restriction, resource_type, resource_id)
        survivor = survivor_of(version.resource)
        if survivor and self._mode.redirects_merged:
            moved = {"Location": f"{self._base}/Patient/{survivor}"}
            raise Refused(301, codes.note("merged", "processing", "the Patient has been merged"), headers=moved)
        has_versions = "versionId" in (shown := self._shown(version)).get("meta", {})
        return Answer(content=shown, headers={"ETag": f'W/"{version.number}"'} if has_versions else {})

    def _shown(self, version: Version) -> dict[str, Any]:
        shape = self._mode.shape
        return version.resource if shape is None else shape(version.resource, self._archive.read)

    def history(self, resource_type: str) -> Answer:
        """Nobody here keeps versions that can be asked for."""
        self._cases.broken(Breach("history", "Interactions", ""), resource_type)
        raise refused(400, "not-supported", "neither vread nor history is supported")

    def match(self, body: bytes) -> Answer:
        """`Patient/$match` of FHIR R4: by identifier for certain, by the rest probably. Raises Refused."""
        wanted = _wanted(body)
        found = list(self._matches(wanted))
        entries = [
            {
                "fullUrl": f"{self._base}/Patient/{version.resource['id']}",
                "resource": self._shown(version),
                "search": {
                    "mode": "match",
                    "score": score,
                    "extension": [{"url": _GRADE, "valueCode": "certain" if score == 1 else "probable"}],
                },
            }
            for version, score in found
        ]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        return Answer(content={**bundle, "entry": entries} if entries else bundle)

    def _matches(self, wanted: Resource) -> Iterator[tuple[Version, float]]:
        asked = _numbers(wanted)
        for version in self._archive.current("Patient"):
            if survivor_of(version.resource):
                continue
            if asked & _numbers(version.resource):
                yield version, 1
            elif all(name in wanted and _same(wanted, version.resource, name) for name in _SAME):
                yield version, 0.8


def _wanted(body: bytes) -> Resource:
    try:
        parameters = json.loads(body)["parameter"]
        return next(one["resource"] for one in parameters if one["name"] == "resource")
    except (ValueError, KeyError, TypeError, StopIteration):
        raise refused(400, "invalid", "no Parameters with a Patient named resource") from None


def _numbers(patient: Resource) -> set[tuple[str, str]]:
    given = patient.get("identifier", ())
    return {(one.get("system", ""), one["value"]) for one in given if one.get("value")}


def _same(one: Resource, other: Resource, name: str) -> bool:
    if name != "name":
        return bool(one[name] == other.get(name))
    return bool(_families(one) & _families(other))


def _families(patient: Mapping[str, Any]) -> set[str]:
    return {name.get("family", "").casefold() for name in patient.get("name", ())} - {""}
