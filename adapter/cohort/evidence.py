"""What counts as evidence for a condition, among what was read: by code, by name in a text, by operative record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapter.cohort.codes import SYSTEM_NAMES, Code
from adapter.cohort.moments import Age, age_at
from adapter.cohort.reading import Item, Standing
from adapter.cohort.rules import Condition, EvidenceRule, Origin

NO_CODE: Code = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One item that speaks for or against a condition."""

    at: str
    """When, as it was said; empty where nobody said."""
    system: str
    code: str
    """Both empty for a text and an operative record."""
    kind: str
    """The name of the evidence in conditions.yaml: `core`, `operation` …"""
    origin: Origin
    standing: Standing
    is_late: bool
    """A congenital code first seen beyond its age limit."""
    is_late_presenting: bool
    """Beyond the age from which the condition is called late presenting."""
    is_of_unknown_age: bool
    ref: str

    @property
    def system_name(self) -> str:
        """The short name of the system, as the rows write it."""
        return SYSTEM_NAMES.get(self.system, self.system)

    @property
    def is_coded(self) -> bool:
        return bool(self.code)

    @property
    def is_operation(self) -> bool:
        return self.origin == "procedure"

    @property
    def is_live(self) -> bool:
        return self.standing in (Standing.FIRM, Standing.TENTATIVE)


def collect(condition: Condition, read: Iterable[Item], *, birth: str | None) -> set[Evidence]:
    """Every item of every kind of evidence for one condition; the same item twice is one item."""
    return {
        evidence
        for rule in condition.rule.evidence
        for item in read
        if item.origin == rule.from_
        for evidence in _matches(condition, rule, item, birth=birth)
    }


def _matches(condition: Condition, rule: EvidenceRule, item: Item, *, birth: str | None) -> Iterator[Evidence]:
    speaking = list(_speaking(condition, rule, item))
    if not speaking:
        return
    age = Age.WITHIN if rule.limit_days is None else age_at(item.aged_from, birth=birth, limit_days=rule.limit_days)
    if age is Age.BEYOND and rule.when_older == "ignore":
        return
    late_days = condition.rule.late_presenting_days
    is_late_presenting = late_days is not None and (
        age_at(item.aged_from, birth=birth, limit_days=late_days) is Age.BEYOND
    )
    for code, may_confirm in speaking:
        is_doubtful = age is Age.BEYOND or not may_confirm
        yield Evidence(
            at=item.at or "",
            system=code[0],
            code=code[1],
            kind=rule.name,
            origin=rule.from_,
            standing=Standing.TENTATIVE if is_doubtful and item.standing is Standing.FIRM else item.standing,
            is_late=age is Age.BEYOND and rule.when_older == "hold",
            is_late_presenting=is_late_presenting,
            is_of_unknown_age=age is Age.UNKNOWN,
            ref=item.ref,
        )


def _speaking(condition: Condition, rule: EvidenceRule, item: Item) -> Iterator[tuple[Code, bool]]:
    """The codes that count, and whether each may confirm; a text never does (domain document, section 7.1)."""
    match rule.from_:
        case "text":
            if any(name in rule.terms and assertion in rule.assertions for name, assertion in item.mentions):
                yield NO_CODE, False
        case "note":
            is_status = item.status in rule.statuses or item.standing is Standing.WITHDRAWN
            if item.condition == condition.rule.name and is_status:
                yield NO_CODE, True
        case _:
            rows = condition.codes[rule.name]
            for code in item.codes:
                if code in rows:
                    yield code, rows[code]
