"""CSOR rows straight from files, for `convert --to csor`: the same translation and the same projection as the service.

Each patient of a file is taken for a confirmed child. Ids are made with a published key: they link nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from adapter import cohort, config, fhir, identity, mapping
from adapter.assertion import Assertion, ItemKind, Resource, SourceIdentifier
from adapter.chart import live
from adapter.errors import Problem
from adapter.hl7v2 import Message
from adapter.hl7v2.separate import separate
from adapter.identity.patients import birth_of
from adapter.service.feeds import FeedReading, own_codes, rules_of_reading
from adapter.settle.drafting import Drafting
from adapter.settle.judging import judged
from adapter.settle.projection import Draft, RowState, Source, history, scoped_key
from adapter.statement import Statement

CONVERT_KEY = b"csor-adapter convert: this key is published, its ids protect nobody"

_FEED = "file"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """All that turns statements into rows."""

    reading: FeedReading
    csor: mapping.CsorMaps
    rules: cohort.CohortRules
    timezone: ZoneInfo

    @classmethod
    def load(cls, folder: Path, *, vendor: str | None, said: config.Reading, timezone: ZoneInfo) -> Self:
        """SetupError with every fault of the mappings."""
        csor = mapping.load_csor_maps(folder, timezone=timezone)
        lists = csor.codelists
        conditions = cohort.load_rules(folder / "cohort", codelists=lists.code_rows(), normalise=lists.normalise)
        maps = mapping.load_v2_maps(
            folder,
            vendor=vendor,
            wanted=mapping.STATE_TYPES,
            own_codes=own_codes(said, examinations=sorted(csor.examination_codes)),
            is_measure=csor.is_measure,
        )
        return cls(
            reading=FeedReading(maps, rules_of_reading(said), timezone), csor=csor, rules=conditions, timezone=timezone
        )

    @cached_property
    def _drafting(self) -> Drafting:
        return Drafting(self.csor, record_id=_record_id)

    def of_messages(self, messages: Iterable[Message]) -> Resource:
        """Rows by kind from v2 messages, all of one patient's messages together."""
        stated = [self.reading.state(each) for message in messages for each in self._of_each(message)]
        return self._rows(stated, [problem for statement in stated for problem in statement.problems])

    def _of_each(self, message: Message) -> list[Message]:
        """One for each patient."""
        pieces = [] if self.reading.is_of_two(message) else separate(message)
        return [self.reading.parse(piece) for piece in pieces] or [message]

    def of_fhir(self, body: bytes, *, version: fhir.Version = fhir.Version.R4) -> Resource:
        """Rows by kind from a resource, a Bundle or an NDJSON body."""
        stated, problems = fhir.statements(body, known=self.csor.known, version=version)
        return self._rows(stated, problems)

    def _rows(self, stated: Iterable[Statement], problems: Iterable[Problem]) -> Resource:
        children: dict[str, list[Statement]] = {}
        for statement in stated:
            children.setdefault(statement.patient_key or _patient_key(statement), []).append(statement)
        rows: dict[str, list[dict[str, Any]]] = {}
        for key, statements in children.items():
            for draft in self._drafts(key, statements):
                if draft.state is not RowState.DELETED:
                    rows.setdefault(draft.kind, []).append(_printed(key, draft))
        told = [{"code": problem.code, "text": problem.text, "at": problem.at} for problem in problems]
        return {**dict(sorted(rows.items())), "problems": told}

    def _drafts(self, key: str, statements: list[Statement]) -> list[Draft]:
        subject = SourceIdentifier(_FEED, key)
        sources = [
            Source(number, number, 0, b"", Assertion(_FEED, subject, statement.items, statement.context))
            for number, statement in enumerate(statements, start=1)
        ]
        past = history(sources, study_of=self.csor.study_of)
        patient = self._patient(statements) or {}
        cases = judged(past, patient, self._drafting.notes(past), rules=self.rules)
        drafts = self._drafting.all_of(past, patient, cases, sources=tuple(sources), key=key, mother=None)
        return drafts + self._results(sources, birth=birth_of(patient))

    def _patient(self, statements: list[Statement]) -> Resource | None:
        items = [item for each in statements for item in each.items if item.kind is ItemKind.PATIENT]
        return live.fold(items) if items else next((each.patient for each in statements if each.patient), None)

    def _results(self, sources: list[Source], *, birth: str | None) -> list[Draft]:
        grouped: dict[str, list[tuple[Any, Source]]] = {}
        for source in sources:
            for item in source.assertion.items:
                if item.kind is ItemKind.OBSERVATION:
                    grouped.setdefault(scoped_key(item, source), []).append((item, source))
        drafts = []
        for key, said in grouped.items():
            resource = live.fold([item for item, _ in said])
            newest = max(said, key=lambda each: live.order(each[0]))[1]
            made = self.csor.project("lab_result", resource, newest.assertion.context, birth)
            if made is not None:
                rid = _record_id("lab_result", key)
                found = tuple(source for _, source in said)
                drafts.append(Draft(rid, "lab_result", made.fields, made.problems, found, RowState.LIVE))
        return drafts


def _patient_key(statement: Statement) -> str:
    """The patient's first identifier: what files with several messages are grouped by."""
    for identifier in (statement.patient or {}).get("identifier", ()):
        authority = identifier.get("assigner", {}).get("display", identifier.get("system", ""))
        return f"{authority}|{identifier['value']}"
    return ""


def _record_id(kind: str, key: str) -> bytes:
    return identity.pseudonym(CONVERT_KEY, domain=f"convert row {kind}", parts=[key]).encode()


def _printed(key: str, draft: Draft) -> dict[str, Any]:
    child = identity.pseudonym(CONVERT_KEY, domain="convert child", parts=[key])
    problems = [{"code": each.code, "text": each.text, "at": each.at} for each in draft.problems]
    fields = {name: value for name, value in draft.fields.items() if value is not None}
    return {"record_id": draft.record_id.decode(), "child": child, **fields, "problems": problems}
