"""A server without the wire: its desk, its reader, and what it noted."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from adapter.simulator.fhir_cases import Cases
from adapter.simulator.fhir_outcomes import Refused
from adapter.simulator.fhir_reading import Reader
from adapter.simulator.fhir_search import Desk, Page
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_versions import Archive, Change

BASE = "http://ehr.example/fhir/r4"


class Answered(NamedTuple):
    """What came, whatever it was."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    page: Page | None = None

    @property
    def codes(self) -> list[str]:
        """Of every issue: the vendor's code, else FHIR's."""
        return [_code(issue) for outcome in self._outcomes() for issue in outcome["issue"]]

    @property
    def ids(self) -> list[str]:
        return [one["resource"]["id"] for one in self.entries if one["search"]["mode"] == "match"]

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [{**one, "resource": _plain(one["resource"])} for one in self.body.get("entry", [])]

    @property
    def next(self) -> str | None:
        links = {one["relation"]: one["url"] for one in self.body.get("link", [])}
        return links.get("next")

    def _outcomes(self) -> Iterator[dict[str, Any]]:
        if self.body["resourceType"] == "OperationOutcome":
            yield self.body
        for one in self.entries:
            if one["resource"]["resourceType"] == "OperationOutcome":
                assert one["search"]["mode"] == "outcome"
                yield one["resource"]


class Counter:
    """Asks it."""

    def __init__(self, changes: Iterable[Change], settings: Settings, *, now: datetime) -> None:
        self.archive = Archive(changes, now=now)
        self.cases = Cases(mode=settings.mode)
        self.desk = Desk(self.archive, settings, base=BASE, cases=self.cases)
        self.reader = Reader(self.archive, settings.mode, cases=self.cases, base=BASE)

    def search(self, resource_type: str, *pairs: tuple[str, str], **parameters: str) -> Answered:
        asked = [*pairs, *parameters.items()]
        try:
            page = self.desk.first(resource_type, asked)
        except Refused as refused:
            return Answered(refused.status, refused.outcome, dict(refused.headers))
        return Answered(200, page.bundle, {}, page)

    def follow(self, answered: Answered) -> Answered:
        assert answered.next is not None
        try:
            page = self.desk.next(answered.next.partition("_getpages=")[2].partition("&")[0])
        except Refused as refused:
            return Answered(refused.status, refused.outcome, dict(refused.headers))
        return Answered(200, page.bundle, {}, page)

    def pages(self, resource_type: str, *pairs: tuple[str, str], **parameters: str) -> Iterator[Answered]:
        answered = self.search(resource_type, *pairs, **parameters)
        yield answered
        while answered.next:
            answered = self.follow(answered)
            yield answered

    def read(self, resource_type: str, resource_id: str) -> Answered:
        try:
            answer = self.reader.read(resource_type, resource_id)
        except Refused as refused:
            return Answered(refused.status, refused.outcome, dict(refused.headers))
        return Answered(200, answer.content, dict(answer.headers))

    @property
    def broken(self) -> list[str]:
        """The rules that were broken, in order."""
        return [one.rule for one in self.cases.violations]


def _plain(resource: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(bytes(resource)) if isinstance(resource, msgspec.Raw) else resource
    return plain


def _code(issue: dict[str, Any]) -> str:
    codings = issue.get("details", {}).get("coding", [])
    return str(codings[0]["code"] if codings else issue["code"])
