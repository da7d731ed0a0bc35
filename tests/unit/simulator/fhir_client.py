"""A plain client of the simulated FHIR server, and resources to fill it with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_versions import Change

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def a_change(kind: str, id: str, *, minutes: float = 0, is_deleted: bool = False, **elements: Any) -> Change:
    resource = {"resourceType": kind, "id": id, **elements}
    return Change(visible_at=at(minutes), resource=resource, is_deleted=is_deleted)


def a_value(id: str, *, minutes: float = 0, patient: str = "p1", **elements: Any) -> Change:
    coding = [{"system": "http://loinc.org", "code": "2524-7"}]
    given = {"status": "final", "code": {"coding": coding}, "subject": {"reference": f"Patient/{patient}"}, **elements}
    return a_change("Observation", id, minutes=minutes, **given)


def get(server: FhirServer, path: str, *, token: str = "", **params: Any) -> requests.Response:
    url = path if path.startswith("http") else f"{server.base}/{path}".rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(url, params=params, headers=headers, timeout=5, allow_redirects=False)


def pages(server: FhirServer, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    bundle = get(server, path, **params).json()
    yield bundle
    while url := link(bundle, "next"):
        bundle = get(server, url).json()
        yield bundle


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), None)


def ids(*bundles: dict[str, Any], mode: str = "match") -> list[str]:
    entries = [entry for bundle in bundles for entry in bundle.get("entry", [])]
    return [entry["resource"]["id"] for entry in entries if entry["search"]["mode"] == mode]
