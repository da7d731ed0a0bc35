"""The page of fields by feed is today's, and what no rule reads is known to be so."""

from collections.abc import Mapping

import pytest

from adapter.mapping.v2_reads import Field
from tests.mappings.v2_feeds import PAGE, Cell, page, table

SEGMENTS = {"MSH", "PID", "PV1", "DG1", "PR1", "ORC", "OBR", "OBX", "MRG", "TXA", "SCH", "RXE", "RXA"}


@pytest.fixture(scope="module")
def found() -> Mapping[Field, Mapping[str, Cell]]:
    return table()


def test_the_page_is_what_the_examples_give_today(found: Mapping[Field, Mapping[str, Cell]]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found)


def test_all_profiles_and_all_kinds_of_segments_are_on_it(found: Mapping[Field, Mapping[str, Cell]]) -> None:
    assert {segment for segment, _ in found} >= SEGMENTS
    assert len({profile for cells in found.values() for profile in cells}) >= 6


@pytest.mark.parametrize("at", [("PID", 3), ("PID", 7), ("PV1", 19), ("OBX", 3), ("OBX", 5), ("DG1", 3), ("PR1", 3)])
def test_no_feed_sends_what_matters_most_unread(found: Mapping[Field, Mapping[str, Cell]], at: Field) -> None:
    assert {cell.mark for cell in found[at].values()} == {"v"}
