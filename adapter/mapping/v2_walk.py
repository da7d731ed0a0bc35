"""Walks a message's segments in order, keeps what belongs together (a visit, an order and its results), runs the rules.

HL7 v2 says by position what belongs to what: an OBX to the OBR before it, an NTE to the segment before it.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from adapter.assertion import Item
from adapter.errors import Problem
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_engine import AHEAD, NONE, Engine, Made, Plan, Recalled, located

_FORGOTTEN = {
    "PID": ("PV1", "PV2", "ORC", "OBR", "OBX", "SPM", "MRG"),
    "ORC": ("OBR", "OBX", "SPM"),
    "OBR": ("OBX", "SPM"),
}
"""What a new segment ends."""

_PHARMACY = ("RXE", "RXA", "RXR", "TQ1")
"""What a new order ends in a message about drugs."""

REMEMBERED_LINES = 2048
LONGEST_LINE = 4000
"""A longer segment holds a document; remembering it would only fill memory."""


class Walk:
    """One walk over one message."""

    __slots__ = (
        "adding",
        "aside",
        "clock_text",
        "clock_us",
        "counts",
        "current",
        "engine",
        "expected",
        "group",
        "is_taken",
        "looking",
        "made",
        "order_is_open",
        "plans",
        "problems",
        "refer",
        "specimens_lead",
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
        self.group: dict[str, Any] = {"message": code, "event": event, "follows": "", "order": {}}
        """Segments by name, and under `order` what was found out about the order in hand."""
        self.plans, self.looking, self.aside, self.adding = engine.of_message(code)
        self.current: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.order_is_open = False
        self.is_taken = False
        """Whether an OBR has joined the order in hand already."""
        self.expected = ""
        """The name of the specimen (SPM) that is to come and is referred to already."""
        self.specimens_lead = False
        """Whether each SPM stands before the orders of its specimen (OUL^R22-R24, OML^O33, O35)."""
        self.clock_text, self.clock_us = "", 0

    def run(self, lines: Sequence[str], separator: str, *, text: str = "SPM") -> "Walk":
        """Every segment in order. `text` is the whole message, where it is at hand."""
        # What a message left behind that failed half-way must not be told of this one.
        self.engine.forget()
        runs = {} if self.refer else self.engine.runs
        widths, group = self.engine.widths, self.group
        has_specimens = "SPM" in text and "SPM" in widths and any(line.startswith("SPM") for line in lines)
        if has_specimens:
            self.specimens_lead = _specimens_lead(lines)
        index, end = 0, len(lines)
        while index < end:
            line = lines[index]
            name = line[:3]
            in_runs = runs.get(name)
            if in_runs is not None and (after := self._run(in_runs, lines, index, separator)) > index:
                index = after
                group["follows"] = name
                continue
            if name in _FORGOTTEN:
                self._forget(name)
                if name == "OBR" and has_specimens and not self.specimens_lead:
                    self._expect_specimen(lines, index)
            if name in self.looking:
                self._look_ahead(name, lines, index, separator)
            if name in widths:
                self._segment(name, line, index, separator)
                if self.engine.faults:
                    self.tell(lines, index)
            if name != "NTE":
                group["follows"] = name
            index += 1
        return self

    def _run(self, plan: Plan, lines: Sequence[str], index: int, separator: str) -> int:
        """A run of segments in one loop; the index is as it was where no plan is for this order."""
        first = len(self.made)
        after = plan.many(self, plan, lines, index, separator) if plan.many else index
        if len(self.made) > first:
            self.current[plan.resource] = len(self.made) - 1
        if after == index and (adds := self.adding.get(lines[index][:3])) and adds.many:
            return adds.many(self, adds, lines, index, separator)
        return after

    def _segment(self, name: str, line: str, index: int, separator: str) -> None:
        if name in self.engine.lonely and self._all_recalled(name, line, index):
            return
        group, made = self.group, self.made
        if name in self.aside:
            group[name] = line
            return
        fields = line.split(separator)
        if name == "MSH":
            fields.insert(1, separator)
        width = self.engine.widths[name]
        if len(fields) < width:
            fields += NONE[: width - len(fields)]
        group[name] = fields
        for plan in self.plans.get(name, ()):
            if plan.place != "new" and self._adds(plan):
                self._add_to(plan, fields)
                continue
            if plan.gate and not plan.gate(group):
                continue
            resource, key = self._recalled(plan, fields, line)
            if resource is None or (plan.is_once and not self.refer and self._is_held(plan, key)):
                self.take_cleared()
                continue
            self.current[plan.resource] = len(made)
            rank = plan.ranks.get(plan.rank(fields, group), 0) if plan.rank else 0
            named = self._named(plan) if self.refer or plan.is_named else ""
            clock_us = self.clock(plan, fields)
            made.append(Made(plan, resource, index, key, clock_us, rank, self.take_cleared(resource), named))

    def _is_held(self, plan: Plan, key: str) -> bool:
        """Whether this message has made the resource of that key; what follows then belongs to it."""
        for at, made in enumerate(self.made):
            if isinstance(made, Made) and made.plan is plan and made.key == key:
                self.current[plan.resource] = at
                return True
        return False

    def _adds(self, plan: Plan) -> bool:
        return plan.place == "current" or (self.order_is_open and plan.resource in self.current)

    def _all_recalled(self, name: str, line: str, index: int) -> bool:
        """What a segment that nothing else reads made before: the line is not even split."""
        if self.refer:
            return False
        found = []
        for plan in self.plans[name]:
            known = plan.remembered.get((line, plan.around(self.group))) if plan.remembered is not None else None
            if known is None:
                return False
            found.append((plan, known))
        if name in self.engine.held:
            self.group[name] = line
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

    def take_cleared(self, resource: dict[str, Any] | None = None) -> tuple[str, ...]:
        """The paths that the segment in hand cleared with `\"\"`; not those that another of its fields fills."""
        if not self.engine.cleared:
            return ()
        cleared = tuple(path for path in dict.fromkeys(self.engine.cleared) if not _holds(resource or {}, path))
        self.engine.cleared.clear()
        return cleared

    def _add_to(self, plan: Plan, fields: list[str]) -> None:
        """Adds to a copy of the resource in hand, which may be shared with other messages."""
        at = self.current.get(plan.resource)
        if at is None:
            return
        resource = plan.make(fields, self.group, self.copied(at))
        cleared = self.take_cleared(resource)
        if resource is not None:
            self.put_back(at, resource, cleared)

    def copied(self, at: int) -> dict[str, Any]:
        """The resource made there, to be added to."""
        made = self.made[at]
        return dict(made.resource if isinstance(made, Made) else made.resources[0])

    def put_back(self, at: int, resource: dict[str, Any], cleared: tuple[str, ...]) -> None:
        """The resource in the place of what it was before, with what was cleared since."""
        made = self.made[at]
        if isinstance(made, Made):
            self.made[at] = made._replace(resource=resource, cleared=made.cleared + cleared)
        else:
            self.made[at] = msgspec.structs.replace(made, resources=[resource], cleared=made.cleared + cleared)

    def _named(self, plan: Plan) -> str:
        if self.expected and plan.compiled.segment == "SPM":
            name, self.expected = self.expected, ""
            return name
        name = self._next_name(plan.resource)
        if self.refer and plan.block.only_in_bundle and plan.resource == "Specimen":
            return name  # no result is made to mean a specimen that nobody describes
        # Whom MRG names is not whom the message is about.
        if plan.item is not Role.PRIOR and (plan.resource != "Specimen" or not self.expected):
            self._refer_to(plan.resource, name)
        return name

    def _next_name(self, kind: str) -> str:
        number = self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}/{number}"

    def _refer_to(self, kind: str, name: str) -> None:
        self.group[">" + kind] = {"reference": self.refer(name) if self.refer else name}

    def _forget(self, name: str) -> None:
        if not self.made and name == "PID":
            return
        for gone in _FORGOTTEN[name]:
            if gone != "SPM" or not self.specimens_lead:
                self.group.pop(gone, None)
        self.group["order"] = {}
        if name == "ORC":
            self.order_is_open = False
            self.is_taken = False
            for gone in _PHARMACY if self.looking else ():
                self.group.pop(gone, None)
            self.current.pop("ServiceRequest", None)
        if name == "OBR":
            self.order_is_open = "ORC" in self.group and not self.is_taken
            if self.is_taken:
                self.group.pop("ORC", None)
            self.is_taken = self.order_is_open
            for gone in ("Observation", "Specimen", "DiagnosticReport"):
                self.current.pop(gone, None)
            if not self.specimens_lead:
                self.group.pop(">Specimen", None)
        else:
            self.order_is_open = False

    def _expect_specimen(self, lines: Sequence[str], index: int) -> None:
        """In ORU^R01 the SPM of a group follows its results, which refer to it and not to what OBR says of one."""
        for line in lines[index + 1 :]:
            if line[:3] in ("OBR", "ORC"):
                return
            if line[:3] == "SPM":
                self.expected = self._next_name("Specimen")
                self._refer_to("Specimen", self.expected)
                return

    def _look_ahead(self, name: str, lines: Sequence[str], index: int, separator: str) -> None:
        """Puts into the group what belongs to this segment and follows it."""
        wanted, ends = AHEAD[name]
        if self.group["follows"] == "RXR" and "RXA" in self.group:
            self.group.pop("RXR", None)  # it was the route of what was given before
        found = set()
        for line in lines[index + 1 :]:
            if line[:3] in ends:
                return
            if line[:3] in wanted and line[:3] not in found:
                found.add(line[:3])
                fields = line.split(separator)
                width = self.engine.widths.get(line[:3], 2)
                self.group[line[:3]] = fields + NONE[: max(width - len(fields), 0)]

    def clock(self, plan: Plan, fields: list[str]) -> int:
        """Source clock of what this segment says; MSH-7 where its own is missing or unreadable."""
        if plan.clock is None:
            return 0
        text = plan.clock(fields, self.group)
        if text and text == self.clock_text:
            return self.clock_us
        read = self.engine.reader.instant
        moment = read(text) if text else None
        if moment is None and (text := self.group.get("MSH", NONE)[7]):
            moment = read(text)
        self.clock_text, self.clock_us = text, moment.utc_us if moment else 0
        return self.clock_us

    def tell(self, lines: Sequence[str], index: int) -> None:
        """Turn the faults of the segment in hand into problems with their place."""
        self.problems += located(self.engine.faults, [line[:3] for line in lines[: index + 1]])
        self.engine.faults.clear()


def _holds(resource: dict[str, Any], path: str) -> bool:
    for name in path.split("."):
        if not isinstance(resource, dict) or name not in resource:
            return False
        resource = resource[name]
    return True


def _specimens_lead(lines: Sequence[str]) -> bool:
    """An SPM before the first order is not behind its results, as in ORU^R01."""
    return next((line[:3] == "SPM" for line in lines if line[:3] in ("SPM", "OBR")), False)
