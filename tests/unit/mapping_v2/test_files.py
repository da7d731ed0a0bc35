"""Mapping files: a closed vocabulary, faults with their place, overlays that say why."""

import json
import shutil
from pathlib import Path

import pytest

from adapter import config, mapping
from adapter.errors import ExitCode, SetupError
from adapter.mapping.rules import schemas
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, all_maps, state_maps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the mappings that a test may spoil."""
    copied = tmp_path / "v2-to-fhir"
    shutil.copytree(config.packaged("mappings") / "v2-to-fhir", copied)
    return copied


def faults(folder: Path, vendor: str | None = None) -> str:
    with pytest.raises(SetupError) as caught:
        mapping.load_v2_maps(folder, vendor=vendor)
    assert caught.value.exit_code is ExitCode.MAPPING
    return str(caught.value)


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_unknown_key_is_shown_with_a_caret_and_a_suggestion(folder: Path) -> None:
    spoil(folder, "PID.yaml", "means: Who", "meens: Who")
    told = faults(folder)
    assert "PID.yaml:3:1" in told
    assert "meens: Who the patient is." in told
    assert "    ^" in told
    assert "means" in told.split("meens", 2)[2]


def test_an_identity_event_that_means_nothing_known_is_told_with_its_line(folder: Path) -> None:
    spoil(folder, "tables/identity-events.csv", "A24,link", "A24,linc")
    told = faults(folder)
    assert "identity-events.csv:3:1" in told and 'did you mean "link"?' in told


def test_a_vendor_may_use_an_event_for_something_else(folder: Path) -> None:
    tables = folder / "vendors" / "othersystem" / "tables"
    tables.mkdir(parents=True)
    (tables / "identity-events.csv").write_text("code,target,display,system\nA24,none,Mother and baby,\nA43,merge,,\n")
    maps = mapping.load_v2_maps(folder, vendor="othersystem", wanted=mapping.STATE_TYPES)
    message = a_message("ADT^A24", "EVN|A24|20260103", PID)
    assert mapping.state(message, maps, timezone=LONDON).word is None
    assert not mapping.is_of_two(message, maps)


def test_all_faults_are_told_at_once(folder: Path) -> None:
    spoil(folder, "PID.yaml", "as: date}", "as: dote}")
    spoil(folder, "OBX.yaml", "table: interpretation", "table: interpretations")
    spoil(folder, "PV1.yaml", "from: PV1-19,", "from: PV1.19,")
    told = faults(folder)
    assert "PID.yaml" in told
    assert "PV1.yaml" in told


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("table: interpretation", "table: interpretations", 'did you mean "interpretation"?'),
        ("OBX-8, as: CodeableConcept", "OBX-8", "`from` needs `as`"),
        ("{to: status, constant: unknown}", "{to: status, constant: unknown, from: OBX-1}", "exactly one of"),
        ("to: method", "to: method(1)", "no FHIR path"),
        ("{field: OBX-11, is-none-of: [I, O, N]}", "{field: OBX-11}", "one of is-one-of"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(folder: Path, old: str, new: str, words: str) -> None:
    spoil(folder, "OBX.yaml", old, new)
    assert words in faults(folder)


def test_a_file_must_be_named_after_its_segment(folder: Path) -> None:
    spoil(folder, "PD1.yaml", "segment: PD1", "segment: PID")
    assert "PD1.yaml" in faults(folder)


def overlay(folder: Path, text: str) -> None:
    (folder / "vendors" / "meadow").mkdir(parents=True)
    (folder / "vendors" / "meadow" / "PID.yaml").write_text("kind: v2-to-fhir-overlay\nsegment: PID\n" + text)


def test_an_overlay_replaces_adds_and_drops(folder: Path) -> None:
    overlay(
        folder,
        """replace:
  - resource: Patient
    to: birthDate
    rule: {to: birthDate, from: PID-33, as: date}
    because: This vendor sends the date of birth in PID-33 (release 7).
    source: invented for this test
    dated: 2026-03-01
add:
  - resource: Patient
    to: "identifier[]"
    rule: {to: "identifier[]", from: PID-18, as: Identifier}
    because: The unit number is the account number.
    source: invented for this test
    dated: unconfirmed
drop:
  - {resource: Patient, to: gender, because: Always U., source: invented, dated: unconfirmed}
""",
    )
    maps = mapping.load_v2_maps(folder, vendor="meadow", wanted=mapping.STATE_TYPES)
    pid = "|".join([*PID.split("|"), *[""] * 9, "A77^^^RXX^AN", *[""] * 14, "20260202"])
    patient = mapping.state(a_message("ADT^A31", pid), maps, timezone=LONDON).patient
    assert patient is not None
    assert patient["birthDate"] == "2026-02-02"
    assert "gender" not in patient
    assert patient["identifier"][-1]["value"] == "A77"


def test_an_overlay_that_fits_nothing_is_refused(folder: Path) -> None:
    overlay(folder, 'drop:\n  - {resource: Patient, to: gendre, because: "x", source: "y", dated: unconfirmed}\n')
    assert 'did you mean "gender"?' in faults(folder, "meadow")


def test_an_overlay_must_say_why_and_who_saw_it_when(folder: Path) -> None:
    overlay(folder, "drop:\n  - {resource: Patient, to: gender}\n")
    told = faults(folder, "meadow")
    assert all(f'"{word}" is missing here' in told for word in ("because", "source", "dated"))


def test_an_unknown_vendor_is_refused(folder: Path) -> None:
    assert "meadw" in faults(folder, "meadw")


@pytest.mark.parametrize("name", ["v2-to-fhir", "v2-to-fhir-overlay"])
def test_the_published_schemas_are_those_of_the_rules(name: str) -> None:
    file = config.packaged("mappings") / "schema" / f"{name}.schema.json"
    assert json.loads(file.read_text()) == json.loads(dict(schemas())[file.name])


def test_a_bundle_refers_only_to_what_it_holds_and_is_the_same_each_time() -> None:
    message = a_message("ORU^R01", PID, PV1, "ORC|RE|P1|F1", "OBR|1|P1|F1|FBC", "OBX|1|NM|A||1||||||F", "SPM|1|S1||BLD")
    bundle = mapping.to_bundle(message, all_maps(), timezone=LONDON)
    assert bundle == mapping.to_bundle(message, all_maps(), timezone=LONDON)
    held = {entry["fullUrl"] for entry in bundle["entry"]}
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert sorted(kinds) == sorted(
        ["MessageHeader", "Patient", "Encounter", "ServiceRequest", "DiagnosticReport", "Observation", "Specimen"]
    )
    written = json.dumps(bundle, default=str)
    assert {text.split('"')[0] for text in written.split('"reference": "')[1:]} <= held


def test_the_generated_source_can_be_read() -> None:
    assert "def make_" in state_maps().compiled.source


def observed(folder: Path, *orders: str) -> list[tuple[str, int]]:
    """Key and rank of one result in a message for each OBR-25."""
    maps = mapping.load_v2_maps(folder, wanted=mapping.STATE_TYPES)
    found = []
    for order in orders:
        message = a_message("ORU^R01", PID, PV1, OBR.removesuffix("F") + order, "OBX|1|NM|CRP^^LAB|1.1|5|mg/L|||||F")
        items = mapping.state(message, maps, timezone=LONDON).items
        found += [(item.key, item.rank) for item in items if item.key.startswith("obs|")]
    return found


def test_the_rank_may_come_from_the_order_and_is_each_orders_own(folder: Path) -> None:
    by_result = [rank for _, rank in observed(folder, "F", "C", "P", "F")]
    spoil(folder, "OBX.yaml", "rank: OBX-11", "rank: OBR-25")
    by_order = [rank for _, rank in observed(folder, "F", "C", "P", "F")]
    assert len(set(by_result)) == 1
    assert by_order[0] == by_order[3]
    assert len(set(by_order)) == 3


def test_a_key_may_hold_another_segment_between_parts_of_its_own(folder: Path) -> None:
    spoil(folder, "OBX.yaml", "      - {from: OBX-4}\n", "      - {from: PV1-19.1}\n      - {from: OBX-4}\n")
    ((key, _),) = observed(folder, "F")
    assert key == "obs|F1|FBC|CRP|V7001|1.1"
