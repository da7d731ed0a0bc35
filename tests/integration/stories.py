"""Reads mappings/examples/stories/: one child's messages, what they lead to step by step, and the rows in the end."""

import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from adapter.datafile import Positioned, hyphenated, load_model

FOLDER = Path(__file__).parents[2] / "mappings" / "examples" / "stories"
TABLES = FOLDER / "tables"
PAGE = Path(__file__).parents[2] / "docs" / "stories.md"


class _Model(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Step(_Model):
    """One message or body, and what is true after it."""

    at: str
    happens: str
    message: str = ""
    resources: str = ""
    state: Literal["none", "suspected", "probable", "confirmed", "refuted"]
    leaves: bool
    """Whether CSOR has any row of the child afterwards."""

    def wire(self) -> bytes:
        """As the sender sends it."""
        text = self.resources or self.message.rstrip("\n").replace("\n", "\r") + "\r"
        return text.encode()


class Expected(_Model):
    """One row; a field that is not named may hold anything."""

    kind: str
    fields: dict[str, str | list[str]]


class Story(_Model):
    """One child."""

    kind: Literal["story"]
    condition: str
    title: str
    tells: str
    steps: list[Step]
    rows: list[Expected]


@cache
def story(path: Path) -> Story:
    return load_model(path, Story)


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def in_words(value: Any) -> str | list[str]:
    """A field of a row as a story writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return [str(each) for each in value]
    return str(value)


def page() -> str:
    """All stories as one page for people."""
    lines = [
        "# Six children",
        "",
        "One worked story for each condition: what the hospital sends, what the adapter makes of it, which rows CSOR",
        "has in the end. All children are invented. This page is printed from `mappings/examples/stories/` by",
        "`python -m tests.integration.stories`, and every step of it runs as a test.",
        "",
    ]
    for path in files():
        lines += _chapter(story(path))
    return "\n".join(lines).rstrip() + "\n"


def _chapter(told: Story) -> list[str]:
    lines = [f"## {told.title}", "", told.tells.strip(), ""]
    lines += ["| when (UTC) | what happens | state | at CSOR |", "|---|---|---|---|"]
    for step in told.steps:
        has = "rows" if step.leaves else "nothing"
        lines.append(f"| {step.at[:16].replace('T', ' ')} | {step.happens.strip()} | {step.state} | {has} |")
    lines += ["", "| row | what it says |", "|---|---|"]
    for row in told.rows:
        said = ", ".join(f"{name} {_plain(value)}" for name, value in row.fields.items())
        lines.append(f"| `{row.kind}` | {said} |")
    return [*lines, ""]


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " and ".join(value)


if __name__ == "__main__":
    sys.stdout.write(page())
