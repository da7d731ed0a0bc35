"""How one feed uses HL7 v2 where the standard leaves it open, or where the sender does not follow it.

The maps say what a field becomes; these rules say what its sender means by an empty one, by a shorter list, by `""`.
They stand in the trust file (`reading:` of a source) over the vendor's facts, and go with every message of the feed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ListRule: TypeAlias = Literal["snapshot", "action"]
"""snapshot: the segments of a message are the whole list; action: only what is named changes (behaviours 97, 128)."""

LIST_RULES: Mapping[str, ListRule] = {"DG1": "snapshot", "PR1": "snapshot", "OBX": "action"}
"""What holds unless a feed says otherwise (HL7 UK A.3: simple repeats are a snapshot)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRules:
    """Frozen and hashable: part of what an engine is compiled for."""

    null: Literal["clear", "ignore"] = "clear"
    """What `\"\"` does: deletes the value (HL7 v2.5.1 §2.5.3), or nothing."""
    empty: Literal["keep", "clear"] = "keep"
    """What an empty field does: leaves the value as it was, or deletes it."""
    lists: tuple[tuple[str, ListRule], ...] = ()
    """By segment, where it differs from `LIST_RULES`."""
    status_precedence: Literal["obx", "obr"] = "obx"
    """Which status holds where OBX-11 and OBR-25 disagree (behaviour 127)."""
    documents: Literal["drop", "keep-inside"] = "drop"
    """What becomes of a PDF in a message; it is never sent on (behaviour 132)."""
    encoding: str | None = None
    """The character set the feed really uses, whatever MSH-18 says (behaviour 91)."""

    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        # Asked with every message: an engine is found by it.
        parts = (self.null, self.empty, self.lists, self.status_precedence, self.documents, self.encoding)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    def list_rule(self, segment: str) -> ListRule:
        """How a list of that segment is meant."""
        return dict(self.lists).get(segment) or LIST_RULES[segment]


STANDARD = FeedRules()
"""As the standard reads; what `convert` uses without a vendor."""
