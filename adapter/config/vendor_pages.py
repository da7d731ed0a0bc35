"""docs/vendors.md, written from the vendor files: `python -m adapter.config.vendor_pages`.

What is known of each system and by whom, what nobody has shown, and what to ask a trust.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from adapter.config.packaged import packaged
from adapter.config.vendor import NOTHING
from adapter.config.vendors import Vendor, load_vendor, vendor_paths
from adapter.datafile import Node

PAGE = Path(__file__).parents[2] / "docs" / "vendors.md"

_HEAD = """\
# What is known of each system, and what to ask

Written from `config/vendors/*.yaml` by `python -m adapter.config.vendor_pages`; change the files, not this page.

A trust file names one vendor for the trust and, where a source is another system, one for that source:

```yaml
vendor: epic
sources:
  - {name: epr, kind: mllp, port: 2575}
  - {name: lab, kind: mllp, port: 2576, vendor: winpath}
  - {name: radiology, kind: mllp, port: 2577, vendor: cris, reading: {accession: OBR-18}}
```

Of a source's vendor only `v2.reading` counts; who the patients are is said once for the trust. What the trust file says
is over every vendor. `csor-adapter check --config trust.yaml --show` tells for each value in force the file and line it
came from. What each setting does: [hl7-source.md](hl7-source.md#how-a-feed-is-read).

**Dated** is the day of the source. *unconfirmed*: nobody has shown it; it is the cautious choice until a trust says
otherwise. No live hospital system was looked at for any of this.
"""


def page(vendors: Iterable[Vendor]) -> str:
    """The whole page."""
    listed = sorted(vendors, key=lambda each: each.file.vendor)
    lines = [_HEAD, *_overview(listed)]
    for vendor in listed:
        lines += _of(vendor)
    return "\n".join(lines).rstrip() + "\n"


def _overview(vendors: list[Vendor]) -> Iterator[str]:
    yield "| Vendor | What it is | Facts | of them unconfirmed | Questions |"
    yield "|---|---|---|---|---|"
    for each in vendors:
        file = each.file
        unconfirmed = sum(fact.dated == "unconfirmed" for fact in file.facts)
        name = f"[{file.vendor}](#{file.vendor})"
        yield f"| {name} | {_cell(file.means)} | {len(file.facts)} | {unconfirmed} | {len(file.questions)} |"
    yield ""


def _of(vendor: Vendor) -> Iterator[str]:
    file = vendor.file
    yield from (f"## {file.vendor}", f"{file.means}.", "")
    if file.facts:
        yield from ("| Setting | Value | Source | Dated |", "|---|---|---|---|")
        for fact, value in zip(file.facts, _values(vendor.node, "facts", "is"), strict=True):
            yield f"| `{fact.about}` | {_code(value)} | {_cell(fact.source)} | {_dated(fact.dated)} |"
        yield ""
    if file.habits:
        yield from ("| What it does | Where that is dealt with | Source | Dated |", "|---|---|---|---|")
        for habit in file.habits:
            told = (habit.does, habit.handled, habit.source)
            yield f"| {' | '.join(map(_cell, told))} | {_dated(habit.dated)} |"
        yield ""
    if file.questions:
        yield from ("| To ask | Why it matters | Setting | Until answered |", "|---|---|---|---|")
        for question, value in zip(file.questions, _values(vendor.node, "questions", "until"), strict=True):
            until = "nothing" if value.value == NOTHING else _code(value)
            yield f"| {_cell(question.ask)} | {_cell(question.why)} | `{question.fills}` | {until} |"
        yield ""


def _values(node: Node, key: str, value_key: str) -> Iterator[Node]:
    items = node.child(key)
    for item in items.value if items and isinstance(items.value, list) else []:
        value = item.child(value_key)
        if value is not None:
            yield value


def _code(node: Node) -> str:
    return f"`{_written(node)}`".replace("|", "\\|")


def _written(node: Node) -> str:
    """As it would stand in one line of YAML."""
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{key}: {_written(child)}" for key, child in node.value.items()) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(map(_written, node.value)) + "]"
    return node.value


def _dated(dated: object) -> str:
    return f"*{dated}*" if dated == "unconfirmed" else str(dated)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    paths = vendor_paths(packaged("config/vendors"))
    PAGE.write_text(page(map(load_vendor, paths.values())), encoding="utf-8")


if __name__ == "__main__":
    main()
