"""Children told in FHIR alone: every row of every kind is what the course says, and there is no other.

The simulator writes its truth from the clinical course and imports nothing of the adapter, so this is no agreement with
ourselves. Cases are left out: whether a child is one is for `cohort`.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from adapter import simulator
from tests.mappings.told_in_fhir import comparable, maps_of, rows_of, told

NOT_HERE = {"condition_case", "mother_baby_link"}


@pytest.mark.parametrize("seed", [7, 20261122])
def test_every_row_of_a_child_is_the_truth_and_there_is_no_other(seed: int, tmp_path: Path) -> None:
    sim = simulator.hospital(seed=seed, infants=24)
    maps = maps_of(sim, tmp_path)
    truth: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in sim.truth:
        truth[row.child][row.kind].append(row.fields)
    told_in_fhir_alone = {course.person.hospital_number for course in sim.courses if course.channel == "fhir"}
    compared: Counter[str] = Counter()
    for statement in told(sim, maps):
        numbers = {each.get("value") for each in (statement.patient or {}).get("identifier", [])}
        for child in numbers & told_in_fhir_alone & truth.keys():
            expected = truth[child]
            conditions = [case["condition"] for case in expected["condition_case"] if case["state"] == "confirmed"]
            found = rows_of(statement, maps, conditions)
            for kind in (expected.keys() | found.keys()) - NOT_HERE:
                names = sorted(expected[kind][0]) if expected[kind] else []
                assert _as_set(found.get(kind, []), names) == _as_set(expected[kind], names), (child, kind)
                compared[kind] += len(expected[kind])
    assert {kind for kind, count in compared.items() if count} >= KINDS


KINDS = {
    "infant", "admission", "ward_stay", "diagnosis", "operation", "lab_result", "vital_sign", "imaging_study",
    "imaging_report", "medication_course", "operation_note", "outcome_event",
}  # fmt: skip


def _as_set(rows: list[Any], names: list[str]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(comparable(row.get(name)) for name in names) for row in rows)
