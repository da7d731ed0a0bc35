"""Killed by SIGKILL anywhere, the service loses nothing, doubles nothing and sends nothing twice."""

import ast
import os
import time
from pathlib import Path

import pytest

import adapter
from adapter.cli import demo_verdict
from tests.acceptance.crash_run import EACH_PLACE_ONCE, ROUND, CrashRun, Outcome
from tests.acceptance.crash_truth import unchanged_twice
from tests.acceptance.hospital import against_truth


def test_ten_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    outcome = _run(tmp_path, hospitals=1, first_starts=1, places=EACH_PLACE_ONCE)
    assert outcome.kills.total() >= 10


def test_every_place_of_a_kill_is_a_function_of_today() -> None:
    """A place that was renamed would never be reached, and nothing would show it but the count of the long form."""
    tree = ast.parse((Path(__file__).parent / "crash_inside" / "sitecustomize.py").read_text(encoding="utf-8"))
    (places,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "ON_STACK"
    )
    known = set()
    for path in Path(adapter.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            known |= {node.name} if isinstance(node, ast.FunctionDef) else set()
            if isinstance(node, ast.ClassDef):
                known |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    assert places
    assert {name for each in places.values() for name in each} - known == set()


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    outcome = _run(tmp_path, hospitals=5, first_starts=4, places=ROUND)
    assert outcome.kills.total() >= 100
    assert min(outcome.kills[f"in {place}"] for place in ("release", "merge", "settle", "offer", "receipt")) >= 5


def _run(folder: Path, *, hospitals: int, first_starts: int, places: tuple[str, ...]) -> Outcome:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    print(f"\nCRASH_SEED={seed}; simulated hospitals: seeds 1 to {hospitals}, 6 infants each")
    began = time.monotonic()
    run = CrashRun(folder, seed=seed, hospitals=hospitals, infants=6)
    outcome = run.run(first_starts=first_starts, places=places)
    _print(outcome, seconds=time.monotonic() - began)
    _judge(outcome)
    return outcome


def _print(outcome: Outcome, *, seconds: float) -> None:
    kills = ", ".join(f"{place} {count}" for place, count in sorted(outcome.kills.items()))
    print(f"{outcome.kills.total()} kills in {seconds:.0f} s: {kills}")
    print(f"messages: {len(outcome.messages)}, acknowledged {len(outcome.acknowledged)}, frames {outcome.offered},")
    print(f"  duplicates recognised {outcome.duplicates}; states {dict(outcome.states)}")
    print(
        f"rows in the trust {len(outcome.rows)}, truth {len(outcome.truth)}; at the receiver {len(outcome.received)},"
    )
    print(f"  applied {len(outcome.applied)}")


def _judge(outcome: Outcome) -> None:
    assert outcome.exit_code == 0
    assert not outcome.faults
    assert sorted(outcome.acknowledged) == sorted(outcome.messages)
    assert outcome.states.total() == outcome.contents
    assert not [state for state in outcome.states if state.split()[0] in ("received", "parked")]
    assert against_truth(outcome.rows, outcome.truth) == []
    assert demo_verdict.compared_outside(outcome.truth, outcome.received).faults() == []
    assert unchanged_twice(outcome.applied) == []
