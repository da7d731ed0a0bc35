"""Feeds of several vendors in one trust: each message is read by the rules of the feed it came by, on every way in."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.explain import explained_json, explainer
from adapter.cli.rows import read_rows
from adapter.dispatch import record_bytes
from adapter.service.assembly import Mappings
from adapter.service.feeds import feeds_of
from tests.acceptance.bad_input_service import Line, Service, a_free_port
from tests.integration.messages import CLOSURE, GASTROSCHISIS, a_baby, an_adt, an_oru
from tests.integration.trust import Trust, load, trust_file

SOURCES = """[
  {name: epr, kind: mllp, port: 2575, reading: {
    preprocess: [{do: move, from: PID-19, to: PID-3, authority: NHS, type: NH}],
    z_segments: {ZU1-27: PID-32}, visit_number: PID-18}},
  {name: lab, kind: mllp, port: 2576, reading: {
    encoding: cp1252, time_formats: ["%d/%m/%Y %H:%M"], timezone: UTC,
    preprocess: [{do: strip-prefix, field: PID-3.1, prefix: H}]}}]"""
BABY = a_baby(1)


def a_trust_of(folder: Path, mappings: Path, loaded: Mappings, **entries: str) -> Trust:
    """An adapter with the feeds of its own file; the rest of the mappings is read once for all tests."""
    folder.mkdir()
    settings = load(trust_file(folder, mappings=mappings, **entries))
    csor = loaded.csor
    feeds = feeds_of(settings, mappings, examinations=csor.examination_codes, is_measure=csor.is_measure)
    return Trust(settings, mappings=loaded._replace(feeds=feeds), reads_ahead=True)


@pytest.fixture
def trust(tmp_path: Path, mappings: Path, loaded: Mappings) -> Any:
    made = a_trust_of(tmp_path / "vendors", mappings, loaded, sources=SOURCES)
    yield made
    made.close()


def an_admission() -> bytes:
    """As this EPR sends it: NHS number in PID-19, visit in PID-18, trace status in a segment of its own."""
    sent = an_adt(
        "A01",
        BABY.but(nhs="", trace=" "),
        at="202609010300",
        visit="-",
        codes=[GASTROSCHISIS],
        operations=[(CLOSURE, "202609011000")],
    ).decode()
    lines = sent.split("\r")
    place = next(number for number, line in enumerate(lines) if line.startswith("PID"))
    fields = lines[place].split("|")
    fields[18], fields[19], fields[32] = "V77", BABY.nhs, ""
    lines[place] = "|".join(fields)
    return "\r".join([*lines[:-1], "ZU1|" + "|" * 26 + "01", ""]).encode()


def a_result() -> bytes:
    """As this laboratory sends it: its own prefix, its own times, Windows-1252 under another name."""
    sent = an_oru(BABY.but(nhs=""), order="L1", value="12", unit="µg/mL").decode()
    sent = sent.replace(f"|{BABY.number}^", f"|H{BABY.number}^").replace("|202609020900|", "|02/09/2026 09:00|")
    return sent.encode("cp1252")


def test_two_feeds_of_two_vendors_end_in_one_child(trust: Trust) -> None:
    trust.receive(an_admission(), feed="epr")
    trust.receive(a_result(), feed="lab")
    (child,) = {row["child"] for row in trust.rows()}
    (result,) = trust.rows("lab_result")
    (infant,) = trust.rows("infant")
    assert (result["child"], result["analyte"], result["unit_original"]) == (child, "crp", "µg/mL")
    assert result["collected_dt"] == "2026-09-02T09:00:00+00:00"
    assert infant["nhs_number_status"] == "01"
    assert trust.parked() == []


def test_by_the_wrong_feed_the_same_messages_say_something_else(trust: Trust) -> None:
    trust.receive(a_result(), feed="epr")
    trust.receive(an_admission(), feed="lab")
    assert trust.rows("lab_result") == []
    assert not trust.rows("infant") or trust.rows("infant")[0]["nhs_number_status"] is None


def test_where_a_value_came_from_is_told_by_the_rules_of_its_feed(trust: Trust) -> None:
    trust.receive(an_admission(), feed="epr")
    trust.receive(a_result(), feed="lab")
    (result,) = trust.rows("lab_result", every=True)
    with explainer(trust.settings) as asked:
        found = asked.explain(record_bytes(result["row"]))
    assert found is not None
    told = {each["field"]: each for each in explained_json(result["row"], found)}
    (cut,) = told["collected_dt"]["values"][0]["cuts"]
    raw = a_result()
    assert raw[cut["start"] : cut["end"]] == b"02/09/2026 09:00"
    assert [step["name"] for step in cut["steps"]] == ["decode", "time-format", "datetime"]
    (unit,) = told["unit_original"]["values"][0]["cuts"]
    assert raw[unit["start"] : unit["end"]] == "µg/mL".encode("cp1252")
    assert unit["steps"][0] == {"name": "decode", "argument": "cp1252", "result": "µg/mL"}


@pytest.mark.behaviour(106)
def test_a_message_of_a_hospital_named_as_foreign_is_parked_though_it_has_an_nhs_number(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    identity = "{hospital_numbers: [{authority: RXX}], foreign_authorities: [NEWHAM]}"
    trust = a_trust_of(tmp_path / "foreign", mappings, loaded, identity=identity)
    stray = an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS])
    trust.receive(stray.replace(b"^^^RXX^MR", b"^^^NEWHAM^MR"))
    assert trust.parked() == ["P210"]
    assert trust.rows(every=True) == []
    trust.close()


def test_the_rules_of_a_feed_are_part_of_what_made_a_row(tmp_path: Path, mappings: Path) -> None:
    files = []
    for name, sources in (("one", SOURCES), ("other", SOURCES.replace("cp1252", "latin-1"))):
        (tmp_path / name).mkdir()
        files.append(load(trust_file(tmp_path / name, mappings=mappings, sources=sources)).digest())
    assert files[0] != files[1]


def a_trust_of_three(folder: Path, mappings: Path, loaded: Mappings) -> Trust:
    """An EPR, a laboratory and a department of radiology, each of another vendor."""
    sources = """[
      {name: epr, kind: mllp, port: 2575},
      {name: lab, kind: mllp, port: 2576, vendor: winpath},
      {name: radiology, kind: mllp, port: 2577, vendor: cris, reading: {accession: OBR-18}}]"""
    identity = "{hospital_numbers: [{authority: RXX, also_sent_as: [MRENTR]}]}"
    return a_trust_of(folder, mappings, loaded, vendor="epic", sources=sources, identity=identity)


def test_a_trust_of_three_vendors_reads_each_as_its_profile_says(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    trust = a_trust_of_three(tmp_path / "three", mappings, loaded)
    admission = an_adt(
        "A01", BABY.but(nhs=""), at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]
    )
    # As Epic numbers its patients: its own authority, another repetition without a number, the NHS number elsewhere.
    own, epics = f"|{BABY.number}^^^RXX^MR|", f"|{BABY.number}^^^MRENTR^MEDREC~^^^^HN|"
    lines = admission.decode().replace(own, epics).split("\r")
    place = next(number for number, line in enumerate(lines) if line.startswith("PID"))
    fields = lines[place].split("|")
    fields[19], fields[32] = f"{BABY.nhs[:3]} {BABY.nhs[3:6]} {BABY.nhs[6:]}", "01"
    lines[place] = "|".join(fields)
    # No department, no code that is known: only the sender tells that this is an X-ray.
    report = an_oru(BABY, order="CR1", value="No free gas.", unit="", test="XX9^Examination^CRIS").decode()
    report = report.replace("|PAS|", "|CRIS|", 1).replace("|NM|", "|TX|")
    obr = next(line for line in report.split("\r") if line.startswith("OBR"))
    numbered = obr.split("|")
    numbered[18] = "RXX0001"
    report = report.replace(obr, "|".join(numbered))

    trust.receive("\r".join(lines).encode(), feed="epr")
    trust.receive(an_oru(BABY, order="L1", value="12"), feed="lab")
    trust.receive(report.encode(), feed="radiology")

    assert trust.parked() == []
    (child,) = {row["child"] for row in trust.rows()}
    (result,) = trust.rows("lab_result")
    (told,) = trust.rows("imaging_report", every=True)
    (infant,) = trust.rows("infant")
    assert (result["analyte"], result["child"]) == ("crp", child)
    assert (told["accession"], told["child"]) == ("RXX0001", child)
    assert infant["national_id_type"] == "nhs"
    trust.close()


def test_what_a_rule_was_missing_for_is_read_by_it_after_a_replay(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    """A message whose patient stands in PID-2 is parked; once the trust file says so, replay takes it."""
    sent = an_adt("A01", BABY.but(nhs=""), at="202609010300", codes=[GASTROSCHISIS]).decode()
    sent = sent.replace(f"PID|1||{BABY.number}^^^RXX^MR|", f"PID|1|AH{BABY.number}||")
    trust = a_trust_of(tmp_path / "trust", mappings, loaded, sources="[{name: epr, kind: mllp, port: 2575}]")
    trust.receive(sent.encode(), feed="epr")
    assert trust.parked() == ["P203"]
    trust.works.pipeline.stop()
    trust.close()

    reading = "{preprocess: [{do: move, from: PID-2, to: PID-3, authority: RXX, type: MR, matching: 'AH[0-9]+'}]}"
    sources = f"[{{name: epr, kind: mllp, port: 2575, reading: {reading}}}]"
    path = trust_file(tmp_path / "trust", mappings=mappings, sources=sources)
    command = [sys.executable, "-m", "adapter", "replay", "--all", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    (infant,) = [row for row in read_rows(load(path), every=True) if row["kind"] == "infant"]
    assert infant["sex"] == "female"


@pytest.mark.long
def test_the_service_reads_each_port_by_its_own_rules(tmp_path: Path, mappings: Path) -> None:
    """Over sockets, through the process that reads ahead, to rows, and `explain` from another process."""
    epr, lab = a_free_port(), a_free_port()
    sources = SOURCES.replace("2575", str(epr)).replace("2576", str(lab))
    path = trust_file(tmp_path, mappings=mappings, sources=sources)
    with Service(path) as service:
        service.until(lambda: not _is_free(lab))
        for port, message in ((epr, an_admission()), (lab, a_result())):
            with Line(port) as line:
                assert line.ask(message).code == "AA"
        settings = load(path)
        service.until(lambda: len([each for each in read_rows(settings) if each["kind"] == "lab_result"]) == 1)
        (row,) = [each for each in read_rows(settings) if each["kind"] == "lab_result"]
        told = service.cli("explain", row["row"], "collected_dt")
    assert (row["unit_original"], row["collected_dt"]) == ("µg/mL", "2026-09-02T09:00:00+00:00")
    assert "time-format %d/%m/%Y %H:%M → 202609020900" in told.stdout


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
