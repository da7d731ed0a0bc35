"""Reads the parameters of a search as the server understands them, or refuses it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adapter.simulator.fhir_outcomes import Note, Refused, refused
from adapter.simulator.fhir_parameters import INCLUDES, PARAMETERS, BadValue, compiled
from adapter.simulator.fhir_rules import Asked, Breach, Parameters, Rule, not_together, patient_needed
from adapter.simulator.fhir_settings import Settings, Sizes, Unknown
from adapter.simulator.fhir_versions import Resource

_SORTS = frozenset({"_lastUpdated", "-_lastUpdated", "_id"})
_WITH_IDS = frozenset({"_id", "_count", "_include", "_revinclude", "_format"})
NEWEST = "-clinical"
"""Not asked for by anybody: the order of servers that show the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search as the server understood it."""

    resource_type: str
    filters: tuple[Callable[[Resource], bool], ...]
    patient_id: str | None
    sort: str
    count: int
    includes: tuple[str, ...]
    used: Parameters
    ignored: tuple[str, ...]
    is_counted_only: bool = False
    breach: Breach | None = None
    """What was wrong with it, though it is answered."""

    @property
    def is_by_id(self) -> bool:
        """Whether ids were asked for."""
        return any(name == "_id" for name, _ in self.used)


def understood(asked: Asked, settings: Settings) -> Search:
    """The parameters as a search. Raises Refused for what the server does not take."""
    known = _known(asked, settings)
    used, ignored = _told_apart(asked, known, settings)
    breach = _ignored_breach(asked, ignored)
    if breach is not None and settings.on_unknown is Unknown.REFUSE and not _is_overridden(asked, settings):
        raise against(breach, settings)
    heeded = Asked(resource_type=asked.resource_type, parameters=used)
    for rule in _rules(settings):
        if (found := rule(heeded)) is not None:
            raise against(found, settings)
    return Search(
        resource_type=asked.resource_type,
        filters=tuple(_filters(heeded)),
        patient_id=_patient_id(used),
        sort=_sort(used, settings),
        count=_count(heeded, settings),
        includes=tuple(_includes(heeded)),
        used=used,
        ignored=ignored,
        is_counted_only=("_summary", "count") in used or ("_count", "0") in used,
        breach=breach,
    )


def against(breach: Breach, settings: Settings) -> Refused:
    """The refusal of what breaks a rule."""
    codes = settings.mode.codes
    severity = "fatal" if breach.vendor_code else "error"
    note = Note(breach.code, breach.text, severity, breach.vendor_code, codes.system if breach.vendor_code else "")
    return Refused(breach.status, note, breach=breach)


def _rules(settings: Settings) -> Iterator[Rule]:
    yield from settings.mode.rules
    yield patient_needed(settings.patient_needed)
    for pair in settings.exclusive:
        yield not_together(pair)


def _known(asked: Asked, settings: Settings) -> frozenset[str]:
    simulated = PARAMETERS.get(asked.resource_type)
    if simulated is None:
        raise refused(404, "not-supported", f"unknown resource type {asked.resource_type}")
    served = settings.mode.parameters
    if served is None:
        return frozenset(simulated)
    if asked.resource_type not in served:
        text = f"{asked.resource_type} is not served"
        raise against(Breach("type-not-served", asked.resource_type, text, "not-supported", status=404), settings)
    return served[asked.resource_type]


def _told_apart(asked: Asked, known: frozenset[str], settings: Settings) -> tuple[Parameters, tuple[str, ...]]:
    """What the server heeds, and the names of what it does not."""
    heeded = known | settings.mode.controls
    if _is_overridden(asked, settings):
        heeded &= _WITH_IDS
    used, ignored = [], list(asked.overlooked)
    for name, value in asked.parameters:
        is_heeded = name in heeded and (name != "_include" or _is_included(value, settings))
        if is_heeded:
            used.append((name, value))
        else:
            ignored.append(name)
    return used, tuple(ignored)


def _is_overridden(asked: Asked, settings: Settings) -> bool:
    return settings.mode.id_overrides and "_id" in asked.names


def _is_included(value: str, settings: Settings) -> bool:
    """Where the server names its includes, it overlooks the others; else a wrong one is refused later."""
    return settings.mode.includes is None or value in settings.mode.includes


def _ignored_breach(asked: Asked, ignored: tuple[str, ...]) -> Breach | None:
    if not ignored:
        return None
    row = "_lastUpdated" if "_lastUpdated" in ignored else "200 with OperationOutcome"
    text = f"unknown search parameter {ignored[0]} for {asked.resource_type}"
    return Breach("unknown-parameter", row, text, "not-supported")


def _filters(asked: Asked) -> Iterator[Callable[[Resource], bool]]:
    known = PARAMETERS[asked.resource_type]
    for name, value in asked.parameters:
        if name in known:
            try:
                yield compiled(known[name], value)
            except BadValue:
                raise refused(400, "value", f"the value of {name} is not as FHIR writes it") from None


def _patient_id(used: Parameters) -> str | None:
    """Of the one patient that is asked for, so that only what is theirs is looked through."""
    values = [value.removeprefix("Patient/") for name, value in used if name in {"patient", "subject"}]
    return values[0] if len(values) == 1 and not set(values[0]) & {",", "/"} else None


def _sort(used: Parameters, settings: Settings) -> str:
    sorts = [value for name, value in used if name == "_sort"]
    if not sorts and settings.mode.is_newest_first:
        return "-_lastUpdated" if any(name == "_lastUpdated" for name, _ in used) else NEWEST
    if not sorts:
        return settings.default_sort
    if sorts[0] not in _SORTS:
        raise refused(400, "not-supported", f"cannot sort by {sorts[0]}")
    return sorts[0]


def _count(asked: Asked, settings: Settings) -> int:
    sizes = page_sizes(asked.resource_type, settings)
    counts = asked.values("_count")
    if not counts:
        return sizes.default
    if not counts[0].isdigit():
        raise refused(400, "value", "_count is not a number")
    # A server may give fewer than it was asked for, never more (R4 §3.1.1.5.3).
    return max(1, min(int(counts[0]), sizes.limit))


def page_sizes(resource_type: str, settings: Settings) -> Sizes:
    """How many resources of a type stand on a page."""
    return settings.mode.pages.get(resource_type, Sizes(settings.page_size, settings.page_size_limit))


def _includes(asked: Asked) -> Iterator[str]:
    for name, value in asked.parameters:
        if name == "_include":
            is_of_type = value.startswith(f"{asked.resource_type}:")
            path = INCLUDES.get(":".join(value.split(":")[:2])) if is_of_type else None
            if path is None:
                raise refused(400, "not-supported", f"cannot include {value}")
            yield path
