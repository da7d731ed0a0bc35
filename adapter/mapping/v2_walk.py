"""Walks a message's segments in order, keeps what belongs together (a visit, an order and its results), runs the rules.

HL7 v2 says by position what belongs to what: an OBX to the OBR before it, an NTE to the segment before it.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from adapter.assertion import Item
from adapter.errors import Problem
from adapter.hl7v2.timestamps import read_time
from adapter.mapping.v2_engine import NONE, Engine, Made, Plan, Recalled, located

_FORGOTTEN = {
    "PID": ("PV1", "PV2", "ORC", "OBR", "OBX", "SPM", "MRG"),
    "ORC": ("OBR", "OBX", "SPM"),
    "OBR": ("OBX", "SPM"),
}
"""What a new segment ends."""

REMEMBERED_LINES = 2048
LONGEST_LINE = 4000
"""A longer segment holds a document; remembering it would only fill memory."""


class Walk:
    """One walk over one message."""

    __slots__ = (
        "clock_text",
        "clock_us",
        "counts",
        "current",
        "engine",
        "group",
        "made",
        "order_is_open",
        "problems",
        "refer",
        "zone",
    )

    def __init__(self, engine: Engine, *, kind: str, zone: ZoneInfo, refer: Callable[[str], str] | None = None) -> None:
        """`refer` turns `Patient/1` into the reference text; without it only context resources are named."""
        self.engine = engine
        self.zone = zone
        self.refer = refer
        self.made: list[Made | Item] = []
        self.problems: list[Problem] = []
        code, _, event = kind.partition("^")
        self.group: dict[str, Any] = {"message": code, "event": event, "follows": ""}
        self.current: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.order_is_open = False
        self.clock_text, self.clock_us = "", 0

    def run(self, lines: Sequence[str], separator: str) -> "Walk":
        """Every segment in order."""
        # What a message left behind that failed half-way must not be told of this one.
        self.engine.forget()
        runs = {} if self.refer else self.engine.runs
        widths, group = self.engine.widths, self.group
        has_specimens = "SPM" in widths and any(line.startswith("SPM") for line in lines)
        index, end = 0, len(lines)
        while index < end:
            line = lines[index]
            name = line[:3]
            in_runs = runs.get(name)
            if in_runs is not None and in_runs.many is not None:
                first = len(self.made)
                index = in_runs.many(self, in_runs, lines, index, separator)
                if len(self.made) > first:
                    self.current[in_runs.resource] = len(self.made) - 1
                group["follows"] = name
                continue
            if name in _FORGOTTEN:
                self._forget(name)
                if name == "OBR" and has_specimens:
                    self._expect_specimen(lines, index)
            if name in widths:
                self._segment(name, line, index, separator)
                if self.engine.faults:
                    self.tell(lines, index)
            if name != "NTE":
                group["follows"] = name
            index += 1
        return self

    def _segment(self, name: str, line: str, index: int, separator: str) -> None:
        if name in self.engine.lonely and self._all_recalled(name, line, index):
            return
        group, made = self.group, self.made
        fields = line.split(separator)
        if name == "MSH":
            fields.insert(1, separator)
        width = self.engine.widths[name]
        if len(fields) < width:
            fields += NONE[: width - len(fields)]
        group[name] = fields
        for plan in self.engine.plans.get(name, ()):
            if plan.place != "new" and self._adds(plan):
                self._add_to(plan, fields)
                continue
            resource, key = self._recalled(plan, fields, line)
            if resource is None:
                self.take_cleared()
                continue
            self.current[plan.resource] = len(made)
            rank = plan.ranks.get(plan.rank(fields, group), 0) if plan.rank else 0
            named = self._named(plan) if self.refer or plan.is_named else ""
            clock_us = self.clock(plan, fields)
            made.append(Made(plan, resource, index, key, clock_us, rank, self.take_cleared(), named))

    def _adds(self, plan: Plan) -> bool:
        return plan.place == "current" or (self.order_is_open and plan.resource in self.current)

    def _all_recalled(self, name: str, line: str, index: int) -> bool:
        """What a segment that nothing else reads made before: the line is not even split."""
        if self.refer:
            return False
        found = []
        for plan in self.engine.plans[name]:
            known = plan.remembered.get((line, plan.around(self.group))) if plan.remembered is not None else None
            if known is None:
                return False
            found.append((plan, known))
        for plan, (resource, key) in found:
            if resource is not None:
                self.current[plan.resource] = len(self.made)
                self.made.append(Made(plan, resource, index, key, self.clock(plan, NONE), 0, (), ""))
        return True

    def _recalled(self, plan: Plan, fields: list[str], line: str) -> Recalled:
        """The resource, and its key, that the same line made before in the same surroundings."""
        remembered = plan.remembered
        if remembered is None:
            return self._fresh(plan, fields)
        surroundings = (line, plan.around(self.group))
        found = remembered.get(surroundings)
        if found is None:
            found = self._fresh(plan, fields)
            if len(line) <= LONGEST_LINE and not self.engine.cleared and not self.engine.faults:
                if len(remembered) >= REMEMBERED_LINES:
                    remembered.clear()
                remembered[surroundings] = found
        if plan.key and plan.is_key_shared:
            return found[0], plan.key(fields, self.group)
        return found

    def _fresh(self, plan: Plan, fields: list[str]) -> Recalled:
        resource = plan.make(fields, self.group, {"resourceType": plan.resource})
        return resource, plan.key(fields, self.group) if resource and plan.key else ""

    def take_cleared(self) -> tuple[str, ...]:
        """The paths that the segment in hand cleared with `\"\"`."""
        if not self.engine.cleared:
            return ()
        cleared = tuple(self.engine.cleared)
        self.engine.cleared.clear()
        return cleared

    def _add_to(self, plan: Plan, fields: list[str]) -> None:
        """Adds to a copy of the resource in hand, which may be shared with other messages."""
        at = self.current.get(plan.resource)
        if at is None:
            return
        made = self.made[at]
        before = made.resource if isinstance(made, Made) else made.resources[0]
        resource = plan.make(fields, self.group, dict(before))
        cleared = made.cleared + self.take_cleared()
        if resource is None:
            return
        if isinstance(made, Made):
            self.made[at] = made._replace(resource=resource, cleared=cleared)
        else:
            self.made[at] = msgspec.structs.replace(made, resources=[resource], cleared=cleared)

    def _named(self, plan: Plan) -> str:
        kind = plan.resource
        number = self.counts[kind] = self.counts.get(kind, 0) + 1
        name = f"{kind}/{number}"
        self.group[">" + kind] = {"reference": self.refer(name) if self.refer else name}
        return name

    def _forget(self, name: str) -> None:
        for gone in _FORGOTTEN[name]:
            self.group.pop(gone, None)
        for gone in self.engine.keys:
            self.group.pop(gone, None)
        if name == "ORC":
            self.order_is_open = False
            self.current.pop("ServiceRequest", None)
        if name == "OBR":
            self.order_is_open = "ORC" in self.group and not self._is_taken()
            if self.order_is_open:
                self.group["OBR taken"] = self.group["ORC"]
            elif self._is_taken():
                self.group.pop("ORC", None)
            for gone in ("Observation", "Specimen"):
                self.current.pop(gone, None)
            self.group.pop(">Specimen", None)
        else:
            self.order_is_open = False

    def _is_taken(self) -> bool:
        """Whether an OBR has joined the order in hand already."""
        return "ORC" in self.group and self.group.get("OBR taken") is self.group["ORC"]

    def _expect_specimen(self, lines: Sequence[str], index: int) -> None:
        """In ORU^R01 the SPM of a group follows its results, which refer to it."""
        for line in lines[index + 1 :]:
            if line[:3] in ("OBR", "ORC"):
                return
            if line[:3] == "SPM":
                name = f"Specimen/{self.counts.get('Specimen', 0) + 1}"
                self.group[">Specimen"] = {"reference": self.refer(name) if self.refer else name}
                return

    def clock(self, plan: Plan, fields: list[str]) -> int:
        """Source clock of what this segment says; MSH-7 where its own is missing or unreadable."""
        if plan.clock is None:
            return 0
        text = plan.clock(fields, self.group)
        if text and text == self.clock_text:
            return self.clock_us
        moment = read_time(text, self.zone) if text else None
        if moment is None and (text := self.group.get("MSH", NONE)[7]):
            moment = read_time(text, self.zone)
        self.clock_text, self.clock_us = text, moment.utc_us if moment else 0
        return self.clock_us

    def tell(self, lines: Sequence[str], index: int) -> None:
        """Turn the faults of the segment in hand into problems with their place."""
        self.problems += located(self.engine.faults, [line[:3] for line in lines[: index + 1]])
        self.engine.faults.clear()
