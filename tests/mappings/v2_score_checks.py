"""Whether a stated cause is true of a difference, by the message, by what was made and by the official table.

A check answers yes only for what it has seen; whatever no check confirms stays unexplained.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from tests.mappings.official_tables import MapRow, code_rows, datatype_rows, message_rows, segment_maps, segment_rows
from tests.mappings.v2_score_compare import Difference, same


class Segments:
    """A message as its fields, read as plainly as can be and not by the adapter."""

    def __init__(self, text: str) -> None:
        lines = [line for line in re.split(r"[\r\n]+", text.lstrip("\ufeff\x0b")) if line[:3].isalnum()]
        self._all = [line.split("|") for line in lines]
        for fields in self._all:
            if fields[0] == "MSH":
                fields.insert(1, "|")
        header = next((fields for fields in self._all if fields[0] == "MSH"), [])
        kind = (header[9] if len(header) > 9 else "").split("^")
        self.code, self.event = kind[0], kind[1] if len(kind) > 1 else ""

    def values(self, field: str) -> Iterator[str]:
        """Every field of that name (`OBX-3`), as sent."""
        segment, _, number = field.partition("-")
        for fields in self._all:
            if fields[0] == segment and len(fields) > int(number):
                yield fields[int(number)]

    def texts(self, field: str) -> set[str]:
        """All parts of every field of that name: repetitions, components, subcomponents."""
        return {part for value in self.values(field) for part in parts(value)}

    def naming(self, value: str) -> Iterator[list[str]]:
        """The segments that hold this value as a part of some field, with or without hyphens in it."""
        return (
            fields
            for fields in self._all
            if any(value in parts(each) or value in parts(each.replace("-", "")) for each in fields)
        )


def parts(text: str) -> set[str]:
    """The text and everything between its delimiters."""
    found = {text}
    for delimiter in "~^&":
        found |= {piece for each in found for piece in each.split(delimiter)}
    return {each.strip() for each in found}


class Case(NamedTuple):
    """A difference and the message it comes from."""

    difference: Difference
    message: Segments

    def expected(self, element: str) -> list[str]:
        """What is expected of the whole resource under this element (`code.coding.code`)."""
        path = f"{self.difference.resource}.{element}"
        return [leaf.value for leaf in self.difference.whole if leaf.path == path]


def same_instant(case: Case) -> bool:
    """A produced value is the same moment, written with the offset that was sent."""
    moment = _moment(case.difference.value)
    return moment is not None and any(_moment(given) == moment for given in case.difference.rivals)


def instant_of_field(case: Case, field: str, source: str, target: str) -> bool:
    """The expected moment is that of a field which the table maps to another element (`-`: to none)."""
    moment = _moment(case.difference.value)
    sent = [_v2_moment(text) for text in case.message.texts(field)]
    return moment is not None and moment in sent and _maps_to(source, field, target)


def value_of_field(case: Case, field: str, source: str, target: str) -> bool:
    """The expected value is that of a field which the table maps to another element (`-`: to none)."""
    value = case.difference.value.strip()
    element = case.difference.path.partition(".")[2]
    is_other = not source.endswith(f"[{case.difference.resource}]") or not element.startswith(target)
    return bool(value) and value in case.message.texts(field) and is_other and _maps_to(source, field, target)


def value_without_map(case: Case, *segments: str) -> bool:
    """The expected value stands only in segments of which the guide has no finished map to this type."""
    value = case.difference.value.strip()
    holding = {fields[0] for fields in case.message.naming(value)} if value else set()
    own = f"[{case.difference.resource}"
    ready = {name.partition("[")[0] for name, state in segment_maps().items() if own in name and "Ready" in state}
    return bool(holding) and holding <= set(segments) and not holding & ready


def resource_of_field(case: Case, field: str, element: str) -> bool:
    """The expected resource is made of a field's segment, of which the guide has no map to this type."""
    made_of = case.message.texts(field)
    named = case.expected(element)
    has_map = any(name.startswith(f"{field[:3]}[{case.difference.resource}") for name in segment_maps())
    return bool(named) and set(named) <= made_of and not has_map


def message_makes_none(case: Case, structure: str, segment: str, codes: str) -> bool:
    """The official map of the message makes other resources of that segment, and none of this type."""
    targets = [
        row.target for row in message_rows() if (row.message, row.segment) == (structure, segment) and row.target
    ]
    is_silent = bool(targets) and not any(target.startswith(case.difference.resource) for target in targets)
    return case.message.code in codes.split("/") and is_silent and any(case.message.values(f"{segment}-1"))


def order_makes_none(case: Case, structure: str, field: str, codes: str) -> bool:
    """As `message_makes_none`, and the expected resource is that of this very segment."""
    named = {*case.expected("code.coding.code"), *case.expected("code.text"), *case.expected("identifier.value")}
    is_of_it = bool(named & case.message.texts(field)) or not named
    return is_of_it and message_makes_none(case, structure, field[:3], codes)


def code_table_says(case: Case, table: str, field: str) -> bool:
    """What was made instead is what the official table gives for the code that was sent."""
    targets = {row.code: row.target for row in code_rows() if row.table == table}
    told = {targets.get(code, "") for code in case.message.texts(field)} - {""}
    return bool(told & set(case.difference.rivals)) and case.difference.value not in told


def code_table_is_open(case: Case, table: str, field: str) -> bool:
    """The official table has no target for a code of the message."""
    rows = {row.code: row.target for row in code_rows() if row.table == table}
    return any(code in rows and not rows[code] for code in case.message.texts(field))


def row_is_open(case: Case, source: str, target: str, comment: str) -> bool:
    """The table names the element (`-`: none) and leaves what it is to implementers."""
    rows = (row for row in segment_rows() if row.map == source and (row.target or "-") == target)
    return any(comment in row.condition + row.comment for row in rows)


def no_instant_of_a_date(case: Case) -> bool:
    """FHIR R4: an instant is known at least to the second and has an offset."""
    return not re.search(r"T\d\d:\d\d:\d\d", case.difference.value)


def one_of_a_choice(case: Case, other: str, field: str) -> bool:
    """FHIR R4: of a choice only one is given, and another was made of a field that is valued."""
    is_made = any(path == other for each in case.difference.others for path, _ in each)
    return is_made and any(case.message.values(field))


def blank(case: Case) -> bool:
    """FHIR R4: a string holds at least one character that is no white space."""
    return not case.difference.value.strip()


def first_subcomponent(case: Case, field: str) -> bool:
    """The expected value holds the delimiters of the message: it was not taken apart."""
    first = case.difference.value.partition("&")[0]
    return bool(first) and "&" in case.difference.value and case.difference.value in case.message.texts(field)


def unit_is_the_name(case: Case) -> bool:
    """CWE[Quantity]: CWE.2 is the unit where it is valued; the code stands in Quantity.code."""
    names = [
        value.split("^")[1] for value in case.message.values("OBX-6") if value.startswith(f"{case.difference.value}^")
    ]
    says = any(row.field == "CWE.2" and row.target == "Quantity.unit" for row in datatype_rows())
    return says and any(names)


def repeats_are_components(case: Case, structure: str) -> bool:
    """Where OBX-5 repeats, the message map makes components, and no text of the joined repetitions."""
    rows = [row for row in message_rows() if row.message == structure and row.by == "OBX[Observation-Component]"]
    joined = re.sub(r"[^a-z]", "", case.difference.value.lower())
    sent = [re.sub(r"[^a-z]", "", value.lower()) for value in case.message.values("OBX-5") if "~" in value]
    return any("GREATER THAN 1" in row.condition for row in rows) and joined in sent


def other_number_stands(case: Case, field: str, source: str, instead: str) -> bool:
    """The table takes this field's number only where another field has none, and that one has."""
    numbers = set(case.expected("identifier.value")) & case.message.texts(field) - case.message.texts(instead)
    rows = [row for row in segment_rows() if row.map == source and row.field == field]
    says = any(f"{instead} NOT VALUED" in row.condition for row in rows)
    made_elsewhere = any((case.difference.path, case.difference.value) in each for each in case.difference.others)
    is_taken = any(case.message.values(instead)) and says and bool(numbers)
    # Where the number decided which produced resource it is compared with, what that one lacks differs as well.
    return is_taken and (case.difference.value in numbers or made_elsewhere)


def name_as_text(case: Case, field: str) -> bool:
    """CWE[CodeableConcept]: CWE.2 is the display; the text is CWE.9, which is empty."""
    sent = [value.split("^") for value in case.message.values(field)]
    is_name = any(len(each) < 9 and case.difference.value in each[1:2] for each in sent)
    return is_name and any(row.field == "CWE.2" and row.target == "coding[1].display" for row in datatype_rows())


def number_of_two_parts(case: Case) -> bool:
    """SN with a full stop between two numbers: `>^1^.^3` may mean more than 1.3."""
    sent = [value.split("^") for value in case.message.values("OBX-5")]
    return any(len(each) == 4 and each[2] == "." and each[3].isdecimal() for each in sent)


def one_value_of_several(case: Case) -> bool:
    """One value is expected of an element that FHIR gives only once, and another one too, which is made."""
    expected = [leaf for leaf in case.difference.whole if leaf.path == case.difference.path]
    made = [value for path, value in case.difference.made or () if path == case.difference.path]
    return len(expected) > 1 and len(made) == 1 and any(same(each.value, made[0], each.kind) for each in expected)


def of_two_segments(case: Case, segment: str) -> bool:
    """The expectation joins values of different segments; each is made where it was sent."""
    value = case.difference.value.strip()
    agreed = {leaf.value for leaf in case.difference.whole} & {given for _, given in case.difference.made or ()}
    here = [fields for fields in case.message.naming(value) if fields[0] == segment]
    is_apart = bool(here) and not any(
        each in parts(text) for fields in here for text in fields for each in agreed if each
    )
    is_made = any((case.difference.path, value) in each for each in case.difference.others)
    return is_apart and is_made


def _maps_to(source: str, field: str, target: str) -> bool:
    rows: list[MapRow] = [row for row in segment_rows() if row.map == source and row.field == field]
    if target == "-":
        return bool(rows) and not any(row.target for row in rows)
    return any(row.target.startswith(target) for row in rows)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(second=0, microsecond=0) if found.tzinfo else None


def _v2_moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:12] + text[-5:], "%Y%m%d%H%M%z")
    except ValueError:
        return None


CHECKS: Mapping[str, Callable[..., bool]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        same_instant,
        instant_of_field,
        value_of_field,
        value_without_map,
        resource_of_field,
        message_makes_none,
        order_makes_none,
        code_table_says,
        code_table_is_open,
        row_is_open,
        no_instant_of_a_date,
        one_of_a_choice,
        blank,
        first_subcomponent,
        unit_is_the_name,
        repeats_are_components,
        of_two_segments,
        other_number_stands,
        name_as_text,
        number_of_two_parts,
        one_value_of_several,
    )
}


def confirmed(case: Case, check: str, arguments: Iterable[str]) -> bool:
    """Whether the named check holds."""
    return CHECKS[check](case, *arguments)
