"""Coding weeks after discharge updates the spell, in whatever form the coder's system writes a code."""

import pytest

from adapter import config, mapping
from adapter.assertion import ItemKind
from tests.unit.mapping_v2.messages import PV1, adt, items

LISTS = mapping.load_codelists(config.packaged("mappings") / "codelists")
ICD = "http://hl7.org/fhir/sid/icd-10"
OPCS = "https://fhir.hl7.org.uk/Id/opcs-4"


@pytest.mark.behaviour(118)
@pytest.mark.parametrize("event", ["A03", "A08", "A31"])
def test_codes_sent_weeks_later_are_the_codes_of_the_spell(event: str) -> None:
    statement = adt(event, PV1 + "|20260110090000", "DG1|1||Q793^Gastroschisis^I10", recorded="20260221100000")
    (coded,) = items(statement, ItemKind.CONDITIONS)
    assert coded.key == "visit|V7001"
    assert coded.clock_us == 1771668000_000000
    earlier = items(adt("A08", PV1, "DG1|1||Q79.2^Exomphalos^I10"), ItemKind.CONDITIONS)[0]
    assert coded.key == earlier.key and coded.clock_us > earlier.clock_us


def test_late_coding_of_a_person_event_changes_no_visit() -> None:
    statement = adt("A31", PV1, "DG1|1||P77X^NEC^I10")
    assert items(statement, ItemKind.ENCOUNTER) == []
    assert items(statement, ItemKind.CONDITIONS)[0].key == "visit|V7001"


@pytest.mark.behaviour(140)
@pytest.mark.parametrize(
    ("sent", "code"),
    [("P77X", "P77"), ("p77x", "P77"), ("P77", "P77"), ("Q793", "Q79.3"), ("q79.3", "Q79.3"), ("Q79.30", "Q79.3"),
     ("Q793D", "Q79.3"), ("Q79.3†", "Q79.3"), ("Q79.3*", "Q79.3"), ("Q79.3 ", "Q79.3"), ("Q79.3+", "Q79.3"),
     ("Q79.3A", "Q79.3")],
)  # fmt: skip
@pytest.mark.parametrize("system", ["", "^I10", "^Gastroschisis^ICD10", "^^ICD-10"])
def test_a_diagnosis_in_any_writing_reaches_the_code_lists(sent: str, code: str, system: str) -> None:
    text = system if system.count("^") > 1 or not system else f"^{system}"
    (item,) = items(adt("A08", PV1, f"DG1|1||{sent}{text}"), ItemKind.CONDITIONS)
    coding = item.resources[0]["code"]["coding"][0]
    assert coding["code"] == sent.strip()
    assert LISTS.normalise(coding["system"], coding["code"]) == (ICD, code)


@pytest.mark.parametrize(("sent", "code"), [("T281", "T28.1"), ("t28.1", "T28.1"), ("T28.1 ", "T28.1")])
def test_a_procedure_in_any_writing_reaches_the_code_lists(sent: str, code: str) -> None:
    (item,) = items(adt("A08", PV1, f"PR1|1||{sent}^^OPCS4||20260102"), ItemKind.PROCEDURES)
    coding = item.resources[0]["code"]["coding"][0]
    assert LISTS.normalise(coding["system"], coding["code"]) == (OPCS, code)
