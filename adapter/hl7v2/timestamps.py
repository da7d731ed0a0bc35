"""HL7 v2 times (TS, DTM, DT) as ISO 8601 text with their own precision; local times get the zone's offset.

A date stays a date. FHIR and ISO need minutes and seconds with an hour, so a time precise to the hour or minute is
filled with zeros and its `precision` tells. The doubled October hour is read as the first of the two and marked; a time
inside the missing March hour is read with the offset before the change and marked (HL7 v2.5.1 §2.A.22).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_LONGEST = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)
_DTM = re.compile(r"(\d{4,14})(\.\d*)?([+-]\d{4})?\Z", re.ASCII)
_PRECISIONS = {4: "year", 6: "month", 8: "day", 10: "hour", 12: "minute", 14: "second"}


class TimeFault(StrEnum):
    """What is doubtful about a readable time."""

    NONE = ""
    AMBIGUOUS_HOUR = "ambiguous hour"
    """It exists twice on the night the clocks go back."""
    MISSING_HOUR = "missing hour"
    """It does not exist on the night the clocks go forward."""


class Moment(NamedTuple):
    """A time as written."""

    text: str
    """`2026`, `2026-01`, `2026-01-03`, or `2026-01-03T12:30:00.25+00:00`."""
    utc_us: int
    """Its first microsecond, since 1970 UTC: for ordering."""
    precision: str
    """year, month, day, hour, minute, second or fraction."""
    fault: TimeFault = TimeFault.NONE


def read_time(text: str, zone: ZoneInfo) -> Moment | None:
    """Read a v2 time, also `YYYY-MM-DD HH:MM:SS` which some hubs send; None where it is no time."""
    return _read(text, zone) if len(text) <= _LONGEST else None


class Rewritten(NamedTuple):
    """A time that was written in a way of its own, as HL7 writes it."""

    text: str
    format: str


def read_written(text: str, zone: ZoneInfo, formats: tuple[str, ...]) -> Moment | None:
    """As `read_time`, else as the first of these formats writes it."""
    moment = read_time(text, zone)
    if moment is None and formats and (found := rewritten(text, formats)):
        moment = read_time(found.text, zone)
    return moment


_ALIKE = str.maketrans("ybBI", "YmmH")
_DIRECTIVES = ("%Y", "%m", "%d", "%H", "%M", "%S")


@lru_cache(maxsize=4096)
def rewritten(text: str, formats: tuple[str, ...]) -> Rewritten | None:
    """`text` by the first of these formats (`datetime.strptime`) that fits, to the precision the format has."""
    for each in formats:
        try:
            moment = datetime.strptime(text.strip(), each)  # noqa: DTZ007 - the zone is the reader's affair
        except ValueError:
            continue
        asked = each.translate(_ALIKE)
        digits = ""
        for directive in _DIRECTIVES:
            if directive not in asked:
                break
            digits += moment.strftime(directive).zfill(4 if directive == "%Y" else 2)
        return Rewritten(digits + (moment.strftime("%z") if "%z" in each else ""), each)
    return None


@lru_cache(maxsize=16384)
def _read(text: str, zone: ZoneInfo) -> Moment | None:
    text = text.strip()
    written = _WRITTEN.match(text)
    if written:
        *digits, fraction, offset = written.groups()
        return _moment("".join(part or "" for part in digits), fraction or "", _plain(offset), zone)
    found = _DTM.match(text)
    if found is None or len(found[1]) % 2:
        return None
    return _moment(found[1], found[2] or "", found[3] or "", zone)


def _plain(offset: str | None) -> str:
    return "" if not offset else "+0000" if offset == "Z" else offset.replace(":", "")


def _moment(digits: str, fraction: str, offset: str, zone: ZoneInfo) -> Moment | None:
    """`digits` is YYYY[MM[DD[HH[MM[SS]]]]]. A fraction counts only after seconds."""
    if fraction and (len(digits) != 14 or len(fraction) == 1):
        fraction = ""
    base = _hour(digits[:10], offset, zone)
    minutes, seconds = digits[10:12] or "00", digits[12:14] or "00"
    if base is None or minutes > "59" or seconds > "59":
        return None
    precision = "fraction" if fraction else _PRECISIONS[len(digits)]
    if len(digits) < 10:
        return Moment(base.text, base.utc_us, precision)
    us = base.utc_us + (int(minutes) * 60 + int(seconds)) * 1_000_000 + int((fraction[1:7] or "0").ljust(6, "0"))
    return Moment(f"{base.text}:{minutes}:{seconds}{fraction}{base.offset}", us, precision, base.fault)


class _Hour(NamedTuple):
    text: str
    offset: str
    utc_us: int
    fault: TimeFault


@lru_cache(maxsize=8192)
def _hour(digits: str, offset: str, zone: ZoneInfo) -> _Hour | None:
    """All that is costly, once per hour. UK clocks change on the hour, so one hour has one answer."""
    parts = [int(digits[:4])] + [int(digits[at : at + 2]) for at in range(4, len(digits), 2)]
    try:
        local = datetime(*(parts + [1, 1])[:3] if len(parts) < 3 else parts)  # type: ignore[arg-type]
        local = local.replace(tzinfo=_fixed(offset) if offset else zone)
        shift = local.utcoffset() or timedelta()
        utc_us = (local - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    text = "-".join((digits[:4], digits[4:6], digits[6:8])[: min(len(parts), 3)])
    if len(parts) < 4:
        return _Hour(text, "", utc_us, TimeFault.NONE)
    fault = TimeFault.NONE
    if not offset and local.replace(fold=1).utcoffset() != shift:
        exists = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
        fault = TimeFault.AMBIGUOUS_HOUR if exists else TimeFault.MISSING_HOUR
    seconds = int(shift.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    written = f"{sign}{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
    return _Hour(f"{text}T{digits[8:10]}", written, utc_us, fault)


@lru_cache(maxsize=256)
def _fixed(offset: str) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
