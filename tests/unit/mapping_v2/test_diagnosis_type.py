"""DG1-6 tells a working diagnosis from a coded one, so that a guess on the ward confirms nobody."""

from zoneinfo import ZoneInfo

from adapter import config, mapping
from adapter.assertion import ItemKind
from adapter.cohort import Coded, judge, load_rules
from adapter.hl7v2.message import Message

LONDON = ZoneInfo("Europe/London")
FOLDER = config.packaged("mappings")
MAPS = mapping.load_v2_maps(FOLDER, wanted=mapping.STATE_TYPES)
LISTS = mapping.load_codelists(FOLDER / "codelists")
RULES = load_rules(FOLDER / "cohort", codelists=LISTS.code_rows(), normalise=LISTS.normalise)


def state_of_gastroschisis(diagnosis_type: str) -> str:
    raw = (
        "MSH|^~\\&|PAS|RXX|CSOR|RXX|202601031200||ADT^A08|1|P|2.4\rEVN|A08|202601031200\r"
        "PID|1||1234^^^RXX^MR||Baby^Invented||202601030500|M\rPV1|1|I|NICU||||||||||||||||V1\r"
        f"DG1|1||Q79.3^Gastroschisis^I10||202601030600|{diagnosis_type}\r"
    )
    statement = mapping.state(Message.parse(raw.encode()), MAPS, timezone=LONDON)
    conditions = [r for item in statement.items if item.kind is ItemKind.CONDITIONS for r in item.resources]
    cases = judge([Coded(r) for r in conditions], [], birth="2026-01-03", sex="male", rules=RULES)
    return next(case.state.value for case in cases if case.condition == "gastroschisis")


def test_a_final_diagnosis_confirms() -> None:
    assert state_of_gastroschisis("F") == "confirmed"


def test_a_working_diagnosis_does_not_confirm() -> None:
    assert state_of_gastroschisis("W") != "confirmed"
