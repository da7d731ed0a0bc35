"""A survey of a sample as text of at most 120 columns, or as JSON."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from adapter.cli.survey import SenderSurvey, Survey, by_count
from adapter.hl7v2.conformance import field_name

WIDTH = 120
_RULES_SHOWN = 6


def as_text(survey: Survey, deviations: Counter[str]) -> Iterator[str]:
    """Sender by sender, the one with most messages first; then what deviates."""
    for sender, found in _largest_first(survey):
        application, facility = survey.shown(sender)
        yield f"sender {application or '(none)'} of {facility or '(none)'} (MSH-3, MSH-4)"
        yield from _part(
            "messages", (f"{n:>7}  {kind:<12} version {version}" for (kind, version), n in _most(found.messages))
        )
        yield from _part("segments", _wrapped(f"{name} {n}" for name, n in _most(found.segments)))
        yield from _part("fields, how often each is filled, and which rule reads it", _fields(survey, found))
        yield from _part("codes that a rule reads, and what CSOR makes of them", _codes(found))
        yield ""
    if deviations:
        yield f"deviations from the standard and problems of mapping, over all {survey.total} messages"
        yield from (line for text, n in _most(deviations) for line in _cut(f"{n:>7}  {text}"))
    else:
        yield f"no deviation in {survey.total} messages"


def _part(title: str, lines: Iterator[str]) -> Iterator[str]:
    listed = list(lines)
    if listed:
        yield f"  {title}"
        yield from (f"  {line}" for line in listed)


def _fields(survey: Survey, found: SenderSurvey) -> Iterator[str]:
    for at, seen in sorted(found.fields.items(), key=lambda each: (each[0][0], each[0][1])):
        rules = survey.verdict(at, seen).split(" ")
        more = f" and {len(rules) - _RULES_SHOWN} more" if len(rules) > _RULES_SHOWN + 1 else ""
        shown = " ".join(rules[:_RULES_SHOWN] if more else rules) + more
        yield from _cut(f"{seen.times:>7}  {at[0]}-{at[1]:<4} {field_name(*at)[:36]:<36} {shown}", indent=54)


def _codes(found: SenderSurvey) -> Iterator[str]:
    for code, n in by_count(found.codes):
        told = f"{code.code or '(no code)'} {code.words}".strip()
        system = f" [{code.system}]" if code.system else ""
        place = found.hidden.get(code)
        outcome = f"{code.outcome}; of too few patients to be shown: {place}" if place else code.outcome
        yield from _cut(f"{n:>7}  {code.at:<8} {(told + system)[:44]:<44} {outcome}", indent=63)


def _wrapped(words: Iterator[str]) -> Iterator[str]:
    line = " " * 6
    for word in words:
        if len(line) + len(word) + 3 > WIDTH - 2:
            yield line
            line = " " * 6
        line += f"   {word}"
    yield line


def _cut(line: str, *, indent: int = 9) -> Iterator[str]:
    """Wrapped at blanks, further lines under the last column."""
    limit = WIDTH - 2
    while len(line) > limit:
        at = line.rfind(" ", indent + 1, limit + 1)
        at = at if at > indent else limit
        yield line[:at].rstrip()
        line = " " * indent + line[at:].strip()
    yield line


def _most(counter: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counter.items(), key=lambda each: (-each[1], each[0]))


def _largest_first(survey: Survey) -> list[tuple[Any, SenderSurvey]]:
    return sorted(survey.senders.items(), key=lambda each: (-each[1].messages.total(), each[0]))


def as_json(survey: Survey, deviations: Counter[str]) -> dict[str, Any]:
    """The same, whole."""
    return {
        "messages": survey.total,
        "senders": [
            {
                **survey.shown(sender)._asdict(),
                "messages": [{"type": kind, "version": of, "count": n} for (kind, of), n in _most(found.messages)],
                "segments": dict(_most(found.segments)),
                "fields": [
                    {
                        "field": f"{at[0]}-{at[1]}",
                        "name": field_name(*at),
                        "count": seen.times,
                        "read_by": sorted(seen.rules),
                        "verdict": survey.verdict(at, seen),
                    }
                    for at, seen in sorted(found.fields.items())
                ],
                "codes": [
                    {**code._asdict(), "count": n, "hidden_at": found.hidden.get(code)}
                    for code, n in by_count(found.codes)
                ],
            }
            for sender, found in _largest_first(survey)
        ],
        "deviations": [{"text": text, "count": n} for text, n in _most(deviations)],
    }
