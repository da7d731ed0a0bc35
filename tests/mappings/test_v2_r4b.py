"""No resource that a message makes is refused by FHIR R4B (the short form of `python -m tests.mappings.v2_r4b`)."""

from collections.abc import Iterator
from pathlib import Path

from tests.mappings.v2_r4b import Verdict, messages_of, mutated, simulated, validated

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "tests" / "data" / "hl7v2", ROOT / "mappings" / "examples" / "v2-uk")


def known() -> Iterator[tuple[str, bytes]]:
    for folder in FOLDERS:
        yield from messages_of(folder)


def refused(verdict: Verdict) -> list[str]:
    return [*verdict.unreadable, *verdict.failures]


def test_no_resource_of_published_messages_and_of_the_examples_is_refused() -> None:
    verdict = validated(known())
    assert refused(verdict) == []
    assert {"Patient", "Encounter", "Observation", "DiagnosticReport"} <= verdict.made.keys()


def test_no_resource_of_what_the_simulated_hospital_sends_is_refused() -> None:
    verdict = validated(simulated())
    assert refused(verdict) == []
    assert verdict.made["Observation"] > 100


def test_no_resource_of_spoilt_messages_is_refused() -> None:
    verdict = validated(mutated(known(), count=600))
    assert refused(verdict) == []
    assert verdict.made.total() > 1500


def test_what_a_message_leaves_out_is_its_own_patient_or_said_to_be_absent() -> None:
    head = b"MSH|^~\\&|EPR|RXX|CSOR|RXX|20260301120000||ADT^A01|1|P|2.4\r"
    relative, person = b"NK1|1|TESTER^Mother|MTH\r", b"PID|1||X1^^^RXX^MR||TESTER^Baby\r"
    assert (
        refused(validated([("late", head + relative + person), ("none", head + relative + b"DG1|1||Q79.3^^I10\r")]))
        == []
    )
