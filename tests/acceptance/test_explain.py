"""Every value of a row is explained down to the byte, and an outsider's own steps give the stored value."""

import copy
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from adapter import config, simulator
from adapter.chart import sealed
from adapter.cli.rows import read_rows
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works
from adapter.simulator import SentMessage
from tests.acceptance.check_explain import KEYED, Checker
from tests.acceptance.explained_hospitals import (
    Hospital,
    Object,
    Told,
    explain_all,
    fields_of,
    of_story,
    of_two_sites,
)
from tests.acceptance.hospital import take_all, trust_file
from tests.acceptance.replayed_files import Files, Unfit
from tests.integration.stories import Step, Story, files, story

KINDS = {
    "infant", "admission", "ward_stay", "diagnosis", "operation", "operation_note", "lab_result", "vital_sign",
    "imaging_study", "imaging_report", "medication_course", "outcome_event", "mother_baby_link", "condition_case",
}  # fmt: skip
OF_EACH_KIND = 60
LATER = datetime(2027, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return of_two_sites(tmp_path_factory.mktemp("explained"), seed=8, infants=2, has_fhir=False)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return of_two_sites(tmp_path_factory.mktemp("six"), seed=8, infants=9, has_fhir=True)


def sample(rows: Mapping[str, Object], *, seed: int, limit: int = OF_EACH_KIND) -> list[tuple[str, str]]:
    """Non-null fields at random, keyed ones among them: of each kind of row as many as there are, up to a limit."""
    chance = random.Random(seed)
    found = []
    for kind in sorted({row["kind"] for row in rows.values()}):
        every = [(key, name) for key, row in sorted(rows.items()) if row["kind"] == kind for name in fields_of(row)]
        found += chance.sample(every, min(limit, len(every)))
    return found


def check(world: Hospital, wanted: Iterable[tuple[str, str]], told: Told) -> tuple[Checker, Counter[str]]:
    """The outsider makes each of them again; how many of each kind."""
    checker = world.checker()
    kinds: Counter[str] = Counter()
    for key, name in wanted:
        if name not in KEYED:
            checker.check(told[key, name])
            kinds[world.rows[key]["kind"]] += 1
    return checker, kinds


def test_an_outsider_makes_200_random_fields_again_from_the_bytes_that_were_sent(six: Hospital) -> None:
    began = time.monotonic()
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    wanted = sample(six.rows, seed=seed)
    checker, kinds = check(six, wanted, six.explain({key for key, _ in wanted}))
    print(f"{dict(checker.counts)}, {dict(kinds)}")
    assert kinds.keys() == KINDS
    assert checker.counts["from bytes"] >= 200
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_an_outsider_makes_every_field_of_a_story_again(path: Path, tmp_path: Path) -> None:
    world = of_story(tmp_path, story(path))
    told = world.explain(world.rows)
    every = [(key, name) for key, row in world.rows.items() for name in fields_of(row)]
    checker, kinds = check(world, every, told)
    print(f"{dict(checker.counts)}, {dict(kinds)}")
    assert told.keys() == {(key, name) for key, name in every if name not in KEYED}


def shifted(told: Object) -> Iterator[Object]:
    """The same, with one of its byte ranges moved by one."""
    for v, value in enumerate(told["values"]):
        for c, cut in enumerate(value["cuts"]):
            if cut["end"]:
                moved = copy.deepcopy(told)
                moved["values"][v]["cuts"][c] |= {"start": cut["start"] + 1, "end": cut["end"] + 1}
                yield moved


def test_a_range_that_is_one_byte_off_is_noticed(hospital: Hospital) -> None:
    wanted = [(key, name) for key, name in sample(hospital.rows, seed=1, limit=40) if name not in KEYED]
    told = hospital.explain({key for key, _ in wanted})
    moved = [each for found in wanted for each in shifted(told[found])]
    assert len(moved) > 200
    checker = hospital.checker()
    for each in moved:
        with pytest.raises((Unfit, ValueError)):
            checker.check(each)


def test_a_stored_value_that_differs_is_noticed(hospital: Hospital) -> None:
    key, row = next((key, row) for key, row in hospital.rows.items() if row.get("value_canonical") is not None)
    told = explain_all(hospital.settings, {key})[key, "value_canonical"]
    forged = {**hospital.rows, key: {**row, "value_canonical": row["value_canonical"] + 1}}
    with pytest.raises(Unfit):
        Checker(hospital.messages, forged, hospital.files).check(told)


def test_every_field_that_has_a_value_is_explained(six: Hospital) -> None:
    told = six.explain(six.rows)
    expected = {(key, name) for key, row in six.rows.items() for name in fields_of(row) if name not in KEYED}
    assert expected == told.keys()
    assert not [each for each in told.values() for step in steps_of(each) if step["name"] == "not-found"]


def steps_of(told: Object) -> Iterator[Object]:
    for value in told["values"]:
        yield from value["steps"]
        for cut in value["cuts"]:
            yield from (*cut["steps"], *cut["then"])


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapter", "explain", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_prints_what_the_outsider_needs(hospital: Hospital, tmp_path: Path) -> None:
    lab = next(key for key, row in hospital.rows.items() if row["kind"] == "lab_result" and "value_canonical" in row)
    case = next(key for key, row in hospital.rows.items() if row["kind"] == "condition_case")
    printed = "".join(run(key, "--config", str(hospital.trust), "--json").stdout for key in (lab, case))
    assert len(printed.splitlines()) == len(fields_of(hospital.rows[lab])) + len(fields_of(hospital.rows[case])) - 2
    (tmp_path / "messages").mkdir()
    for number, raw in hospital.messages.items():
        (tmp_path / "messages" / f"{number}.hl7").write_bytes(raw)
    (tmp_path / "rows").write_bytes(b"\n".join(sealed.ENCODER.encode(row) for row in hospital.rows.values()))
    (tmp_path / "explained").write_text(printed)
    kept = [tmp_path / "messages", tmp_path / "rows", hospital.mappings, tmp_path / "explained"]
    command = [sys.executable, "-m", "tests.acceptance.check_explain", *kept, hospital.trust, *hospital.own]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_for_a_person_it_names_message_position_bytes_and_rules(hospital: Hospital) -> None:
    lab = next(key for key, row in hospital.rows.items() if row["kind"] == "lab_result" and row["value_canonical"])
    printed = run(lab, "value_canonical", "--config", str(hospital.trust)).stdout
    for words in ("value_canonical = ", "feed epic", "OBX[", "bytes ", "OBX.yaml:", "lab_result.yaml:", "multiply "):
        assert words in printed


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ("a" * 26, "", "there is no row"),
        ("not!", "", "not the id of a row"),
        (None, "colour", 'has no value in "colour"; it has analyte'),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(
    hospital: Hospital, row: str | None, field: str, message: str
) -> None:
    key = row or next(key for key, each in hospital.rows.items() if each["kind"] == "lab_result")
    asked = run(key, *filter(None, [field]), "--config", str(hospital.trust))
    assert asked.returncode != 0
    assert message in asked.stderr
    assert "Traceback" not in asked.stderr


def of_version_2(folder: Path) -> Hospital:
    return of_two_sites(folder, seed=8, infants=2, has_fhir=False)


def then(world: Hospital, raw: bytes) -> Hospital:
    """The same hospital after one more message over its first feed."""
    number = max(world.messages) + 1
    take_all(world.settings, [[SentMessage(at=LATER, control_id="", raw=raw, subject="", event="", feed="epic")]])
    return Hospital(world.trust, messages={**world.messages, number: raw}, own=world.own)


def test_a_cancelled_discharge_and_what_it_left_are_explained(tmp_path: Path) -> None:
    world = of_version_2(tmp_path)
    finished = {row["spell_id"].encode() for row in world.rows.values() if row.get("status") == "finished"}
    discharges = [raw for raw in world.messages.values() if b"ADT^A03" in raw]
    discharge = max((raw for raw in discharges if any(spell in raw for spell in finished)), key=stamp)
    evn = next(line for line in discharge.split(b"\r") if line.startswith(b"EVN|")).split(b"|")
    cancel = discharge.replace(b"A03", b"A13").replace(discharge.split(b"|")[9], b"CANCEL1")
    cancel = cancel.replace(stamp(discharge), b"20270131120000").replace(evn[2][:14], b"20270131120000")
    world = then(world, cancel)
    key = next(
        key for key, row in world.rows.items() if row["kind"] == "admission" and row["spell_id"].encode() in cancel
    )
    told = world.explain({key})
    assert told[key, "status"]["value"] == "in-progress"
    assert (key, "discharge_dt") not in told
    for each in told.values():
        world.checker().check(each)


def stamp(raw: bytes) -> bytes:
    return raw.split(b"|")[6][:14]


def corrected(raw: bytes) -> bytes:
    """The same results once more, as corrected, with no word of what was sampled."""
    segments = [segment.split(b"|") for segment in raw.split(b"\r")]
    for fields in segments:
        if fields[0] == b"MSH":
            fields[9] = b"CORRECTED1"
        elif fields[0] == b"OBR":
            fields[15], fields[22] = b"", b"20270101120000"
        elif fields[0] == b"OBX":
            fields[11] = b"C"
    return b"\r".join(b"|".join(fields) for fields in segments)


def test_a_correction_that_is_silent_about_the_specimen_leaves_it_to_the_message_that_named_it(tmp_path: Path) -> None:
    world = of_version_2(tmp_path)
    before = world.rows
    key = next(key for key, row in before.items() if row.get("analyte") == "creatinine")
    sent = world.explain({key})[key, "specimen_type"]["values"][0]["cuts"][0]["message"]
    world = then(world, corrected(world.messages[sent]))
    row, told = world.rows[key], world.explain({key})
    assert row == {**before[key], "status": "corrected", "source_status": "corrected", "issued_dt": row["issued_dt"]}
    assert told[key, "specimen_type"]["values"][0]["cuts"][0]["message"] == sent
    assert told[key, "value_num"]["values"][0]["cuts"][0]["message"] == max(world.messages)


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "https://example.invalid/number", "value": "7001234"}],
    "gender": "female",
    "birthDate": "2026-08-30",
    "meta": {"lastUpdated": "2026-08-30T12:00:00Z"},
}
ICD = "http://hl7.org/fhir/sid/icd-10"
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": ICD, "code": "Q79.3", "display": "Gastroschisis"}]},
    "onsetDateTime": "2026-08-30",
}
SPECIMEN = {
    "resourceType": "Specimen",
    "id": "s1",
    "subject": {"reference": "Patient/p1"},
    "type": {"text": "Venous blood"},
}
RESULT = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "subject": {"reference": "Patient/p1"},
    "specimen": {"reference": "Specimen/s1"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
    "effectiveDateTime": "2026-08-31T08:00:00Z",
    "valueQuantity": {"value": 72.50, "unit": "mg/L"},
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": each} for each in (PATIENT, CONDITION, SPECIMEN, RESULT)],
}


@cache
def body() -> bytes:
    return json.dumps(BUNDLE).encode()


def test_of_a_fhir_body_it_names_the_json_pointer(tmp_path: Path) -> None:
    empty = simulator.hospital(seed=1, infants=1)
    numbers = {"hospital_numbers": [{"authority": "RXX", "fhir_system": "https://example.invalid/number"}]}
    settings = config.load_trust(trust_file(tmp_path, simulation=empty, identity=numbers))
    moment = datetime(2026, 9, 1, tzinfo=UTC)
    works = Works(settings, now=lambda: moment)
    works.pipeline.start()
    received = Received(feed="fhir", media=Media.FHIR, received_at=moment, body=body())
    Reception(works.inbox, works.ring).append([received])
    works.drain()
    works.pipeline.stop()
    works.close()
    rows = {row["row"]: row for row in read_rows(settings)}
    told = explain_all(settings, set(rows))
    checker = Checker({1: body()}, rows, Files(tmp_path / "mappings"))
    for key, row in rows.items():
        for name in set(fields_of(row)) - KEYED:
            checker.check(told[key, name])
    kinds = {row["kind"]: key for key, row in rows.items()}
    assert kinds.keys() == {"infant", "diagnosis", "lab_result", "condition_case"}
    value = told[kinds["lab_result"], "value_canonical"]["values"][0]["cuts"][0]
    assert value["position"] == "/entry/3/resource/valueQuantity/value"
    specimen = told[kinds["lab_result"], "specimen_type"]["values"][0]["cuts"][0]
    assert specimen["position"] == "/entry/2/resource/type/text"


REPORT = """MSH|^~\\&|RIS|RXX|CSOR|RXX|20260119120000||ORU^R01|GS099|P|2.4|||||GBR|UNICODE UTF-8
PID|1||810001^^^RXX^MR~9991004106^^^NHS^NH||QUILLON^BABY^^^^^^L||202601120320|F||||||||||||||||||||||||01
ORC|RE|R260099^RIS|A260099^RIS
OBR|1|R260099^RIS|A260099^RIS|XABDO^XR Abdomen^RIS|||20260119093000|||||||||||||||20260119120000||RAD|F
OBX|1|FT|XABDO^XR Abdomen^RIS||Portable film\\.br\\Distended loops.||||||F
OBX|2|FT|XABDO^XR Abdomen^RIS||There is gas in the bowel wall.||||||F
OBX|3|FT|XABDO^XR Abdomen^RIS||Appearances of necrotising enterocolitis.||||||F
"""


def test_of_a_suspicion_from_a_report_it_names_the_sentence(tmp_path: Path) -> None:
    told = story(next(path for path in files() if path.stem == "gastroschisis"))
    after = Step(at="2026-01-19T12:00:00+00:00", happens="A film.", message=REPORT, state="confirmed", leaves=True)
    world = of_story(tmp_path, with_step(told, after))
    case = next(key for key, row in world.rows.items() if row.get("condition") == "nec")
    explained = world.explain({case})
    checker, _ = check(world, explained, explained)
    assert checker.counts["from bytes"] >= 3
    (cut,) = explained[case, "state"]["values"][0]["cuts"]
    assert (cut["position"], cut["message"]) == ("OBX[1]-5 to OBX[3]-5", len(told.steps) + 1)
    assert cut["then"][0]["result"] == "Appearances of necrotising enterocolitis."
    assert cut["then"][1]["name"] == "term"


def with_step(told: Story, step: Step) -> Story:
    return told.model_copy(update={"steps": [*told.steps, step]})


def test_of_an_operative_record_as_evidence_it_names_the_form(six: Hospital) -> None:
    cases = {key for key, row in six.rows.items() if row["kind"] == "condition_case"}
    told = six.explain(cases)
    cuts = [
        cut for key in cases for cut in told[key, "state"]["values"][0]["cuts"] if cut["element"] == "questionnaire"
    ]
    assert cuts
    assert all(cut["then"][0]["name"] == "look-up" for cut in cuts)


def test_the_number_of_the_mother_is_never_shown(six: Hospital) -> None:
    links = {key for key, row in six.rows.items() if row["kind"] == "mother_baby_link"}
    told = six.explain(links)
    positions = {key: told[key, "link_source"]["values"][0]["cuts"][0]["position"] for key in links}
    assert {six.rows[key]["link_source"] for key in links} >= {"related-person"}
    for key, position in positions.items():
        if position.startswith("PID"):
            assert {step["name"] for step in steps_of(told[key, "link_source"])} == {"present", "mother"}
