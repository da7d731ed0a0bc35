"""`check --messages`: what a sample holds, which rule reads it, what CSOR makes of its codes; never whose it is."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapter import config
from adapter.cli.check_messages import Asked, report
from adapter.errors import SetupError
from adapter.hl7v2.scrub_fields import FIELDS
from tests.integration.trust import load, trust_file

MAPPINGS = config.packaged("mappings")


def text(file: Path, *, settings: config.TrustSettings | None = None, as_json: bool = False) -> str:
    asked = Asked([file], MAPPINGS, settings, "", as_json, None)
    errors: list[SetupError] = []
    lines = list(report(asked, errors))
    assert errors == []
    return "\n".join(lines)


def a_result(number: int, *segments: str, sender: str = "LAB|RXX") -> str:
    head = f"MSH|^~\\&|{sender}|CSOR|RXX|20260301120000||ORU^R01|M{number}|P|2.4"
    person = f"PID|1||X{number:05d}^^^RXX^MR||Quabaabth^Mary||20260301|F"
    return "\r".join([head, person, "PV1|1|I|NICU^^B1", "OBR|1||F1|PROF^Profile|||202603011000", *segments, ""])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    crp = "OBX|1|NM|CRP^C-reactive protein||12|mg/L|||||F"
    local = "OBX|2|NM|ZZTOP^Local test||5|fortnights|||||F"
    rare = "OBX|3|NM|RARE1^Only once||5|mg/L|||||F"
    odd = "OBX|4|NM|CRP^C-reactive protein||5|fortnights|||||F"
    messages = [a_result(number, crp, local) for number in range(4)]
    messages += [a_result(9, rare, odd, "ZLB|1|Quabaabth"), *[a_result(9, sender="RIS|RXX")] * 3]
    file = tmp_path_factory.mktemp("sample") / "sample.hl7"
    file.write_text("".join(messages))
    return file


@pytest.fixture(scope="module")
def told(sample: Path) -> str:
    return text(sample)


def line_of(report_text: str, *words: str) -> str:
    found = [line for line in report_text.splitlines() if all(word in line for word in words)]
    assert found, words
    return found[0]


def test_types_segments_and_fields_are_counted_by_sender_with_the_rules_that_read_them(told: str) -> None:
    assert line_of(told, "sender LAB of RXX")
    assert line_of(told, "sender RIS of RXX")
    assert re.search(r"\b5\s+ORU\^R01\s+version 2\.4", told)
    assert re.search(r"OBX 10\b", told)
    assert re.search(r"10\s+OBX-3\s+observation identifier\s+OBX\.yaml:\d+", told)
    assert line_of(told, "OBX-1 ").endswith("no rule")
    assert line_of(told, "ZLB-2 ").endswith("no rule")
    assert line_of(told, "MSH-10").endswith("by the port")
    assert "decides: " in line_of(told, "OBX-2 ")


def test_the_rule_that_is_named_is_the_one_in_the_file(told: str) -> None:
    found = re.search(r"PID-5\s+patient name\s+PID\.yaml:(\d+)", told)
    assert found
    rule = (MAPPINGS / "v2-to-fhir" / "PID.yaml").read_text().splitlines()[int(found[1]) - 1]
    assert "PID-5" in rule


def test_of_each_code_it_is_told_what_csor_makes_of_it(told: str) -> None:
    assert "P118" in line_of(told, "OBX-3", "CRP C-reactive")  # a name alone tells no sample
    assert "P116" in line_of(told, "OBX-3", "ZZTOP Local test")
    assert re.search(r"OBX-6\s+fortnights\s+unmapped", told)
    assert line_of(told, "PV1-3", "NICU", "--config")


def test_a_unit_is_told_with_the_analyte_it_is_of(tmp_path: Path) -> None:
    file = tmp_path / "m.hl7"
    loinc = "1988-5^C reactive protein^LN"
    file.write_text(
        "".join(
            a_result(number, f"OBX|1|NM|{loinc}||5|mg/L|||||F", f"OBX|2|NM|{loinc}||5|fortnights|||||F")
            for number in range(3)
        )
    )
    told = text(file)
    assert re.search(r"OBX-6\s+mg/L\s+crp: mg/L", told)
    assert re.search(r"OBX-6\s+fortnights\s+crp: no unit of it", told)
    assert re.search(r"OBX-3\s+1988-5 C reactive protein \[LN\]\s+crp", told)


def test_a_code_of_too_few_patients_is_not_shown_but_its_place_is(told: str) -> None:
    assert "RARE1" not in told
    assert "Only once" not in told
    assert "sample.hl7[5] OBX-3, number 1" in " ".join(told.split())


def test_wards_of_the_trust_file_are_told_by_what_they_are_for(sample: Path, tmp_path: Path) -> None:
    settings = load(trust_file(tmp_path, mappings=MAPPINGS))
    assert line_of(text(sample, settings=settings), "PV1-3", "NICU").endswith("nicu")


def test_no_line_is_wider_than_a_terminal(told: str) -> None:
    assert max(map(len, told.splitlines())) <= 120


def test_as_json_it_says_the_same(sample: Path) -> None:
    said: dict[str, Any] = json.loads(text(sample, as_json=True))
    assert said["messages"] == 8
    (lab, ris) = said["senders"]
    assert (lab["application"], lab["messages"]) == ("LAB", [{"type": "ORU^R01", "version": "2.4", "count": 5}])
    fields = {each["field"]: each for each in lab["fields"]}
    assert fields["OBX-5"]["count"] == 10
    assert fields["PID-3"]["read_by"]
    assert (ris["segments"]["PID"], ris["application"]) == (3, "RIS")


@pytest.mark.parametrize("as_json", [False, True])
def test_no_value_of_any_field_is_shown_wherever_it_stands(tmp_path: Path, as_json: bool) -> None:
    names = ("Qua" + "".join(letters) + "th" for letters in product("abcdefghij", repeat=4))
    sown: list[str] = []

    def canary() -> str:
        sown.append(next(names))
        return sown[-1]

    segments = [*sorted(set(FIELDS) - {"MSH", "FHS", "BHS", "BTS", "FTS"}), "ZPI", "ABC", "GT1"]
    segments = segments[::4] if as_json else segments
    bodies = []
    for _ in range(3):  # of three patients, who share no name
        lines = ["MSH|^~\\&" + "".join(f"|{canary()}^{canary()}" for _ in range(3, 22))]
        lines += [
            name + "".join(f"|{canary()}^{canary()}&{canary()}~{canary()}" for _ in range(17)) for name in segments
        ]
        lines += [f"OBX|1|TX|CRP||see {canary()}||||||F", f"NTE|1||for {canary()}", f"{canary()[:3].upper()}", "PID"]
        bodies.append("\r".join([*lines, ""]))
    file = tmp_path / "m.hl7"
    file.write_text("".join(bodies))
    told = text(file, as_json=as_json).casefold()
    assert [each for each in sown if each.casefold() in told] == []
    assert len(sown) > 1000


def test_a_file_without_messages_and_one_that_is_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "m.hl7").write_text("Dear Quabaabth")
    assert "no message begins here" in text(tmp_path / "m.hl7")
    (tmp_path / "n.hl7").write_text("MSH")
    assert "not an HL7 v2 message" in text(tmp_path / "n.hl7")
