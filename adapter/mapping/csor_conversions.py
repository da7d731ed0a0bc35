"""The named conversions from FHIR values to fields of a row. Each returns the value, the problems, and the steps taken.

A step says what was done, with which argument, and what came out, so that somebody without this program can do the same
to the source value and get the stored one. The names of steps are a closed list:

    take         the text without blanks around it
    offset       `Z` at the end is written `+00:00`
    local-time   the offset of that time zone (argument) at that moment is written after it
    precision    year, month, day or minute, by the length of the text
    table        the line of the mapping file (argument) has the text on its left and the result on its right
    look-up      the line of the list or table (argument) has the code and the result
    normalise    the normal form of a code of that system (argument; rules in `codelists`)
    number, integer, flag   the JSON value as it is
    present      true, because there is a value
    collect      every coding, as many as the argument says
    constant     the result, whatever the source says (argument: why)
    comparator   the comparator before the number        after-comparator   the number after it
    join         argument and text written together
    multiply     the number times the argument           ph   9 − log10 of the number, three decimals
    plausible    whether the number lies outside the range of the argument
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapter.errors import Problem, ProblemCode
from adapter.mapping.codelists import CodeLists, Normal
from adapter.mapping.csor_rules import As, FieldRule

_TIME = re.compile(
    r"(?P<day>\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?)"
    r"(?:T(?P<clock>(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)(?P<offset>Z|[+-]\d\d:\d\d)?)?\Z"
)
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?\Z")
INFERRED = "urn:csor-adapter:system-inferred"


class Step(NamedTuple):
    """One thing done on the way from the source value to the field."""

    name: str
    argument: str
    result: str


class Outcome(NamedTuple):
    """What a conversion gives."""

    value: Any
    problems: tuple[Problem, ...] = ()
    steps: tuple[Step, ...] = ()
    used: int | None = None
    """Which of several values was used."""
    leaf: str = ""
    """Which element of the value was used (`code` of a coding)."""


Convert = Callable[[Any], Outcome]
"""From one value, or from the list of all values for the conversions of `ALL_VALUES`."""

NOTHING = Outcome(None)


def conversion(rule: FieldRule, *, at: str, codelists: CodeLists, timezone: ZoneInfo) -> Convert:
    """The conversion of a rule, ready for use; `at` names the FHIR element in problems."""
    file = rule._file.rpartition("/")[2]
    table = Table(rule.table, at=at, place=f"{file}:{rule._line}")
    coded = Coded(rule, at=at, codelists=codelists)
    simple: Mapping[As, Convert] = {
        As.WORD: lambda value: _word(value, at=at),
        As.FLAG: _flag,
        As.INTEGER: lambda value: _integer(value, at=at),
        As.NUMBER: lambda value: number(value, at=at),
        As.INSTANT: lambda value: instant(value, at=at, timezone=timezone),
        As.PRECISION: precision,
        As.TABLE: table.one,
        As.FIRST_IN_TABLE: table.first,
        As.PATTERN_CODE: lambda value: _pattern(value, at=at, pattern=rule.pattern),
        As.LISTED_CODE: coded.listed,
        As.CODES: coded.all,
        As.PREFERRED_CODE: coded.preferred_code,
        As.PREFERRED_SYSTEM: coded.preferred_system,
        As.SYSTEM_INFERRED: coded.system_inferred,
    }
    return simple[rule.as_]


def problem(code: ProblemCode, text: str, *, at: str) -> tuple[Problem, ...]:
    """One problem, as outcomes carry them."""
    return (Problem(code=code, text=text, at=at),)


def _word(value: Any, *, at: str) -> Outcome:
    if isinstance(value, str) and value.strip():
        return Outcome(value.strip(), (), (Step("take", at, value.strip()),))
    return NOTHING


def _pattern(value: Any, *, at: str, pattern: str) -> Outcome:
    word = _word(value, at=at)
    if word.value is None or re.fullmatch(pattern, word.value):
        return word
    return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "not a code of the form that is expected here", at=at))


def _flag(value: Any) -> Outcome:
    """A boolean as it is; anything else that is present means yes (`deceasedDateTime`)."""
    if isinstance(value, bool):
        return Outcome(value, (), (Step("flag", "", str(value).lower()),))
    return Outcome(True, (), (Step("present", "", "true"),))


def _integer(value: Any, *, at: str) -> Outcome:
    if isinstance(value, int) and not isinstance(value, bool):
        return Outcome(value, (), (Step("integer", "", str(value)),))
    return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "not a whole number", at=at))


def to_decimal(value: Any) -> Decimal | None:
    """JSON number, or text of the numeric grammar (UK Core's own examples quote their numbers); else None."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.match(value.strip()):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None


def number(value: Any, *, at: str) -> Outcome:
    """The number with the digits it was sent with."""
    found = to_decimal(value)
    if found is None:
        return Outcome(None, problem(ProblemCode.NOT_A_NUMBER, "not a number", at=at))
    return Outcome(found, (), (Step("number", "", str(found)),))


def instant(value: Any, *, at: str, timezone: ZoneInfo) -> Outcome:
    """ISO 8601 with its offset and in its precision; `Z` is written `+00:00`, a time without offset is local."""
    match = _TIME.match(value.strip()) if isinstance(value, str) else None
    if match is None or not _exists(match["day"]):
        return Outcome(None, problem(ProblemCode.BAD_TIME, "not a FHIR date or time", at=at))
    text = match[0]
    if match["clock"] is None or match["offset"] not in (None, "Z"):
        return Outcome(text, (), (Step("take", at, text),))
    if len(match["day"]) != len("2026-01-01"):
        return Outcome(None, problem(ProblemCode.BAD_TIME, "a time of day without a day", at=at))
    if match["offset"] == "Z":
        moved = text[:-1] + "+00:00"
        return Outcome(moved, (), (Step("offset", "Z", moved),))
    return _local(text, at=at, timezone=timezone)


def _exists(day: str) -> bool:
    try:
        datetime.fromisoformat((day + "-01-01")[:10] if len(day) < len("2026-01-01") else day)
    except ValueError:
        return False
    return True


def _local(text: str, *, at: str, timezone: ZoneInfo) -> Outcome:
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone)
    offset = moment.strftime("%z")
    moved = f"{text}{offset[:3]}:{offset[3:]}"
    is_twice = moment.replace(fold=1).utcoffset() != moment.utcoffset()
    problems = problem(ProblemCode.AMBIGUOUS_HOUR, "this hour comes twice; the first is taken", at=at)
    return Outcome(moved, problems if is_twice else (), (Step("local-time", str(timezone), moved),))


def precision(value: Any) -> Outcome:
    """year, month, day or minute, by the length of the text."""
    length = len(value.strip()) if isinstance(value, str) else 0
    word = {4: "year", 7: "month", 10: "day"}.get(length, "minute" if length > len("2026-01-01") else None)
    return Outcome(word, (), (Step("precision", "", word or ""),)) if word else NOTHING


class Table:
    """The table of a rule: word for word; what it does not know is a problem, never passed on."""

    def __init__(self, table: Mapping[str, str], *, at: str, place: str) -> None:
        self._table = table
        self._at = at
        self._place = place

    def one(self, value: Any) -> Outcome:
        found = self._table.get(value.strip()) if isinstance(value, str) else None
        if found is None:
            return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "not in the table of the rule", at=self._at))
        return Outcome(found, (), (Step("table", self._place, found),))

    def first(self, values: Sequence[Any]) -> Outcome:
        """The first value the table knows; the others mean other things and are passed over."""
        for index, value in enumerate(values):
            if isinstance(value, str) and value.strip() in self._table:
                return self.one(value)._replace(used=index)
        return NOTHING


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
        kept = [code_of(coding, self._codelists) for coding in codings if _text(coding, "code")]
        return Outcome(kept, (), (Step("collect", str(len(kept)), ""),)) if kept else NOTHING

    def preferred_code(self, codings: Sequence[Any]) -> Outcome:
        index, normal = self._preferred(codings)
        if normal is None:
            return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "no code of a system this field takes", at=self._at))
        steps = (
            Step("choose", f"[{index}]", str(codings[index]["code"])),
            Step("normalise", normal.system, normal.code),
        )
        return Outcome(normal.code, (), steps)

    def preferred_system(self, codings: Sequence[Any]) -> Outcome:
        index, normal = self._preferred(codings)
        if normal is None:
            return NOTHING
        steps = (
            Step("choose", f"[{index}]", str(codings[index]["system"])),
            Step("table", "index.yaml", normal.system),
        )
        return Outcome(normal.system, (), steps)

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
