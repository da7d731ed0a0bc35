"""Field by feed: what the example messages of each vendor fill, and whether a rule of ours reads it.

    python -m tests.mappings.v2_feeds [--write]

`--write` puts the page into `docs/v2-feeds.md`.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from adapter.cli.survey import BY_THE_PORT
from adapter.hl7v2.conformance import field_name
from adapter.mapping.v2_reads import Field, mapped, readers
from tests.mappings.uk_examples import example_files, message_of, reading_of

PAGE = Path(__file__).parents[2] / "docs" / "v2-feeds.md"
_HEAD = """# Field by feed

Generated: `python -m tests.mappings.v2_feeds --write`. What the {messages} example messages of
`mappings/examples/v2-uk` fill, by the profile they are read with: a number says in how many segments.
`v` after it: a rule made a value of it at least once. `d`: it only decides, as a key, a clock, a condition, or when
the port takes the message. `-`: no rule reads it. A feed that never fills a field has an empty cell.

{filled} fields are filled by some feed: {read} make a value, {decides} decide, {unread} are read by no rule.

"""


class Cell(NamedTuple):
    """One field of one feed."""

    times: int
    mark: str


def table() -> dict[Field, dict[str, Cell]]:
    """By field and profile."""
    times: dict[Field, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    values: set[tuple[Field, str]] = set()
    decides: set[tuple[Field, str]] = set()
    for path in example_files():
        profile = path.parent.name
        reading, message = reading_of(profile), message_of(path)
        done = mapped(message, reading.maps, timezone=reading.timezone, rules=reading.rules)
        known = readers(reading.maps)
        for segment in message.segments:
            for number, text in enumerate(segment.fields):
                if not number or not text.strip():
                    continue
                at = (segment.name, number)
                times[at][profile] += 1
                if done.read.get(at):
                    values.add((at, profile))
                elif at in known or at in BY_THE_PORT:
                    decides.add((at, profile))
    return {
        at: {
            profile: Cell(count, "v" if (at, profile) in values else "d" if (at, profile) in decides else "-")
            for profile, count in by_profile.items()
        }
        for at, by_profile in sorted(times.items())
    }


def page(found: Mapping[Field, Mapping[str, Cell]]) -> str:
    """In Markdown."""
    profiles = sorted({profile for cells in found.values() for profile in cells})
    best = [min((cell.mark for cell in cells.values()), key="vd-".index) for cells in found.values()]
    head = _HEAD.format(
        messages=len(example_files()),
        filled=len(best),
        read=best.count("v"),
        decides=best.count("d"),
        unread=best.count("-"),
    )
    return head + "".join(_lines(found, profiles))


def _lines(found: Mapping[Field, Mapping[str, Cell]], profiles: list[str]) -> Iterable[str]:
    yield "| field | name | " + " | ".join(profiles) + " |\n"
    yield "|---|---|" + "---:|" * len(profiles) + "\n"
    for at, cells in found.items():
        shown = [f"{cell.times}{cell.mark}" if (cell := cells.get(profile)) else "" for profile in profiles]
        yield f"| {at[0]}-{at[1]} | {field_name(*at)} | " + " | ".join(shown) + " |\n"


def main() -> int:
    text = page(table())
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
