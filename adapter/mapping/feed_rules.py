"""How one feed uses HL7 v2 where the standard leaves it open, or where the sender does not follow it.

The maps say what a field becomes; these rules say what its sender means by an empty one, by a shorter list, by `""`,
and put what stands in the wrong place into the right one before the maps see it (`adapter.mapping.feed_edits`).
They stand in the trust file (`reading:` of a source) over the vendor's facts, and go with every message of the feed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from adapter.mapping.rules import Place

ListRule: TypeAlias = Literal["snapshot", "action"]
"""snapshot: the segments of a message are the whole list; action: only what is named changes (behaviours 97, 128)."""

LIST_RULES: Mapping[str, ListRule] = {"DG1": "snapshot", "PR1": "snapshot", "OBX": "action"}
"""What holds unless a feed says otherwise (HL7 UK A.3: simple repeats are a snapshot)."""


class StripPrefix(NamedTuple):
    """`N39990001234` is `9990001234`: at the place, or in the first component of every repetition."""

    at: Place
    prefixes: tuple[str, ...]


class Move(NamedTuple):
    """Every repetition of one field becomes one of another: `PID-19` an identifier in `PID-3`, unless it is there."""

    source: Place
    target: Place
    authority: str = ""
    """With `type`, what CX.4 and CX.5 become; the value alone is moved."""
    type: str = ""
    pattern: str = ""
    """Only values that this regular expression matches as a whole."""


class TakeOut(NamedTuple):
    """What stands between two marks in a component becomes a field: of `NH{status:01}` the `01` is `PID-32`."""

    at: Place
    after: str
    before: str
    target: Place


class Choose(NamedTuple):
    """Of the repetitions of a field (CX) those that fit, or all the others."""

    at: Place
    keeps: bool
    authorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    only_if_any: bool = False
    """Where none fits, all stay."""


class DropEmpty(NamedTuple):
    """Repetitions without any value (`123~`, `^^^^MR`) are left out; a type or an authority alone is no value."""

    at: Place


class Blank(NamedTuple):
    """Placeholders such as `(000)000-0000` or 19000101: a repetition that begins with one says nothing."""

    at: Place
    values: tuple[str, ...]


class LeaveOut(NamedTuple):
    """A field that this feed fills with what is known to be wrong is not read."""

    at: Place


class Put(NamedTuple):
    """A whole field is read from somewhere else where that is valued: `ZU1-27` as `PID-32`, `PID-18` as `PV1-19`."""

    source: Place
    target: Place


class DeathUndone(NamedTuple):
    """Words in PID-29, in any case, that take a death back; read as PID-30 `N` (behaviour 122)."""

    words: tuple[str, ...]


Edit: TypeAlias = StripPrefix | Move | TakeOut | Choose | DropEmpty | Blank | LeaveOut | Put | DeathUndone


class Silence(NamedTuple):
    """What `\"\"` and an empty field say at one place; None: as the feed says.

    A field is replaced whole. So of a component: where it is `\"\"` (or empty), `ignore` (or `keep`) leaves the whole
    field as it was, and `clear` empties it. Without such a rule the new value simply has no such component.
    """

    at: Place
    null: Literal["clear", "ignore"] | None = None
    empty: Literal["keep", "clear"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRules:
    """Frozen and hashable: part of what an engine is compiled for."""

    null: Literal["clear", "ignore"] = "clear"
    """What `\"\"` does: deletes the value (HL7 v2.5.1 §2.5.3), or nothing."""
    empty: Literal["keep", "clear"] = "keep"
    """What an empty field of the patient and the visit does: leaves the value as it was, or deletes it."""
    exceptions: tuple[Silence, ...] = ()
    lists: tuple[tuple[str, ListRule], ...] = ()
    """By segment, where it differs from `LIST_RULES`."""
    status_precedence: Literal["obx", "obr"] = "obx"
    """Which status holds where OBX-11 and OBR-25 disagree (behaviour 127)."""
    documents: Literal["drop", "keep-inside"] = "drop"
    """What becomes of a PDF in a message; it is never sent on (behaviour 132)."""
    encoding: str | None = None
    """The character set the feed really uses, whatever MSH-18 says (behaviour 91)."""
    time_formats: tuple[str, ...] = ()
    """Further ways in which times are written, as `datetime.strptime` names them; tried after HL7's own."""
    edits: tuple[Edit, ...] = ()
    """What is put right in a message before the maps read it, in this order."""

    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        # Asked with every message: an engine is found by it.
        read = (self.null, self.empty, self.exceptions, self.lists, self.status_precedence, self.documents)
        object.__setattr__(self, "_hash", hash((read, self.encoding, self.time_formats, self.edits)))

    def __hash__(self) -> int:
        return self._hash

    def list_rule(self, segment: str) -> ListRule:
        """How a list of that segment is meant."""
        return dict(self.lists).get(segment) or LIST_RULES[segment]


STANDARD = FeedRules()
"""As the standard reads; what `convert` uses without a vendor."""
