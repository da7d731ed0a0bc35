"""Paths: the only way mappings speak of FHIR."""

import pytest

from adapter.fhir import Path

CODED = {"code": {"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]}}
URL = "https://fhir.example/StructureDefinition/Birth-Time"


def test_a_path_goes_through_every_item_of_a_list_and_says_where_it_was() -> None:
    assert Path("code.coding.code").located(CODED) == [("code.coding[0].code", "1"), ("code.coding[1].code", "2")]


def test_an_index_a_key_or_an_extension_url_chooses_one_item() -> None:
    assert Path("code.coding[1].code").first(CODED) == "2"
    assert Path("code.coding[system=b].code").values(CODED) == ["2"]
    extended = {"_birthDate": {"extension": [{"url": "x"}, {"url": URL, "valueDateTime": "2026"}]}}
    assert Path(f"_birthDate.extension[{URL}].valueDateTime").first(extended) == "2026"


@pytest.mark.parametrize("resource", [{}, {"code": None}, {"code": "text"}, {"code": {"coding": [None, "x", {}]}}])
def test_what_is_not_there_gives_nothing(resource: dict[str, object]) -> None:
    assert Path("code.coding.code").first(resource) is None


@pytest.mark.parametrize("text", ["", "a.", ".a", "a..b", "a[", "a b", "a.where(b=1)"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Path(text)
