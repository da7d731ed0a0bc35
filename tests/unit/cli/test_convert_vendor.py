"""`csor-adapter convert --vendor NAME`: a file is read as that vendor's feeds are read."""

import json
from pathlib import Path

import pytest

from adapter.cli.convert import Converter, Target
from adapter.errors import SetupError

WELSH = (
    "MSH|^~\\&|PIMS|7A4|CSOR|RXX|2026-03-10 09:15:00||ADT^A08|1|P|2.5\r"
    "PID|1||N39990676704^^^^NI~W700001^^^7A4^PI||CARREGWEN^NIA||20260301|F|||||||||||||||||||||resurrec||01\r"
    "PV1|1|I|SCBU||||||||||||||||W7\r"
)


def patient_of(folder: Path, vendor: str | None) -> dict[str, object]:
    file = folder / "welsh.hl7"
    file.write_text(WELSH, newline="")
    bundle = json.loads(Converter(vendor=vendor, to=Target.FHIR, is_checked=False).convert(file))
    return next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient")


@pytest.mark.behaviour(100)
def test_rules_and_overlay_of_the_vendor_are_used(tmp_path: Path) -> None:
    """The prefix and the trace status by rules of its feeds, the type NI by a table of its overlay."""
    found = patient_of(tmp_path, "wales-hub")
    national = found["identifier"][0]  # type: ignore[index]
    assert (national["value"], national["system"]) == ("9990676704", "https://fhir.nhs.uk/Id/nhs-number")
    assert national["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "01"
    assert found["deceasedBoolean"] is False


def test_without_a_vendor_the_standard_is_read(tmp_path: Path) -> None:
    found = patient_of(tmp_path, None)
    national = found["identifier"][0]  # type: ignore[index]
    assert (national["value"], "system" in national) == ("N39990676704", False)


def test_a_vendor_nobody_knows_is_refused_with_a_suggestion() -> None:
    with pytest.raises(SetupError, match='there is no vendor wales-hubb; did you mean "wales-hub"'):
        Converter(vendor="wales-hubb", to=Target.FHIR, is_checked=False)
