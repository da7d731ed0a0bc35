"""The named conversions of FHIR codings: code lists, preferred systems, all codings of a concept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapter.errors import ProblemCode
from adapter.mapping.codelists import CodeLists, Normal
from adapter.mapping.csor_outcome import NOTHING, Outcome, Step, problem
from adapter.mapping.csor_rules import FieldRule

INFERRED = "urn:csor-adapter:system-inferred"


class Coded:
    """Conversions of FHIR codings."""

    def __init__(self, rule: FieldRule, *, at: str, codelists: CodeLists) -> None:
        self._at = at
        self._codelists = codelists
        self._lists = rule.code_list
        self._also = frozenset(rule.also_systems)
        self._prefer = rule.prefer_system
        self._own_systems = {name: {row.system for row in codelists.rows(name)} for name in rule.code_list}

    def listed(self, codings: Sequence[Any]) -> Outcome:
        """The first coding on one of the lists. A coding without a system is taken to be of the list's own."""
        for name in self._lists:
            for index, coding in enumerate(codings):
                row = self._row(name, coding)
                if row is not None:
                    return Outcome(row.code, (), (Step("look-up", row.place, row.code),), index, "code")
        if not any(self._is_of_the_lists(coding) for coding in codings):
            return NOTHING
        return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "not on the code list", at=self._at))

    def _is_of_the_lists(self, coding: Any) -> bool:
        """Whether a coding claims to be of the lists' systems; others mean something else and are passed over."""
        system = _text(coding, "system")
        claimed = self._also.union(*self._own_systems.values())
        return _text(coding, "code") is not None and (system is None or system in claimed)

    def _row(self, name: str, coding: Any) -> Any:
        code, system = _text(coding, "code"), _text(coding, "system")
        if code is None:
            return None
        systems = self._own_systems[name] if system is None or system in self._also else {system}
        found = (self._codelists.lookup(name, each, code) for each in sorted(systems))
        return next((row for row in found if row is not None), None)

    def all(self, codings: Sequence[Any]) -> Outcome:
        """Every coding; `listed` marks the well-formed ones of national systems."""
        kept = codes_of(codings, self._codelists)
        return Outcome(kept, (), (Step("collect", str(len(kept)), ""),)) if kept else NOTHING

    def preferred_code(self, codings: Sequence[Any]) -> Outcome:
        index, normal = self._preferred(codings)
        if normal is None:
            return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "no code of a system this field takes", at=self._at))
        steps = (Step("normalise", normal.system, normal.code),)
        return Outcome(normal.code, (), steps, index, "code")

    def preferred_system(self, codings: Sequence[Any]) -> Outcome:
        index, normal = self._preferred(codings)
        if normal is None:
            return NOTHING
        steps = (Step("table", self._codelists.place_of(normal.system), normal.system),)
        return Outcome(normal.system, (), steps, index, "system")

    def system_inferred(self, codings: Sequence[Any]) -> Outcome:
        """Whether the system of the preferred code was supplied by the segment and not by the sender."""
        index, normal = self._preferred(codings)
        if normal is None or not _is_inferred(codings[index]):
            return NOTHING
        text = "the sender names no code system; it was taken from the segment"
        found = problem(ProblemCode.SYSTEM_INFERRED, text, at=self._at)
        return Outcome(True, found, (Step("present", INFERRED, "true"),), index, "extension")

    def _preferred(self, codings: Sequence[Any]) -> tuple[int, Normal | None]:
        normals = [self._codelists.normal(_text(coding, "system"), _text(coding, "code")) for coding in codings]
        for system in self._prefer:
            for index, normal in enumerate(normals):
                if normal is not None and normal.system == system:
                    return index, normal
        return 0, None


def codes_of(codings: Iterable[Any], codelists: CodeLists) -> list[dict[str, Any]]:
    """The codings of a concept as a row keeps them: not those that may be a patient's words or numbers."""
    return [code_of(coding, codelists) for coding in codings if is_kept(coding, codelists)]


def is_kept(coding: Any, codelists: CodeLists) -> bool:
    """Whether a row keeps a coding at all."""
    return _text(coding, "code") is not None and not codelists.is_denied(_text(coding, "system"))


def code_of(coding: Mapping[str, Any], codelists: CodeLists) -> dict[str, Any]:
    """A coding as a row keeps it."""
    system, code = _text(coding, "system"), _text(coding, "code")
    normal = codelists.normal(system, code)
    if normal is not None:
        system, code = normal.system, normal.code
    return {"system": system, "code": code, "display": _text(coding, "display"), "listed": normal is not None}


def _is_inferred(coding: Mapping[str, Any]) -> bool:
    extensions = coding.get("extension")
    return isinstance(extensions, list) and any(
        isinstance(each, dict) and each.get("url") == INFERRED and each.get("valueBoolean") is True
        for each in extensions
    )


def _text(coding: Any, key: str) -> str | None:
    value = coding.get(key) if isinstance(coding, dict) else None
    return value.strip() or None if isinstance(value, str) else None
