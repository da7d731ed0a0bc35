"""The named conversions from FHIR values to fields of a row, those of plain values; codings are in `csor_codings`."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapter.errors import ProblemCode
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concept_parts import codings_in
from adapter.mapping.csor_codings import Coded
from adapter.mapping.csor_outcome import NOTHING, Convert, Outcome, Step, problem
from adapter.mapping.csor_rules import As, FieldRule
from adapter.mapping.examinations import Examinations

_TIME = re.compile(
    r"(?P<day>\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?)"
    r"(?:T(?P<clock>(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)(?P<offset>Z|[+-]\d\d:\d\d)?)?\Z"
)
_NO_YEARS = frozenset({"0001", "9999"})
"""How records write "since ever" and "without end": no time at which anything happened."""
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?\Z")


class Tables(NamedTuple):
    """What conversions look things up in."""

    codelists: CodeLists
    timezone: ZoneInfo
    """Of times sent without an offset."""
    wards: Mapping[str, str]
    examinations: Examinations


def conversion(rule: FieldRule, *, at: str, tables: Tables, lines: Mapping[str, int]) -> Convert:
    """The conversion of a rule, ready for use.

    `at` names the FHIR element in problems; `lines` are those of the entries of its table.
    """
    codelists, timezone = tables.codelists, tables.timezone
    file = rule._file.rpartition("/")[2]
    table = Table(rule.table, at=at, places={key: f"{file}:{lines.get(key, rule._line)}" for key in rule.table})
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
        As.NUMBER_OF_TYPE: lambda values: _number_of_type(values, wanted=rule.number_type),
        As.WARD_TYPE: lambda value: _ward_type(value, at=at, wards=tables.wards),
        As.LATEST_WARD: _latest_ward,
        As.STUDY: tables.examinations.study,
        As.MODALITY: tables.examinations.modality,
    }
    return simple[rule.as_]


def _word(value: Any, *, at: str) -> Outcome:
    if isinstance(value, str) and value.strip():
        return Outcome(value.strip(), (), (Step("take", at, value.strip()),))
    return NOTHING


def _number_of_type(identifiers: Sequence[Any], *, wanted: str) -> Outcome:
    """The value of the first identifier of a type of HL7 table 0203."""
    for index, identifier in enumerate(identifiers):
        kind = identifier.get("type") if isinstance(identifier, dict) else None
        if any(code == wanted for _, _, code in codings_in(kind)):
            word = _word(identifier.get("value"), at="")
            if word.value is not None:
                return word._replace(used=index, leaf="value")
    return NOTHING


def _ward_type(value: Any, *, at: str, wards: Mapping[str, str]) -> Outcome:
    """What the ward is for, by the trust's list of wards."""
    code = value.strip() if isinstance(value, str) else ""
    kind = wards.get(code)
    if kind is None:
        unknown = problem(ProblemCode.UNKNOWN_CODE, "no ward of this code in the trust file; add it there", at=at)
        return Outcome("unknown", unknown, (Step("constant", "not in the list of wards", "unknown"),))
    return Outcome(kind, (), (Step("ward", code, kind),))


def _latest_ward(places: Sequence[Any]) -> Outcome:
    """The ward that the stay reached last: by the beginning of its period, else by its place in the list."""
    found: tuple[str, int, str, str] | None = None
    for index, place in enumerate(places):
        period = place.get("period") if isinstance(place, dict) else None
        start = _in_utc(period.get("start")) if isinstance(period, dict) else ""
        leaf, word = _ward_of(place)
        if word and (found is None or (start, index) > found[:2]):
            found = (start, index, leaf, word)
    if found is None:
        return NOTHING
    _, index, leaf, word = found
    return Outcome(word, (), (Step("take", "", word),), index, leaf)


def _in_utc(start: Any) -> str:
    """Text that sorts by time; empty where there is none."""
    try:
        moment = datetime.fromisoformat(start)
        return (moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return ""


def _ward_of(place: Any) -> tuple[str, str]:
    reference = place.get("location") if isinstance(place, dict) else None
    if not isinstance(reference, dict):
        return "", ""
    identifier = reference.get("identifier")
    code = identifier.get("value") if isinstance(identifier, dict) else None
    if isinstance(code, str) and code.strip():
        return "location.identifier.value", code.strip()
    display = reference.get("display")
    return "location.display", display.strip() if isinstance(display, str) else ""


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
    if day[:4] in _NO_YEARS:
        return False
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

    def __init__(self, table: Mapping[str, str], *, at: str, places: Mapping[str, str]) -> None:
        self._table = table
        self._at = at
        self._places = places

    def one(self, value: Any) -> Outcome:
        key = value.strip() if isinstance(value, str) else ""
        found = self._table.get(key)
        if found is None:
            return Outcome(None, problem(ProblemCode.UNKNOWN_CODE, "not in the table of the rule", at=self._at))
        return Outcome(found, (), (Step("table", self._places[key], found),))

    def first(self, values: Sequence[Any]) -> Outcome:
        """The first value the table knows; the others mean other things and are passed over."""
        for index, value in enumerate(values):
            if isinstance(value, str) and value.strip() in self._table:
                return self.one(value)._replace(used=index)
        return NOTHING
