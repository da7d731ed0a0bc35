"""Documents: PDFs inside OBX are joined, checked and kept in; MDM messages are documents with a life of their own."""

import base64

import pytest

from adapter import mapping
from adapter.assertion import Item, ItemKind
from adapter.errors import ProblemCode
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.trace import trace
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, all_maps, items, state_maps, stated

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n" + bytes(range(256)) * 4 + b"\ntrailer<<>>\n%%EOF\n"
TEXT = base64.b64encode(PDF).decode()
KEEP = FeedRules(documents="keep-inside")


def sent(*segments: str, rules: FeedRules = KEEP) -> Statement:
    return stated(a_message("ORU^R01", PID, PV1, OBR, *segments), rules=rules)


def the_document(statement: Statement) -> Item:
    (found,) = items(statement, ItemKind.DOCUMENT)
    return found


def body_of(statement: Statement) -> bytes:
    (content,) = the_document(statement).resources[0]["content"]
    return base64.b64decode(content["attachment"]["data"])


def in_ed(data: str, number: int = 1, sub: str = "") -> str:
    return f"OBX|{number}|ED|PDF^Report|{sub}|LAB^application^pdf^Base64^{data}||||||F"


def cut(pieces: int) -> list[str]:
    size = -(-len(TEXT) // pieces)
    return [TEXT[at : at + size] for at in range(0, len(TEXT), size)]


@pytest.mark.behaviour(132)
@pytest.mark.parametrize(
    "segments",
    [
        [in_ed(TEXT)],
        [in_ed(each, n, str(n)) for n, each in enumerate(cut(3), start=1)],
        [in_ed("^".join(cut(4)))],
        [in_ed("~".join(cut(4)))],
        [in_ed("\\.br\\".join(cut(4)))],
        [in_ed("\\X0D0A\\".join(cut(4)))],
        [in_ed(TEXT.rstrip("="))],
        [in_ed(base64.b64encode(PDF[at : at + 400]).decode(), at) for at in range(0, len(PDF), 400)],
        [f"OBX|1|CE|PDF^Report||^^^^{TEXT}||||||F"],
        [f"OBX|1|CE|PDF^Report||{'^'.join(cut(3))}||||||F"],
        [f"OBX|{n}|CE|PDF^Report||{each}||||||F" for n, each in enumerate(cut(3), start=1)],
        [f"OBX|{n}|TX|PDF^Report||{each}||||||F" for n, each in enumerate(cut(5), start=1)],
        [f"OBX|1|ED|PDF^Report||^AP^^Base64^{TEXT}||||||F"],
        [f"OBX|1|ED|PDF^Report||^application^pdf^Hex^{PDF.hex()}||||||F"],
        [f"OBX|1|RP|PDF^Report||{TEXT}||||||F"],
    ],
)
def test_a_pdf_is_put_together_however_it_was_sent(segments: list[str]) -> None:
    statement = sent(*segments, "OBX|9|NM|CRP^^LAB||5|mg/L|||||F")
    assert body_of(statement) == PDF
    assert statement.problems == []
    assert [item.key for item in items(statement, ItemKind.OBSERVATION)] == ["obs|F1|FBC|CRP|"]
    (content,) = the_document(statement).resources[0]["content"]
    assert content["attachment"]["contentType"] == "application/pdf"
    assert content["attachment"]["size"] == len(PDF)


@pytest.mark.behaviour(132)
@pytest.mark.parametrize(
    "segments",
    [
        [in_ed(TEXT[: len(TEXT) // 2])],
        [in_ed(TEXT[:100] + "*!" + TEXT[102:])],
        [in_ed(base64.b64encode(b"no PDF at all").decode())],
        [f"OBX|1|CE|PDF^Report||{TEXT[:40]}||||||F"],
        [in_ed(cut(3)[0]), in_ed(cut(3)[2], 2)],
    ],
)
def test_a_document_that_is_not_sound_is_told_and_the_rest_of_the_message_is_read(segments: list[str]) -> None:
    for rules in (KEEP, STANDARD):
        statement = sent(*segments, "OBX|9|NM|CRP^^LAB||5|mg/L|||||F", rules=rules)
        assert {each.code for each in statement.problems} == {ProblemCode.BAD_DOCUMENT}
        assert statement.problems[0].at == "OBX[1]-5"
        assert len(items(statement, ItemKind.OBSERVATION)) == 1
        assert "data" not in str(items(statement, ItemKind.DOCUMENT))
        assert TEXT[10:30] not in str(statement)


@pytest.mark.behaviour(132)
def test_by_default_a_document_leaves_nothing_in_the_record() -> None:
    statement = sent(in_ed(TEXT), "OBX|2|NM|CRP^^LAB||5|mg/L|||||F", rules=STANDARD)
    assert items(statement, ItemKind.DOCUMENT) == []
    assert len(items(statement, ItemKind.OBSERVATION)) == 1
    assert TEXT[:30] not in str(statement)


@pytest.mark.behaviour(132)
def test_two_documents_of_one_report_are_two() -> None:
    other = base64.b64encode(PDF.replace(b"Catalog", b"Outline")).decode()
    statement = sent(in_ed(TEXT, 1, "1"), in_ed(other, 2, "2"))
    assert [item.key for item in items(statement, ItemKind.DOCUMENT)] == [
        "report-document|F1|FBC|PDF|1",
        "report-document|F1|FBC|PDF|2",
    ]


@pytest.mark.behaviour(132)
def test_a_radiology_report_has_its_document_beside_its_text() -> None:
    obr = "OBR|1|P7|RXX123|XABDO^Abdomen^NICIP|||20260103110000|||||||||||||||20260103121000||RAD|F"
    message = a_message("ORU^R01", PID, PV1, obr, "OBX|1|TX|REP||Seen.||||||F", in_ed(TEXT, 2))
    for rules, has_data in ((STANDARD, False), (KEEP, True)):
        (image,) = items(stated(message, rules=rules), ItemKind.IMAGING)
        assert image.resources[0]["conclusion"] == "Seen."
        (form,) = image.resources[0]["presentedForm"]
        assert form["contentType"] == "application/pdf" and ("data" in form) == has_data


def test_other_documents_are_no_values_either() -> None:
    statement = sent("OBX|1|ED|IMG^Picture||^IM^JPEG^Base64^VGhpcw==||||||F", "OBX|2|ED|X||^TEXT^html^Base64^||||||F")
    assert items(statement, ItemKind.OBSERVATION) == []
    assert the_document(statement).resources[0]["content"][0]["attachment"]["contentType"] == "im/jpeg"


def test_text_that_only_looks_like_base64_is_text() -> None:
    statement = sent("OBX|1|TX|REP||abcd||||||F", "OBX|2|TX|REP||See JVBERi0 in the manual||||||F")
    assert len(items(statement, ItemKind.OBSERVATION)) == 2


def test_a_bundle_shows_the_document_with_its_report() -> None:
    bundle = mapping.to_bundle(a_message("ORU^R01", PID, OBR, in_ed(TEXT)), all_maps(), timezone=LONDON, rules=KEEP)
    reports = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert base64.b64decode(reports[0]["presentedForm"][0]["data"]) == PDF


TXA = "TXA|1|{type}|TX|20260104090000||20260104100000||||||^^{number}|{parent}||||{completion}||{availability}"


def a_document(
    event: str = "T02",
    *lines: str,
    number: str = "D1",
    parent: str = "",
    kind: str = "DS",
    states: str = "AU AV",
    at: str = "20260104110000",
) -> Statement:
    """`states`: TXA-17 and TXA-19."""
    completion, _, availability = states.partition(" ")
    txa = TXA.format(type=kind, number=number, parent=parent, completion=completion, availability=availability)
    obx = [f"OBX|{n}|TX|TEXT||{line}||||||F" for n, line in enumerate(lines, start=1)]
    return stated(a_message(f"MDM^{event}", f"EVN|{event}|{at}", PID, PV1, txa, *obx))


@pytest.mark.behaviour(139)
def test_a_document_is_one_item_under_its_number_with_its_text() -> None:
    statement = a_document("T02", "Discharge summary.", "", "Gastroschisis repaired.")
    item = the_document(statement)
    assert item.key == "document|D1"
    document = item.resources[0]
    assert document["description"] == "Discharge summary.\n\nGastroschisis repaired."
    assert (document["status"], document["docStatus"]) == ("current", "final")
    assert document["context"] == {"period": {"start": "2026-01-04T09:00:00+00:00"}}
    assert items(statement, ItemKind.OBSERVATION) == [] and items(statement, ItemKind.ENCOUNTER) == []


@pytest.mark.behaviour(139)
@pytest.mark.parametrize(
    ("event", "relation"),
    [("T01", None), ("T02", None), ("T03", None), ("T04", None), ("T05", "appends"), ("T06", "appends"),
     ("T07", "replaces"), ("T08", "replaces"), ("T09", "replaces"), ("T10", "replaces"), ("T11", None)],
)  # fmt: skip
def test_each_event_says_how_a_document_stands_to_another(event: str, relation: str | None) -> None:
    document = the_document(a_document(event, number="D2", parent="D1")).resources[0]
    found = [(each["code"], each["target"]["identifier"]["value"]) for each in document.get("relatesTo", ())]
    assert found == ([(relation, "D1")] if relation else [])
    assert document["status"] == ("entered-in-error" if event == "T11" else "current")


@pytest.mark.behaviour(139)
@pytest.mark.parametrize(
    ("states", "status", "how_final"),
    [("AU AV", "current", "final"), ("LA", "current", "final"), ("DI AV", "current", "preliminary"),
     ("PA AV", "current", "preliminary"), ("AU CA", "entered-in-error", "final"), ("AU OB", "superseded", "final"),
     ("IP UN", "current", "preliminary")],
)  # fmt: skip
def test_completion_and_availability_are_followed(states: str, status: str, how_final: str) -> None:
    found = the_document(a_document("T03", states=states)).resources[0]
    assert (found["status"], found["docStatus"]) == (status, how_final)


@pytest.mark.parametrize(
    ("kind", "is_clinical"), [("DS", True), ("OP^Note", True), ("ZLET^Letter", False), ("", False)]
)
def test_which_documents_are_clinical_stands_in_a_table(kind: str, is_clinical: bool) -> None:
    assert ("category" in the_document(a_document(kind=kind)).resources[0]) == is_clinical


def test_the_text_of_a_document_is_traced_to_its_segments() -> None:
    obx = ["OBX|1|TX|TEXT||One.||||||F", "OBX|2|FT|TEXT||Two.||||||F"]
    txa = TXA.format(type="DS", number="D1", parent="", completion="AU", availability="AV")
    message = a_message("MDM^T02", "EVN|T02|20260104110000", PID, txa, *obx)
    found = {each.path: each for each in trace(message, state_maps(), timezone=LONDON)}
    assert found["description"].position == "OBX[1]-5 to OBX[2]-5"


def test_a_bundle_shows_a_document_as_the_official_map_has_it() -> None:
    txa = TXA.format(type="DS", number="D1", parent="D0", completion="AU", availability="AV")
    message = a_message("MDM^T10", "EVN|T10|20260104110000", PID, txa, "OBX|1|TX|T||Healed.||||||F", in_ed(TEXT, 2))
    bundle = mapping.to_bundle(message, all_maps(), timezone=LONDON, rules=KEEP)
    (shown,) = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DocumentReference"]
    bodies = [base64.b64decode(each["attachment"]["data"]) for each in shown["content"]]
    assert bodies == [b"Healed.", PDF]
    assert shown["docStatus"] == "final" and shown["relatesTo"][0]["code"] == "replaces"
    assert "description" not in shown
