"""`csor-adapter check` on vendor files and overlays: each is loaded, counted, and where it is wrong shown."""

import re
from pathlib import Path

from tests.unit.cli.test_check import TRUST, a_trust, broken_mappings, check

LAB = "wales-hub"


def test_profiles_questionnaires_and_overlays_are_counted() -> None:
    found = re.search(r"\((\d+) overlays?\), (\d+) vendor profiles, (\d+) questionnaires", check().stdout)
    assert found is not None
    overlays, profiles, questionnaires = map(int, found.groups())
    assert (overlays >= 1, profiles >= 6, questionnaires) == (True, True, 4)


def test_a_broken_overlay_an_overlay_of_nobody_and_a_wrong_vendor_file_are_told_at_once(tmp_path: Path) -> None:
    table = "v2-to-fhir/vendors/wales-hub/tables/identifier-systems.csv"
    broken_mappings(tmp_path, table, "target", "tagret")
    overlays = tmp_path / "mappings" / "v2-to-fhir" / "vendors"
    (overlays / "epicc").mkdir()
    change = "{resource: Patient, to: gendre, because: x, source: x, dated: unconfirmed}"
    drop = f"kind: v2-to-fhir-overlay\nsegment: PID\ndrop:\n  - {change}\n"
    (overlays / "epicc" / "PID.yaml").write_text(drop)
    (tmp_path / "vendors").mkdir()
    own = "vendor: ours\nmeans: our own engine\nfacts:\n  - {about: v2.reading.nul, is: ignore, dated: 2026-01-01}\n"
    (tmp_path / "vendors" / "ours.yaml").write_text(own)
    (tmp_path / "trusts").mkdir()
    path = a_trust(tmp_path / "trusts", f"{TRUST}mappings: ../mappings\n")

    done = check("--config", path)

    assert done.returncode == 10
    told = done.stderr
    assert f"mappings/{table}:1:" in told
    assert 'PID.yaml:4:5: nothing to drop: PID makes no Patient with "gendre"' in told
    assert 'did you mean "gender"?' in told
    assert 'epicc: there is no vendor of that name; did you mean "epic"?' in told
    assert 'ours.yaml:4:13: no setting "v2.reading.nul": "nul" is unknown' in told
    assert 'ours.yaml:4:5: "source" is missing here' in told


def test_a_source_of_another_vendor_shows_where_each_of_its_values_comes_from(tmp_path: Path) -> None:
    sources = (
        "sources:\n"
        "  - {name: epr, kind: mllp, port: 2575}\n"
        f"  - {{name: lab, kind: mllp, port: 2576, vendor: {LAB}, reading: {{null: ignore}}}}\n"
    )
    done = check("--config", a_trust(tmp_path, TRUST + sources), "--show")
    assert done.returncode == 0, done.stderr
    shown = {line.partition(" = ")[0]: line.rpartition("(")[2].rstrip(")") for line in done.stdout.splitlines()}
    assert shown["sources[0].reading.null"].startswith("uk-generic.yaml:")
    assert shown["sources[1].reading.null"] == "trust.yaml:10"
    assert shown["sources[1].reading.death_undone[0]"].startswith("wales-hub.yaml:")
