"""Whose a v2 message is and where the patient stands, read before any order or result: all that triage asks.

The same rules as the whole translation, but only of the elements that triage reads. Most messages of a hospital are not
about children of the study; their results are never translated (behaviour 135).
"""

from dataclasses import replace
from zoneinfo import ZoneInfo

from adapter.hl7v2.message import Message
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.rules import Block
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_pieces import conditions
from adapter.mapping.v2_to_fhir import V2Maps, assemble, kind_of
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

_PATIENT, _MERGED = "PID", "MRG"


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
        self._names = frozenset({_MERGED, *self._maps.compiled.widths})
        self._is_in_order = any(test.follows for _, _, block in blocks for test in conditions(block))
        """Some rule asks what stands before a segment: then none may be left out."""

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


def _limited(block: Block) -> Block | None:
    asked = _ASKED.get(block.resource, ())
    kept = tuple(rule for rule in block.fields if rule.to.startswith(asked) and not rule.refers_to)
    if not kept:
        return None
    # Nothing is kept of these resources, so they need no key; only the patient tells when the message speaks.
    clock = block.clock if block.item is Role.PATIENT else ()
    return block.model_copy(update={"fields": kept, "key": (), "clock": clock, "once_per_key": False})
