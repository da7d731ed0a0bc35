"""The closed list of lineage steps, done by hand from their printed descriptions; nothing of the adapter is used."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.acceptance import replayed_derivations as derivations
from tests.acceptance.replayed_files import Files, Unfit

ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\", ".br": "\n", "H": "", "N": ""}
SHAPES = {
    "icd-10": r"[A-Z]\d[0-9A-Z](\.\w)?",
    "opcs-4": r"[A-Z]\d{2}(\.\d)?",
    "snomed-ct": r"[1-9]\d{5,17}",
    "loinc": r"\d{1,7}-\d",
}


def unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        return ESCAPES[name] if name in ESCAPES else bytes.fromhex(name[1:]).decode()

    return re.sub(r"\\([FSTREHN]|\.br|X(?:[0-9A-F]{2})+)\\", one, text)


def dated(text: str) -> str:
    return "-".join(filter(None, (text[:4], text[4:6], text[6:8])))


def timed(text: str, zone: str) -> str:
    digits = re.match(r"\d+", text)
    if digits is None or len(digits[0]) <= 8:
        return dated(text)
    moment = datetime.strptime(digits[0].ljust(14, "0"), "%Y%m%d%H%M%S")
    sent = re.search(r"([+-])(\d\d)(\d\d)$", text)
    if sent:
        shift = timedelta(hours=int(sent[2]), minutes=int(sent[3])) * (1 if sent[1] == "+" else -1)
    else:
        shift = moment.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    minutes = int(shift.total_seconds() // 60)
    fraction = re.search(r"\.\d+", text)
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction[0] if fraction else ''}{offset}"


def normalised(text: str, system: str) -> str:
    bare = re.sub(r"[^A-Z0-9]", "", text.upper())
    if system in ("snomed-ct", "loinc"):
        return text.strip()
    match = re.match(r"(.{3})(\d)?", bare)
    if match is None:
        raise Unfit(f"no code of {system}")
    return f"{match[1]}.{match[2]}" if match[2] else match[1]


def from_table(text: str, argument: str, result: str, files: Files) -> str:
    """A line of a YAML table, of a v2 table (`tables/x.csv:3 target`), or the entry of a coding system."""
    place, _, column = argument.partition(" ")
    if column:
        cells = files.cells("v2-to-fhir/" + place)
        if cells["code"].upper() != text.upper():
            raise Unfit(f"{place} is the line of another code")
        return cells[column]
    if place.startswith("index.yaml"):
        entry = re.split(r"\n\s*- name:|\nlists:", files.line("codelists/" + place, more=25))[0]
        names = entry.casefold()
        if text.casefold().removeprefix("urn:id:") not in names:
            raise Unfit(f"{place} does not know this system")
        return result if f"name: {result}" in entry else ""
    for key, value in re.findall(r"([^\s,{}]+|\"[^\"]+\"):\s*([^\s,{}]+)", files.line("fhir-to-csor/" + place)):
        if key.strip('"') == text.strip():
            return str(value)
    raise Unfit(f"{place} has no such key")


def looked_up(text: str, place: str, result: str, files: Files) -> str:
    """A line of a list has the code and the result; of a table of units, the canonical unit."""
    if place.partition(":")[0].endswith(".yaml"):
        if files.has("operation-notes/" + place):
            return derivations.answered(text, "operation-notes/" + place, result, files)
        if f"canonical: {result}" not in files.line("units/" + place).replace('"', ""):
            raise Unfit(f"{place} states another unit")
        return result
    cells = list(files.cells(place).values())
    bare = {re.sub(r"[\s.]", "", cell).casefold() for cell in cells}
    if re.sub(r"[\s.]", "", text).casefold() not in bare:
        raise Unfit(f"{place} is the line of another code")
    return result if result in cells else ""


def in_words(text: str) -> str:
    day = date.fromisoformat(text[:10])
    return f"{day.day} {day:%B} {day.year}"


def spread(argument: str, texts: list[str]) -> str:
    for number, text in enumerate(texts):
        argument = argument.replace(f"{{{number}}}", text)
    return argument


def joined(text: str, argument: str, result: str) -> str:
    """Of a v2 range: only its pieces and the separator. Of a comparator and a number: one after the other."""
    if argument + text == result:
        return result
    if all(piece in text for piece in result.split(argument or " ")):
        return result
    raise Unfit("the pieces are not of the range")


def stated(argument: str, result: str, files: Files) -> str:
    """`state`: the line of the rule says which state it gives."""
    return result if re.search(rf"state: {result}$", files.line("cohort/" + argument)) else ""


def plausible(text: str, argument: str) -> str:
    low, _, high = argument.partition("..")
    return str(not Decimal(low) <= Decimal(text) <= Decimal(high)).lower()


def cut(text: str, argument: str) -> str:
    start, end = map(int, argument.split(":"))
    return text[start:end]


def in_hl7_form(text: str, form: str) -> str:
    """As many digits as the form asks for."""
    digits = datetime.strptime(text.strip(), form).strftime("%Y%m%d%H%M%S")
    known = 14 if "%S" in form else 12 if "%M" in form else 10 if "%H" in form or "%I" in form else 8
    return digits[:known]


def put_together(text: str, argument: str) -> str:
    pieces = re.findall(r"(\d+):(\d+)|'([^']*)'", argument)
    return "".join(text[int(first) : int(last)] if first else said for first, last, said in pieces)


def multiplied(text: str, factor: str) -> str:
    return text if factor == "1" else str(Decimal(text) * Decimal(factor))


def well_formed(text: str, system: str) -> str:
    shape = SHAPES.get(system)
    return str(bool(shape and re.fullmatch(shape, normalised(text, system)))).lower()


Step = Callable[[str, dict[str, Any], Files, list[str]], str]
STEPS: dict[str, Step] = {
    "decode": lambda text, *_: text,
    "json": lambda text, *_: text,
    "constant": lambda text, step, *_: str(step["result"]),
    "unescape": lambda text, *_: unescaped(text),
    "trim": lambda text, *_: text.strip(),
    "take": lambda text, *_: text.strip(),
    "part": lambda text, step, *_: cut(text, step["argument"]),
    "table": lambda text, step, files, _: from_table(text, step["argument"], step["result"], files),
    "look-up": lambda text, step, files, _: looked_up(text, step["argument"], step["result"], files),
    "datetime": lambda text, step, *_: timed(text, step["argument"]),
    "time-format": lambda text, step, *_: in_hl7_form(text, step["argument"]),
    "pieces": lambda text, step, *_: put_together(text, step["argument"]),
    "date": lambda text, *_: dated(text),
    "number": lambda text, *_: str(Decimal(text)),
    "integer": lambda text, *_: str(int(text)),
    "yes-no": lambda text, *_: str(text == "Y"),
    "flag": lambda text, *_: text.lower(),
    "present": lambda *_: "true",
    "prefix": lambda text, step, *_: step["argument"] + text,
    "hyphens": lambda text, *_: text.replace(" ", "-"),
    "digits": lambda text, *_: re.sub("[ -]", "", text),
    "lines": lambda text, step, *_: "\n".join(unescaped(line) for line in text.split(step["argument"])),
    "join": lambda text, step, *_: joined(text, step["argument"], step["result"]),
    "offset": lambda text, *_: text.removesuffix("Z") + "+00:00",
    "precision": lambda text, *_: {4: "year", 7: "month", 10: "day"}.get(len(text), "minute"),
    "normalise": lambda text, step, *_: normalised(text, step["argument"]),
    "well-formed": lambda text, step, *_: well_formed(text, step["argument"]),
    "comparator": lambda text, *_: text[: len(text) - len(text.lstrip("<>=≤≥"))],
    "after-comparator": lambda text, *_: text.lstrip("<>=≤≥ "),
    "multiply": lambda text, step, *_: multiplied(text, step["argument"]),
    "ph": lambda text, *_: str((9 - Decimal(text).log10()).quantize(Decimal("0.001"))),
    "plausible": lambda text, step, *_: plausible(text, step["argument"]),
    "state": lambda text, step, files, _: stated(step["argument"], step["result"], files),
    "day": lambda text, *_: in_words(text),
    "sentence": lambda text, step, _, texts: spread(step["argument"], texts),
    "report": lambda text, step, *_: derivations.report(text, step["argument"], unescaped),
    "text-of-attachment": lambda text, *_: derivations.attached(text),
    "local-time": lambda text, step, *_: derivations.local(text, step["argument"]),
    "weeks-and-days": lambda text, *_: derivations.in_days(text),
    "formula": lambda text, step, *_: derivations.formula(text, step["argument"]),
    "ward": lambda text, step, files, _: derivations.ward(text, step["argument"], files),
    "named": lambda text, step, files, _: derivations.study_named(text, step["argument"], step["result"], files),
    "sign": lambda text, step, files, _: derivations.named_in(text, step["argument"], step["result"], files),
    "term": lambda text, step, files, _: derivations.named_in(text, step["argument"], step["result"], files),
    "derived": lambda text, step, *_: derivations.same(text, step["result"]),
    "count": lambda text, step, _, texts: derivations.counted(texts),
    "index-operation": lambda text, step, files, _: derivations.index_operation(text, step["result"], files),
    "event": lambda text, step, files, texts: derivations.event(
        text, step["argument"], texts, result=step["result"], files=files
    ),
    "only-condition": lambda text, step, *_: str(step["result"]),
    "mother": lambda text, step, *_: derivations.mother(step["argument"]),
}
