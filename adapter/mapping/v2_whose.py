"""Whose a v2 message is and where the patient stands, read before any order or result: all that triage asks.

The same rules as the whole translation, but only of the elements that triage reads. Most messages of a hospital are not
about children of the study; their results are never translated (behaviour 135). Of a message that is written as nearly
all are, a short loop takes what triage asks; of others a walk over the whole message.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.hl7v2.message import Message, Plain
from adapter.hl7v2.timestamps import read_time
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.rules import Block, place
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_engine import NONE, Engine, Plan
from adapter.mapping.v2_pieces import conditions, made_of
from adapter.mapping.v2_to_fhir import V2Maps, assemble, kind_of
from adapter.mapping.v2_visits import TRIAGE_ENCOUNTER, word_of
from adapter.mapping.v2_walk import Walk
from adapter.statement import Statement

_ASKED = {
    "Patient": ("identifier", "birthDate", "_birthDate", "gender"),
    "RelatedPerson": ("identifier", "relationship"),
    "Encounter": ("location[].location", "serviceType"),
    "Condition": ("code",),
    "Procedure": ("code",),
}
"""The elements that triage reads, of the resources it reads."""
_ROLES = frozenset({None, Role.PATIENT, Role.RELATED, Role.ENCOUNTER, Role.CONDITIONS, Role.PROCEDURES})
"""None: a segment that adds to a resource, as PD1 does."""

_HEADER, _PATIENT, _MERGED = "MSH", "PID", "MRG"
_NEVER_HERE = frozenset({_HEADER, _MERGED})
"""What makes one message two, or speaks of two patients."""
_BEFORE_PATIENT = frozenset({"MSH", "EVN"})
_LAST_SECOND_US = (24 * 3600 - 1) * 1_000_000
"""Of a day, from its begin."""
_LISTS = {Role.CONDITIONS: ItemKind.CONDITIONS, Role.PROCEDURES: ItemKind.PROCEDURES}

_Found = list[tuple[Role | None, Resource]]


class WhoseMaps:
    """The part of a mapping set that says whose a message is."""

    def __init__(self, maps: V2Maps) -> None:
        """`maps` as they are used for statements."""
        blocks = [
            (made.segment, made.file, limited)
            for made in maps.compiled.blocks
            if made.block.item in _ROLES and (limited := _limited(made.block)) is not None
        ]
        self._maps = V2Maps(replace(maps.source, blocks=tuple(blocks)), wanted=None, remembers_lines=False)
        self._names = frozenset({_HEADER, _MERGED, *self._maps.compiled.widths})
        self._find_asked = re.compile(rf"\r((?:{'|'.join(sorted(self._names))})(?![^|\r])[^\r]*)").findall
        """The lines of these segments in the text of a plain message, but its first."""
        self._is_in_order = any(test.follows for _, _, block in blocks for test in conditions(block))
        """Some rule asks what stands before a segment: then none may be left out."""
        self._is_short = all(_is_short(segment, block) for segment, _, block in blocks)
        """No rule asks anything for which segments must be walked over in their groups."""
        self._engine: tuple[FeedRules, ZoneInfo, Engine] | None = None

    def glance(self, plain: Plain, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> Statement | None:
        """As `whose`, of a plain message in a short loop; None where the whole message must be looked at."""
        if not self._is_short:
            return None
        known = self._engine
        if known is None or known[0] is not rules or known[1] is not timezone:
            known = self._engine = rules, timezone, self._maps.engine(plain, timezone, rules)
        engine = known[2]
        header = plain.header
        code, _, rest = (header[8] if len(header) > 8 else "").partition("^")
        event = rest.partition("^")[0]
        kind = f"{code}^{event}"
        if not event or not kind.isascii() or word_of(engine.reader.tables, kind, event) is not None:
            return None
        lines = self._find_asked(plain.text)
        if engine.prepares:
            lines = [line for line in engine.prepared(plain.lines) if line[:3] in self._names]
            header = lines.pop(0).split("|")
        group: dict[str, Any] = {"message": code, "event": event, "follows": "", "order": {}}
        group[_HEADER] = [_HEADER, "|", *header[1:], *NONE[: max(engine.widths.get(_HEADER, 2) - len(header), 0)]]
        engine.forget()
        found: _Found = []
        clock_us = self._take(engine, lines, group, found)
        return _statement(found, kind=kind, event=event, clock_us=clock_us) if clock_us else None

    def _take(self, engine: Engine, lines: Sequence[str], group: dict[str, Any], found: _Found) -> int:
        """Every resource of these lines, and the clock of the one patient; 0 where there is none or anything is odd."""
        widths, plans = engine.widths, engine.of_message(group["message"]).plans
        clock_us = patients = 0
        current: dict[str, int] = {}
        for line in lines:
            name = line[:3]
            fields = line.split("|")
            if name == _PATIENT:
                patients += 1
            elif name in _NEVER_HERE:
                return 0
            if len(fields) < (width := widths.get(name, 2)):
                fields += NONE[: width - len(fields)]
            group[name] = fields
            for plan in plans.get(name, ()):
                if not _make(plan, fields, group, found, current):
                    continue
                if plan.clock is not None:
                    clock_us = _clock(engine, plan.clock(fields, group)) or _clock(engine, group[_HEADER][7])
            if engine.faults:
                return 0
        return clock_us if patients == 1 else 0

    def whose(self, message: Message, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> Statement | None:
        """A statement with the elements triage reads and no results; None where only the whole message tells.

        That is so where it does not speak of exactly one patient, says who is who, or anything in what was read is odd.
        """
        engine = self._maps.engine(message, timezone, rules)
        lines, read = engine.prepared(message.lines), self._names
        if not self._is_in_order:
            lines = [line for line in lines if line[:3] in read]
        names = [line[:3] for line in lines]
        if message.problems or names.count(_PATIENT) != 1 or _MERGED in names:
            return None
        kind, event = kind_of(message)
        walk = Walk(engine, kind=kind, zone=timezone).run(lines, message.delimiters.field, text="")
        if walk.problems:
            return None
        statement = assemble(walk, message=message, kind=kind, event=event)
        is_plain = statement.word is None and statement.patient is not None and statement.clock_us
        return statement if is_plain else None


def _make(plan: Plan, fields: list[str], group: dict[str, Any], found: _Found, current: dict[str, int]) -> bool:
    """What one block makes of a segment; whether there is a new resource."""
    if plan.place != "new":
        at = current.get(plan.resource)
        if at is not None:
            role, before = found[at]
            found[at] = role, plan.make(fields, group, dict(before)) or before
        return False
    if plan.gate and not plan.gate(group):
        return False
    resource = plan.make(fields, group, {"resourceType": plan.resource})
    if resource is None:
        return False
    current[plan.resource] = len(found)
    found.append((plan.item, resource))
    return True


def _clock(engine: Engine, text: str) -> int:
    """As the walk reads a clock; most are of a day of which another was read before."""
    if len(text) in (12, 14) and text.isascii() and text.isdigit():
        hour, minute, second = text[8:10], text[10:12], text[12:] or "00"
        if hour < "24" and minute < "60" and second < "60":
            midnight_us = _midnight(text[:8], engine.reader.zone)
            if midnight_us:
                return midnight_us + (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1_000_000
    moment = engine.reader.instant(text) if text else None
    return moment.utc_us if moment else 0


@lru_cache(maxsize=1024)
def _midnight(day: str, zone: ZoneInfo) -> int:
    """When a day (`20260131`) begins; 0 for no day, and for one on which the clocks are changed."""
    first, last = read_time(day + "000000", zone), read_time(day + "235959", zone)
    if first is None or last is None or first.fault or last.fault:
        return 0
    return first.utc_us if last.utc_us - first.utc_us == _LAST_SECOND_US else 0


def _statement(found: _Found, *, kind: str, event: str, clock_us: int) -> Statement | None:
    """None where it has no patient, or more than one place where the patient is."""
    statement = Statement(patient=None, event=event, kind=kind, clock_us=clock_us)
    lists: dict[ItemKind, list[Resource]] = {}
    for role, resource in found:
        if role is Role.PATIENT:
            statement.patient = resource
        elif role is Role.RELATED:
            statement.related.append(resource)
        elif role is Role.ENCOUNTER:
            if TRIAGE_ENCOUNTER in statement.context:
                return None
            statement.context[TRIAGE_ENCOUNTER] = resource
        elif role is not None:
            lists.setdefault(_LISTS[role], []).append(resource)
    for of_list, resources in lists.items():
        statement.items.append(Item(of_list, "person", clock_us, 0, event, Form.PATCH, resources))
    return statement if statement.patient is not None else None


def _is_short(segment: str, block: Block) -> bool:
    """It reads its own segment alone, makes a resource or adds to the last, and takes its clock from before the PID."""
    is_of_class = any(test._class or test.follows for test in conditions(block))
    reads = {place(path).segment for path in made_of(block)}
    clocks = {place(path).segment for path in block.clock}
    return (
        segment != _HEADER
        and block.place in ("new", "current")
        and not is_of_class
        and reads <= {segment}
        and clocks <= _BEFORE_PATIENT
    )


def _limited(block: Block) -> Block | None:
    asked = _ASKED.get(block.resource, ())
    kept = tuple(rule for rule in block.fields if rule.to.startswith(asked) and not rule.refers_to)
    if not kept:
        return None
    # Nothing is kept of these resources, so they need no key; only the patient tells when the message speaks.
    clock = block.clock if block.item is Role.PATIENT else ()
    return block.model_copy(update={"fields": kept, "key": (), "clock": clock, "once_per_key": False})
