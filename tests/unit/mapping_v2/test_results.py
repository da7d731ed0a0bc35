"""Results: values that are never wrong numbers, natural keys, clocks, groups, notes."""

from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import mapping
from adapter.assertion import ItemKind
from adapter.errors import ProblemCode
from adapter.hl7v2 import Message
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.v2_engine import Engine
from adapter.mapping.v2_reader import Reader
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import (
    LONDON,
    OBR,
    PID,
    PV1,
    a_message,
    items,
    observations,
    oru,
    state_maps,
    stated,
    the_value,
)

ORIGINAL_TEXT = "http://hl7.org/fhir/StructureDefinition/originalText"


@pytest.mark.behaviour(129)
@pytest.mark.parametrize(
    ("sent", "value", "comparator"),
    [("72.50", "72.50", None), ("<7", "7", "<"), (">500", "500", ">"), ("<= 0.10", "0.10", "<="), ("-3", "-3", None)],
)
def test_a_number_keeps_its_digits_and_its_comparator(sent: str, value: str, comparator: str | None) -> None:
    observation, statement = the_value("NM", sent)
    assert observation["valueQuantity"]["value"] == Decimal(value)
    assert str(observation["valueQuantity"]["value"]) == value
    assert observation["valueQuantity"].get("comparator") == comparator
    assert observation["valueQuantity"]["unit"] == "mg/L"
    assert statement.problems == []


@pytest.mark.behaviour(129)
@pytest.mark.parametrize("sent", ["7.0*", "1,200", "haemolysed", "7~8", "1e5", "NaN", "Infinity", "< ", "7.", "٣"])
def test_what_is_not_exactly_a_number_stays_text(sent: str) -> None:
    observation, statement = the_value("NM", sent)
    assert "valueQuantity" not in observation
    assert observation["valueString"] == sent
    assert [(each.code, each.at) for each in statement.problems] == [(ProblemCode.NOT_A_NUMBER, "OBX[1]-5")]


@pytest.mark.behaviour(129)
def test_an_empty_number_is_no_value() -> None:
    observation, statement = the_value("NM", "")
    assert not [name for name in observation if name.startswith("value")]
    assert statement.problems == []


@pytest.mark.behaviour(130)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("<^5", {"valueQuantity": {"value": Decimal(5), "comparator": "<", "unit": "mg/L"}}),
        ("^5", {"valueQuantity": {"value": Decimal(5), "unit": "mg/L"}}),
        ("=^5", {"valueQuantity": {"value": Decimal(5), "unit": "mg/L"}}),
        (
            "^1^:^64",
            {
                "valueRatio": {
                    "extension": [{"url": ORIGINAL_TEXT, "valueString": "1 : 64"}],
                    "numerator": {"value": Decimal(1)},
                    "denominator": {"value": Decimal(64)},
                }
            },
        ),
        (
            "^10^-^20",
            {
                "valueRange": {
                    "extension": [{"url": ORIGINAL_TEXT, "valueString": "10 - 20"}],
                    "low": {"value": Decimal(10), "unit": "mg/L"},
                    "high": {"value": Decimal(20), "unit": "mg/L"},
                }
            },
        ),
        (">=^5^^", {"valueQuantity": {"value": Decimal(5), "comparator": ">=", "unit": "mg/L"}}),
        ("^7.0*", {"valueString": "7.0*"}),
        ("^1,200", {"valueString": "1,200"}),
        ("<^7", {"valueQuantity": {"value": Decimal(7), "comparator": "<", "unit": "mg/L"}}),
        ("^30^+^4", {"valueString": "30 + 4"}),
        ("<>^5", {"valueString": "<> 5"}),
        ("^1^+", {"valueString": "1 +"}),
        ("<^10^-^20", {"valueString": "< 10 - 20"}),
    ],
)
def test_a_structured_number_in_all_its_parts(sent: str, expected: dict[str, object]) -> None:
    observation, _ = the_value("SN", sent)
    found = {name: value for name, value in observation.items() if name.startswith("value")}
    assert found == expected


@pytest.mark.parametrize(("sent", "unit"), [("<5", "mg/L"), ("4.20", "mg/L")])
def test_a_string_that_is_exactly_a_number_with_a_unit_is_a_quantity(sent: str, unit: str) -> None:
    observation, _ = the_value("ST", sent, unit)
    assert observation["valueQuantity"]["unit"] == "mg/L"


@pytest.mark.parametrize(("sent", "unit"), [("<5", ""), ("5 or more", "mg/L"), ("1,200", "mg/L"), ("4+", "mg/L")])
def test_any_other_string_stays_a_string(sent: str, unit: str) -> None:
    observation, _ = the_value("ST", sent, unit)
    assert observation["valueString"] == sent


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("10\\S\\9/L", "10^9/L"),
        ("x10\\S\\9/L", "x10^9/L"),
        ("10^9/L", "10^9/L"),
        ("mmol/L^millimoles^LAB", "millimoles"),
    ],
)
def test_a_power_in_a_unit_survives_with_or_without_escape(sent: str, read: str) -> None:
    observation, _ = the_value("NM", "5", sent)
    assert observation["valueQuantity"]["unit"] == read


@pytest.mark.behaviour(131)
def test_a_report_keeps_its_lines_and_its_empty_lines() -> None:
    observation, _ = the_value("FT", r"one~~two\.br\three & four^five")
    assert observation["valueString"] == "one\n\ntwo\nthree & four^five"


@pytest.mark.behaviour(125)
def test_preliminary_final_and_corrected_are_one_result_ordered_by_status() -> None:
    said = [items(oru(OBR, f"OBX|1|NM|CRP^^LAB||{n}|mg/L|||||{s}"), ItemKind.OBSERVATION)[0] for n, s in
            enumerate("PFACXDW")]  # fmt: skip
    assert {item.key for item in said} == {"obs|F1|FBC|CRP|"}
    assert [item.rank for item in said] == sorted({item.rank for item in said})
    assert [item.resources[0]["status"] for item in said[:4]] == ["preliminary", "final", "amended", "corrected"]


@pytest.mark.behaviour(126)
@pytest.mark.parametrize("status", ["I", "O", "N"])
def test_a_result_that_is_not_there_has_no_value(status: str) -> None:
    observation = observations(oru(OBR, f"OBX|1|NM|CRP^^LAB||5|mg/L|||||{status}"))[0]
    assert not [name for name in observation if name.startswith("value")]


@pytest.mark.behaviour(126)
@pytest.mark.parametrize(
    ("status", "meaning"), [("W", "entered-in-error"), ("D", "entered-in-error"), ("X", "cancelled")]
)
def test_a_withdrawn_result_says_so(status: str, meaning: str) -> None:
    assert observations(oru(OBR, f"OBX|1|NM|CRP^^LAB||5|mg/L|||||{status}"))[0]["status"] == meaning


@pytest.mark.behaviour(134)
def test_groups_and_sub_ids_are_kept_apart() -> None:
    other = OBR.replace("F1", "F2").replace("FBC", "MCS")
    statement = oru(OBR, "OBX|1|NM|A||1||||||F", other, "OBX|1|ST|ORG|1|x||||||F", "OBX|2|ST|ORG|2|y||||||F")
    assert [item.key for item in items(statement, ItemKind.OBSERVATION)] == [
        "obs|F1|FBC|A|",
        "obs|F2|MCS|ORG|1",
        "obs|F2|MCS|ORG|2",
    ]


def test_without_a_filler_number_the_specimen_time_is_part_of_the_key() -> None:
    statement = oru("OBR|1|P1||FBC|||20260103110000", "OBX|1|NM|A||1||||||F")
    assert items(statement, ItemKind.OBSERVATION)[0].key == "obs|P1|FBC|A||20260103110000"


@pytest.mark.behaviour(136)
def test_specimen_time_is_clinical_time_and_report_time_is_the_clock() -> None:
    statement = oru(OBR, "OBX|1|NM|A||1||||||F|||20260103105500", "OBX|2|NM|B||1||||||F")
    first, second = items(statement, ItemKind.OBSERVATION)
    assert first.resources[0]["effectiveDateTime"] == "2026-01-03T10:55:00+00:00"
    assert second.resources[0]["effectiveDateTime"] == "2026-01-03T11:00:00+00:00"
    assert first.clock_us == 1767442200_000000
    assert first.resources[0]["issued"] == "2026-01-03T12:10:00+00:00"


@pytest.mark.behaviour(133)
def test_a_note_belongs_to_what_it_follows() -> None:
    statement = oru("NTE|1||of the visit", OBR, "NTE|1||of the order", "OBX|1|NM|A||1||||||F", "NTE|1||of the result")
    assert [note["text"] for note in observations(statement)[0]["note"]] == ["of the result"]


def test_the_specimen_is_found_wherever_the_laboratory_names_it() -> None:
    before = oru(OBR.replace("|20260103113000|", "|20260103113000|BLD^Blood|"), "OBX|1|NM|A||1||||||F")
    after = oru(OBR, "OBX|1|NM|A||1||||||F", "SPM|1|S1||UR^Urine")
    for statement, code in ((before, "BLD"), (after, "UR")):
        reference = observations(statement)[0]["specimen"]["reference"]
        assert statement.context[reference]["type"]["coding"][0]["code"] == code


def test_the_ward_of_a_result_is_known_for_triage() -> None:
    encounter = oru(OBR, "OBX|1|NM|A||1||||||F").context["triage-encounter"]
    assert encounter["location"][0]["location"]["identifier"]["value"] == "NICU"
    assert items(oru(OBR), ItemKind.ENCOUNTER) == []


@pytest.mark.behaviour(94)
def test_unmapped_segments_change_nothing() -> None:
    plain = a_message("ORU^R01", PID, PV1, OBR, "OBX|1|NM|A||1||||||F")
    noisy = a_message("ORU^R01", PID, "ZPI|1|x", PV1, "ZZ9", OBR, "ZRE|1", "OBX|1|NM|A||1||||||F|||||||||||||||x|y")
    assert stated(plain) == stated(noisy)


def test_remembering_changes_nothing() -> None:
    raw = a_message("ORU^R01", PID, PV1, OBR, *[f"OBX|{n}|NM|A{n}^^LAB||{n}.5|g/L|1-3|H|||F" for n in range(9)])
    assert stated(raw) == stated(raw)


class Forgetful:
    """The same maps, which remember nothing of the messages before."""

    def __init__(self, maps: mapping.V2Maps) -> None:
        self.maps = maps

    def engine(self, message: Message, zone: ZoneInfo, rules: FeedRules) -> Engine:
        made = self.maps.engine(message, zone, rules)
        reader = Reader(message.delimiters, encoding=message.encoding, zone=zone, tables=made.reader.tables)
        return Engine(self.maps.compiled, reader, kinds=made.kinds, rules=rules, remembers=False)


TAILS = ("", "|||20260103110000", "||||DR1^SMITH|M1^By hand^LAB", '||||||""|||||||LAB9^Laboratory')
LINES = st.tuples(
    st.sampled_from(["NM", "ST", "SN"]),
    st.sampled_from(["CRP^C reactive protein^LAB", "HB^^LAB", '""', "A\\T\\B^^LAB", ""]),
    st.sampled_from(["", "1", "2.1"]),
    st.sampled_from(["5", "<7", "7~8", "abc", '""', "^5", ""]),
    st.sampled_from(["mg/L", "g/L", '""', ""]),
    st.sampled_from(["1-3", "<5", '""', "none^of^these", ""]),
    st.sampled_from(["H", "N", "H~HH", "ZZ", '""', ""]),
    st.sampled_from(["F", "P", "C", "X", "W", "?", '""', ""]),
    st.sampled_from(TAILS),
)


@given(st.lists(st.tuples(st.sampled_from(["F", "C", "P", ""]), st.lists(LINES, min_size=1, max_size=6)), max_size=4))
def test_what_came_before_changes_no_result(reports: list[tuple[str, list[tuple[str, ...]]]]) -> None:
    for order, lines in reports:
        results = [
            f"OBX|{number}|{kind}|{code}|{part}|{value}|{unit}|{range_}|{flag}|||{status}{tail}"
            for number, (kind, code, part, value, unit, range_, flag, status, tail) in enumerate(lines, start=1)
        ]
        message = a_message("ORU^R01", PID, PV1, OBR.removesuffix("F") + order, *results)
        forgetful = cast("mapping.V2Maps", Forgetful(state_maps()))
        assert stated(message) == mapping.state(message, forgetful, timezone=LONDON)


def reported(order: str, result: str, *, rules: FeedRules = STANDARD) -> Statement:
    obr = OBR.removesuffix("F") + order
    return stated(a_message("ORU^R01", PID, PV1, obr, f"OBX|1|NM|CRP^^LAB||5|mg/L|||||{result}"), rules=rules)


def status_problems(statement: Statement) -> list[str]:
    return [problem.at for problem in statement.problems if problem.code is ProblemCode.STATUSES_DISAGREE]


BY_ORDER = FeedRules(status_precedence="obr")


@pytest.mark.behaviour(127)
@pytest.mark.parametrize(
    ("order", "result", "by_result", "by_order"),
    [
        ("F", "P", "preliminary", "final"),
        ("C", "P", "preliminary", "corrected"),
        ("P", "F", "final", "preliminary"),
        ("R", "C", "corrected", "preliminary"),
        ("X", "F", "final", "cancelled"),
    ],
)
def test_a_contradiction_of_order_and_result_is_told_and_the_feed_says_which_holds(
    order: str, result: str, by_result: str, by_order: str
) -> None:
    for rules, status in ((STANDARD, by_result), (BY_ORDER, by_order)):
        for _ in range(2):  # told each time, remembered or not
            statement = reported(order, result, rules=rules)
            assert observations(statement)[0]["status"] == status
            assert status_problems(statement) == ["OBX[1]-11"]


@pytest.mark.behaviour(127)
@pytest.mark.parametrize(
    ("order", "result", "status"),
    [("F", "F", "final"), ("C", "F", "final"), ("F", "C", "corrected"), ("A", "F", "final"), ("A", "P", "preliminary"),
     ("F", "X", "cancelled"), ("F", "D", "entered-in-error"), ("P", "P", "preliminary"), ("", "F", "final")],
)  # fmt: skip
def test_statuses_that_may_stand_together_are_no_contradiction(order: str, result: str, status: str) -> None:
    for rules in (STANDARD, BY_ORDER):
        statement = reported(order, result, rules=rules)
        assert observations(statement)[0]["status"] == status
        assert status_problems(statement) == []
