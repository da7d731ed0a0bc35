"""How our reading of HL7 v2 compares with published expectations, with the cause of every value that differs.

    python -m tests.mappings.v2_score FOLDER [--write]

FOLDER holds `expected_fields.csv` (message_file, resource, index, fhir_path, expected_value, compare_as, source, tier)
and the messages it names. The causes stand in `v2_score_causes.csv`; each is checked on each value
(`v2_score_checks`), and what no check confirms is printed as unexplained. `--write` puts the tables into
`docs/v2-to-fhir-deviations.md`, and every difference with its cause into `docs/v2-to-fhir-differences.csv`.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapter import config, mapping
from adapter.hl7v2 import Message, batch
from tests.mappings.v2_score_checks import Case, Segments, confirmed
from tests.mappings.v2_score_compare import TYPES, Comparison, Difference, Tally, compare, expectations

CAUSES = Path(__file__).with_name("v2_score_causes.csv")
PAGE = Path(__file__).parents[2] / "docs" / "v2-to-fhir-deviations.md"
DIFFERENCES = PAGE.with_name("v2-to-fhir-differences.csv")
COLUMNS = ("message", "resource", "path", "expected", "made", "cause", "verdict", "decided_by")
LONDON = ZoneInfo("Europe/London")
RULED_OUT = frozenset({"table", "fhir", "example"})
"""By the official table, by FHIR R4, by the example itself; `choice` is ours and counts against us."""
FLOOR = 0.85
_MARKS = ("<!-- score: python -m tests.mappings.v2_score -->", "<!-- end of score -->")


class Cause(NamedTuple):
    """Why a value differs: for which values it may be claimed, what confirms it, and what decides."""

    cause: str
    verdict: str
    resource: str
    path: str
    check: str
    arguments: str
    decided_by: str
    says: str

    def holds(self, case: Case) -> bool:
        """Whether the check confirms it for this difference."""
        difference = case.difference
        element = difference.path.partition(".")[2]
        if self.resource not in ("", difference.resource) or not element.startswith(self.path):
            return False
        return confirmed(case, self.check, filter(None, self.arguments.split(";")))


@dataclass(kw_only=True)
class Score:
    """The comparison of all messages, each difference with its cause."""

    comparison: Comparison = field(default_factory=Comparison)
    explained: list[tuple[Difference, Cause | None]] = field(default_factory=list)

    def without(self) -> dict[str, Tally]:
        """The tallies without the values that are ruled out, and without what was made in their place."""
        found = {
            kind: Tally(agreeing=tally.agreeing, expected=tally.expected, produced=tally.produced)
            for kind, tally in self.comparison.tallies.items()
        }
        for difference, cause in self.explained:
            if cause and cause.verdict in RULED_OUT:
                found[difference.resource].expected -= 1
                # What stands in its place disagrees for the same reason.
                found[difference.resource].produced -= bool(difference.rivals) and (
                    difference.made is not None or cause.check == "same-instant"
                )
        return found

    def unexplained(self) -> list[Difference]:
        """The differences that no cause is confirmed for."""
        return [difference for difference, cause in self.explained if cause is None]


def read_causes() -> list[Cause]:
    """The causes in the order in which they are tried."""
    with CAUSES.open(encoding="utf-8", newline="") as file:
        return [Cause(**row) for row in csv.DictReader(file)]


def score(folder: Path) -> Score:
    """Convert every message that the expectations name, compare, and look for the cause of each difference."""
    result = Score()
    maps = mapping.load_v2_maps(config.packaged("mappings"))
    causes = read_causes()
    for name, expected in expectations(folder / "expected_fields.csv").items():
        raw = (folder / name).read_bytes()
        one = compare(name, expected, _resources(raw, maps))
        segments = Segments(raw.decode("utf-8", errors="replace"))
        for difference in one.differences:
            case = Case(difference, segments)
            result.explained.append((difference, next((cause for cause in causes if cause.holds(case)), None)))
        result.comparison.add(one)
    return result


def _resources(raw: bytes, maps: mapping.V2Maps) -> Iterator[dict[str, Any]]:
    for message in batch.split(raw).messages or (raw,):
        bundle = mapping.to_bundle(Message.parse(message), maps, timezone=LONDON)
        yield from (entry["resource"] for entry in bundle["entry"])


def idle_causes(found: Score) -> list[Cause]:
    """Causes that explain no difference of these messages; of all messages there is none."""
    used = {cause for _, cause in found.explained}
    return [cause for cause in read_causes() if cause not in used]


def report(found: Score) -> Iterator[str]:
    """The tables of the page."""
    differences = len(found.explained)
    ruled_out = sum(bool(cause and cause.verdict in RULED_OUT) for _, cause in found.explained)
    messages = len({difference.message for difference, _ in found.explained})
    yield f"{_total(found.comparison.tallies.values()).expected:,} values are expected. {differences} differ, in "
    yield f"{messages} messages; {ruled_out} of them are ruled out by the guide, by FHIR or by the message itself."
    yield f"**Unexplained: {len(found.unexplained())}.**"
    yield from ("", "| type | expected | recall | precision | ruled out | recall without | precision without |")
    yield "|---|---:|---:|---:|---:|---:|---:|"
    before, after = found.comparison.tallies, found.without()
    for kind in sorted(TYPES, key=lambda kind: -before[kind].expected):
        yield _row(kind, before[kind], after[kind])
    yield _row("**all**", _total(before.values()), _total(after.values()))
    yield from ("", "| cause | values | where | verdict | what decides | what we do |", "|---|---:|---|---|---|---|")
    yield from _causes(found)


def _causes(found: Score) -> Iterator[str]:
    counts = Counter(cause for _, cause in found.explained if cause)
    for cause, count in counts.most_common():
        places = Counter(difference.path for difference, each in found.explained if each == cause)
        named = ", ".join(f"{path} {number}" for path, number in places.most_common(3))
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        yield f"| {cause.cause} | {count} | {named}{more} | {cause.verdict} | {cause.decided_by} | {cause.says} |"


def _row(name: str, before: Tally, after: Tally) -> str:
    out = before.expected - after.expected
    shares = (_recall(before), _precision(before), _recall(after), _precision(after))
    recall, precision, recall_without, precision_without = (f"{share:.3f}" for share in shares)
    return f"| {name} | {before.expected:,} | {recall} | {precision} | {out} | {recall_without} | {precision_without} |"


def _total(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.agreeing += tally.agreeing
        total.expected += tally.expected
        total.produced += tally.produced
    return total


def _recall(tally: Tally) -> float:
    return tally.agreeing / tally.expected if tally.expected else 1.0


def _precision(tally: Tally) -> float:
    return tally.agreeing / tally.produced if tally.produced else 1.0


def listed(found: Score) -> list[list[str]]:
    """Every difference: what is expected, what stands in its place, and the cause."""
    return [
        [each.message, each.resource, each.path, each.value, "; ".join(each.rivals[:3]), *_named(cause)]
        for each, cause in found.explained
    ]


def _named(cause: Cause | None) -> tuple[str, str, str]:
    return (cause.cause, cause.verdict, cause.decided_by) if cause else ("unexplained", "", "")


def page_with(text: str, lines: Iterable[str]) -> str:
    """The page with the tables put between the marks."""
    begin, end = map(re.escape, _MARKS)
    body = "\n".join(lines)
    return re.sub(f"(?s)({begin}\n).*?({end})", lambda found: f"{found[1]}{body}\n{found[2]}", text)


def main() -> int:
    """Print the score and every unexplained difference; a failure where there is one, or under the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="write the page of deviations and the list of differences")
    options = parser.parse_args()
    found = score(options.folder)
    lines = list(report(found))
    print("\n".join(lines))
    for each in found.unexplained():
        print(f"UNEXPLAINED {each.message} {each.path} {each.value!r} made {list(each.rivals)[:3]}")
    for cause in idle_causes(found):
        print(f"EXPLAINS NOTHING {cause.cause}")
    text = PAGE.read_text(encoding="utf-8")
    if options.write:
        PAGE.write_text(page_with(text, lines), encoding="utf-8")
        with DIFFERENCES.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *listed(found)])
    elif page_with(text, lines) != text:
        print(f"{PAGE.name} says something else; run with --write", file=sys.stderr)
    total = _total(found.without().values())
    is_wrong = bool(found.unexplained() or idle_causes(found))
    return int(is_wrong or min(_recall(total), _precision(total)) < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
