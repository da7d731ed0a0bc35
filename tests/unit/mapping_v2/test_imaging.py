"""Radiology: a report over many segments is one item under its accession number, and never a laboratory value."""

from pathlib import Path
from shutil import copytree

import pytest

from adapter import config, mapping
from adapter.assertion import Item, ItemKind
from adapter.mapping.trace import trace
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, all_maps, items, oru, state_maps, stated

REPORT = "OBR|1|P7^EPR|RXX123^CRIS|XABDO^Abdomen X-ray^NICIP|||20260103110000|||||||||||||||20260103121000||RAD|F"


def the_image(statement: Statement) -> Item:
    (found,) = items(statement, ItemKind.IMAGING)
    return found


@pytest.mark.behaviour(138)
def test_a_report_is_one_item_under_its_accession_number() -> None:
    statement = oru(REPORT, "OBX|1|TX|REP||Dilated loops.||||||F", "OBX|2|FT|REP||No free gas.||||||F")
    item = the_image(statement)
    assert item.key == "imaging|RXX123|XABDO"
    assert item.clock_us == 1767442200_000000
    report = item.resources[0]
    assert report["resourceType"] == "DiagnosticReport"
    assert report["status"] == "final"
    assert report["identifier"][0] == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
        "value": "RXX123",
        "assigner": {"display": "CRIS"},
    }
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"}
    assert report["category"] == [{"coding": [coding]}]
    assert report["code"]["coding"][0]["code"] == "XABDO"
    assert report["effectiveDateTime"] == "2026-01-03T11:00:00+00:00"
    assert report["issued"] == "2026-01-03T12:10:00+00:00"
    assert report["conclusion"] == "Dilated loops.\nNo free gas."
    assert items(statement, ItemKind.OBSERVATION) == []


@pytest.mark.parametrize("section", ["RX", "us", "CT", "MR", "NMR", "NM", "CUS", "RUS", "OUS", "RAD^Radiology^HL70074"])
def test_what_is_radiology_stands_in_a_table(section: str) -> None:
    statement = oru(REPORT.replace("|RAD|", f"|{section}|"), "OBX|1|NM|AP||12|mm|||||F")
    assert the_image(statement).key == "imaging|RXX123|XABDO"
    assert items(statement, ItemKind.OBSERVATION) == []


@pytest.mark.parametrize("section", ["", "LAB", "CH", "HM", "RADX"])
def test_a_laboratory_report_is_no_image(section: str) -> None:
    statement = oru(REPORT.replace("|RAD|", f"|{section}|"), "OBX|1|NM|A||12|g/L|||||F")
    assert items(statement, ItemKind.IMAGING) == []
    assert len(items(statement, ItemKind.OBSERVATION)) == 1


def test_a_trust_names_its_own_examinations_and_senders() -> None:
    message = a_message("ORU^R01", PID, REPORT.replace("|RAD|", "||"), "OBX|1|TX|REP||Text||||||F")
    for table, code in (("imaging-exams", "xabdo"), ("imaging-senders", "EPR"), ("imaging-sections", "ZZ")):
        maps = mapping.load_v2_maps(config.packaged("mappings"), wanted=mapping.STATE_TYPES, own_codes={table: [code]})
        found = items(mapping.state(message, maps, timezone=LONDON), ItemKind.IMAGING)
        assert len(found) == (table != "imaging-sections")


def test_a_vendor_has_its_own_sections_and_accession_number(tmp_path: Path) -> None:
    folder = tmp_path / "v2-to-fhir"
    copytree(config.packaged("mappings") / "v2-to-fhir", folder)
    (folder / "vendors" / "meadow" / "tables").mkdir(parents=True)
    (folder / "vendors" / "meadow" / "tables" / "imaging-sections.csv").write_text("code,target\nXRAY,XRAY\n")
    (folder / "vendors" / "meadow" / "OBR.yaml").write_text(
        """kind: v2-to-fhir-overlay
segment: OBR
keys:
  - resource: DiagnosticReport
    key: [{constant: imaging}, {from: OBR-18}]
    because: This vendor sends the accession number in OBR-18 (release 7).
    source: invented for this test
    dated: unconfirmed
"""
    )
    maps = mapping.load_v2_maps(folder, vendor="meadow", wanted=mapping.STATE_TYPES)
    obr = REPORT.replace("|RAD|", "|XRAY|").split("|")
    obr[18] = "ACC9"
    found = mapping.state(a_message("ORU^R01", PID, "|".join(obr)), maps, timezone=LONDON)
    assert the_image(found).key == "imaging|ACC9"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("FP", "preliminary"),
        ("FF", "final"),
        ("FC", "final"),
        ("CC", "corrected"),
        ("IF", "registered"),
        ("DF", "final"),
    ],
)
def test_without_a_status_of_its_own_a_report_is_as_final_as_the_least_final_part(sent: str, status: str) -> None:
    obr = REPORT.removesuffix("|F")
    parts = [f"OBX|{n}|TX|REP||Line||||||{each}" for n, each in enumerate(sent)]
    assert the_image(oru(obr, *parts)).resources[0]["status"] == status


def test_an_addendum_is_part_of_the_report_and_a_later_correction_ranks_higher() -> None:
    addendum = REPORT.replace("OBR|1", "OBR|2")
    statement = oru(REPORT, "OBX|1|TX|REP||First.||||||F", addendum, "OBX|1|TX|REP&ADT||Addendum: second.||||||F")
    assert the_image(statement).resources[0]["conclusion"] == "First.\nAddendum: second."
    corrected = the_image(oru(REPORT[:-1] + "C", "OBX|1|TX|REP||First, corrected.||||||C"))
    assert corrected.rank > the_image(statement).rank


def test_lines_come_of_every_kind_of_text_and_a_document_is_not_one() -> None:
    statement = oru(
        REPORT,
        r"OBX|1|FT|REP||One\.br\Two~Three||||||F",
        "OBX|2|ST|REP||Four & five||||||F",
        "OBX|3|ED|PDF||CRIS^application^pdf^Base64^JVBERi0x||||||F",
        "OBX|4|NM|AP||12|mm|||||F",
    )
    report = the_image(statement).resources[0]
    assert report["conclusion"] == "One\nTwo\nThree\nFour & five"
    assert report["presentedForm"] == [{"contentType": "application/pdf"}]
    assert "JVBERi0x" not in str(statement)


def test_a_laboratory_group_beside_an_image_stays_laboratory() -> None:
    statement = oru(REPORT, "OBX|1|TX|REP||Text||||||F", OBR, "OBX|1|TX|FILM||Film||||||F", "OBX|2|NM|A||5|g/L|||||F")
    assert the_image(statement).resources[0]["conclusion"] == "Text"
    assert [item.key for item in items(statement, ItemKind.OBSERVATION)] == ["obs|F1|FBC|FILM|", "obs|F1|FBC|A|"]


def test_without_an_accession_number_the_placer_or_the_patient_is_part_of_the_key() -> None:
    placed = REPORT.replace("|RXX123^CRIS|", "||")
    assert the_image(oru(placed)).key == "imaging-report|P7|XABDO|20260103110000"
    assert the_image(oru(placed.replace("|P7^EPR|", "||"))).key == "imaging-report|100200|XABDO|20260103110000"
    # Once more, with the PID recalled and not split.
    assert the_image(oru(placed.replace("|P7^EPR|", "||"))).key == "imaging-report|100200|XABDO|20260103110000"


def test_the_bundle_shows_the_observations_of_a_report_too() -> None:
    message = a_message("ORU^R01", PID, REPORT, "OBX|1|TX|REP||Text||||||F")
    kinds = [e["resource"]["resourceType"] for e in mapping.to_bundle(message, all_maps(), timezone=LONDON)["entry"]]
    assert sorted(kinds) == ["DiagnosticReport", "MessageHeader", "Observation", "Patient", "ServiceRequest"]


def an_order(control: str = "NW", *, status: str = "", filler: str = "RXX123", section: str = "RAD") -> Statement:
    orc = f"ORC|{control}|P7|{filler}||{status}||||20260103093000"
    obr = f"OBR|1|P7|{filler}|XABDO^Abdomen X-ray^NICIP" + "|" * 20 + section
    return stated(a_message("ORM^O01", PID, PV1, orc, obr, "NTE|1||portable"))


@pytest.mark.behaviour(137)
def test_a_request_for_an_image_has_the_time_it_was_made() -> None:
    item = the_image(an_order())
    assert item.key == "imaging|RXX123|XABDO"
    request = item.resources[0]
    assert request["resourceType"] == "ServiceRequest"
    assert request["authoredOn"] == "2026-01-03T09:30:00+00:00"
    assert request["status"] == "active"
    assert request["code"]["coding"][0]["code"] == "XABDO"
    assert [each["type"]["coding"][0]["code"] for each in request["identifier"]] == ["PLAC", "FILL", "ACSN"]


@pytest.mark.behaviour(137)
@pytest.mark.parametrize(
    ("control", "sent", "status"),
    [("CA", "IP", "revoked"), ("OC", "", "revoked"), ("DC", "", "revoked"), ("HD", "HD", "on-hold"),
     ("SC", "CM", "completed"), ("XO", "IP", "active"), ("SC", "CA", "revoked")],
)  # fmt: skip
def test_an_order_follows_its_state(control: str, sent: str, status: str) -> None:
    assert the_image(an_order(control, status=sent)).resources[0]["status"] == status


def test_a_request_without_an_accession_number_is_kept_under_its_placer_number() -> None:
    item = the_image(an_order(filler=""))
    assert item.key == "imaging-order|P7|XABDO"
    assert [each["value"] for each in item.resources[0]["identifier"]] == ["P7"]


@pytest.mark.parametrize("kind", ["ORM^O01", "OMG^O19", "OML^O21"])
def test_a_laboratory_order_says_only_who_the_patient_is(kind: str) -> None:
    statement = stated(a_message(kind, PID, PV1, "ORC|NW|P1|F1", OBR))
    assert [item.kind for item in statement.items] == [ItemKind.PATIENT]


def test_several_orders_of_a_message_are_several_items() -> None:
    orders = [f"ORC|NW|P{n}|A{n}\rOBR|1|P{n}|A{n}|XCH" + "|" * 20 + ("RAD", "LAB", "US")[n] for n in range(3)]
    statement = stated(a_message("OMG^O19", PID, *orders))
    assert [item.key for item in items(statement, ItemKind.IMAGING)] == ["imaging|A0|XCH", "imaging|A2|XCH"]


def test_a_text_of_several_segments_is_traced_to_each_of_its_pieces() -> None:
    message = a_message("ORU^R01", PID, REPORT, "OBX|1|TX|REP||Zoë:||||||F", r"OBX|2|FT|REP||a\T\b~c||||||F")
    origin = next(each for each in trace(message, state_maps(), timezone=LONDON) if each.path == "conclusion")
    assert origin.position == "OBX[1]-5 to OBX[2]-5"
    cut = message.raw[origin.start : origin.end].decode()
    assert cut.startswith("Zoë:") and cut.endswith("~c")
    mark, *ranges = origin.steps[-1].argument.split(" ")
    pieces = [cut[slice(*map(int, each.split(":")))] for each in ranges]
    assert mark == "~"
    assert "\n".join(line.replace("\\T\\", "&") for piece in pieces for line in piece.split(mark)) == "Zoë:\na&b\nc"
    assert origin.steps[-1].result == "Zoë:\na&b\nc"


@pytest.mark.parametrize(("event", "status"), [("T02", "final"), ("T08", "final"), ("T11", "entered-in-error")])
def test_a_report_that_comes_as_a_document_is_the_report_of_its_examination(event: str, status: str) -> None:
    txa = "TXA|1|DI|TX|20260103110000||||||||D1|||||AU||AV"
    statement = stated(a_message(f"MDM^{event}", f"EVN|{event}|20260103121000", PID, REPORT, txa, "OBX|1|TX|R||Seen."))
    assert the_image(statement).resources[0]["status"] == status
    assert the_image(statement).resources[0]["conclusion"] == "Seen."
    assert [item.kind for item in statement.items] == [ItemKind.PATIENT, ItemKind.IMAGING]
