"""The steps of words and of derived rows, done by hand from their descriptions; nothing of the adapter is used."""

import base64
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from tests.acceptance.replayed_files import Files, Unfit

_EVENTS = {
    "discharge-destination": {"home": "discharge_home", "to-hospital": "transfer_out"},
    "source-of-admission": {"from-hospital": "transfer_in"},
    "discharge-method": {"died": "death"},
}
_FORMULAS: dict[str, Callable[[Decimal], Decimal]] = {
    "whole-weeks": lambda number: number * 7,
    "weeks-or-days": lambda number: number if number >= 147 else number * 7,
    "percent-or-fraction": lambda number: number if number <= 1 else number / 100,
    "celsius-from-fahrenheit": lambda number: ((number - 32) * 5 / 9).quantize(Decimal("0.001")),
}


def plain(text: str) -> str:
    """Words as phrases are compared: white space and hyphens alike, no capitals."""
    return re.sub(r"[\s-]+", " ", text).casefold()


def named_in(text: str, place: str, result: str, files: Files) -> str:
    """`sign`, `term`: one of the phrases of the entry stands in the text, or the text is one of its codes."""
    entry = files.entry(place)
    codes = [each["code"] for each in entry.get("codes", ())]
    if text not in codes and not any(plain(phrase) in plain(text) for phrase in entry["phrases"]):
        raise Unfit(f"no phrase of {place} stands in the text")
    return str(entry.get("sign") or entry.get("name"))


def answered(text: str, place: str, result: str, files: Files) -> str:
    """A form of an operative record by its address; an answer by the line with its code or words; plain yes and no."""
    line = files.line(place).strip()
    if line.startswith("kind:") or "questionnaires:" in files.line(place, more=6):
        form = yaml.safe_load(files.whole(place.rpartition(":")[0]))
        if text.partition("|")[0] in form["questionnaires"]:
            return str(form["condition"])
    if line.startswith("- name:"):
        return {"yes": "true", "no": "false", "y": "true", "n": "false"}.get(plain(text), plain(text))
    said, _, value = line.rpartition(":")
    if plain(said.strip("\"'")) != plain(text):
        raise Unfit(f"{place} is the line of another answer")
    bare = value.strip().strip("\"'")
    return {"yes": "true", "no": "false"}.get(bare, bare) if result in ("true", "false") else bare


def study_named(text: str, place: str, result: str, files: Files) -> str:
    """`named`: the line has the result, and of each list of its entry (of a table, its name) a word is in the name."""
    if place.partition(":")[0].endswith(".csv"):
        cells = files.cells(place)
        if result not in cells.values() or not re.search(_pattern(cells["name"]), plain(text)):
            raise Unfit(f"{place} is the line of another name")
        return result
    name, _, number = place.rpartition(":")
    if result not in files.line(place):
        raise Unfit(f"{place} states something else")
    first = next(n for n in range(int(number), 0, -1) if "- study:" in files.line(f"{name}:{n}"))
    entry = files.entry(f"{name}:{first}")
    if not all(any(plain(word.rstrip("*")) in plain(text) for word in words) for words in entry["words"]):
        raise Unfit(f"the words of {place} do not stand in the name")
    return result


def _pattern(name: str) -> str:
    return re.escape(plain(name)).replace(r"\*", r"\w*")


def report(text: str, argument: str, unescaped: Callable[[str], str]) -> str:
    """A text of several segments: pieces of the range, each split at the mark."""
    mark, *ranges = argument.split(" ")
    pieces = []
    for each in ranges:
        start, end = map(int, each.split(":"))
        pieces.append("\n".join(unescaped(line) for line in text[start:end].split(mark)))
    return "\n".join(pieces)


def local(text: str, zone: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).isoformat()


def in_days(text: str) -> str:
    weeks, days = re.findall(r"\d+", text)[:2]
    return str(int(weeks) * 7 + int(days))


def attached(text: str) -> str:
    return base64.b64decode(text).decode()


def formula(text: str, name: str) -> str:
    return str(_FORMULAS[name](Decimal(text)))


def ward(text: str, code: str, files: Files) -> str:
    if text.strip() != code:
        raise Unfit("another ward")
    return files.wards[code]


def same(text: str, result: str) -> str:
    """`derived`: the value of a row that this one is derived from, as it is."""
    if text != result and Decimal(text) == Decimal(result):
        return result
    return text


def counted(texts: Sequence[str]) -> str:
    """Different moments; a date is the whole day."""
    return str(len({datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text) for text in texts}))


def rules_of_outcomes(files: Files) -> Any:
    return yaml.safe_load(files.whole("outcomes/rules.yaml"))


def is_listed(code: str, names: str | list[str], files: Files) -> bool:
    """Whether any of these code lists has the code."""
    lists = {each["name"]: each["file"] for each in yaml.safe_load(files.whole("codelists/index.yaml"))["lists"]}
    wanted = [names] if isinstance(names, str) else names
    return any(code in {row["code"] for row in files.rows("codelists/" + lists[name])} for name in wanted)


def index_operation(code: str, condition: str, files: Files) -> str:
    if not is_listed(code, rules_of_outcomes(files)["index-operation"][condition], files):
        raise Unfit("no definitive operation of this condition")
    return condition


def event(text: str, rule: str, texts: Sequence[str], *, result: str, files: Files) -> str:
    """What the rule makes of the value, by the lists of rules.yaml."""
    rules = rules_of_outcomes(files)
    if rule in _EVENTS:
        return next((made for name, made in _EVENTS[rule].items() if text in rules[name]), "")
    if rule == "patient-deceased":
        return "death" if text == "true" or date.fromisoformat(text[:10]) else ""
    if rule == "procedure-code":
        return result if is_listed(text, rules["stoma"][result.replace("_", "-")], files) else ""
    code, before, after = texts
    if not any(is_listed(code, names, files) for names in rules["index-operation"].values()):
        raise Unfit("nothing came before it")
    return "reoperation" if _begin(before) < _begin(after) else ""


def _begin(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(ZoneInfo("UTC")).isoformat() if "T" in text else text


def mother(position: str) -> str:
    """By where she stands in the message."""
    if position.startswith(("PID", "NK1")):
        return "pid-21" if position.startswith("PID[1]-21") else "nk1"
    return "related-person"
