"""What measurements say of birth, and what order, pictures and report say of one examination."""

from decimal import Decimal
from itertools import permutations

from adapter.csor.derive import Stated, birth_facts, examination
from tests.unit.csor.rows import a_measure, at


def test_measurements_fill_the_fields_of_birth_and_no_others() -> None:
    found = birth_facts(
        [
            a_measure("g", "gestational_age_birth", "214"),
            a_measure("w", "birth_weight", "1480"),
            a_measure("x", "body_weight", "1.9"),
            a_measure("a", "apgar_5min", "9"),
        ]
    )
    assert found is not None
    assert found.fields == {"gestation_days": 214, "birth_weight_g": Decimal("1480"), "apgar_5": 9}
    assert found.made_from == ("a", "g", "w")


def test_what_was_put_right_wins_over_what_was_written_first_whatever_came_first() -> None:
    said = [
        a_measure("a", "birth_weight", "1480"),
        a_measure("b", "birth_weight", "1490", status="corrected"),
        a_measure("c", "birth_weight", "1500", measured_dt=at(2)),
    ]
    for order in permutations(said):
        found = birth_facts(order)
        assert found is not None
        assert (found.fields, found.made_from) == ({"birth_weight_g": Decimal("1490")}, ("b",))


def test_nothing_implausible_and_no_half_points_reach_the_infant() -> None:
    assert birth_facts([a_measure("w", "birth_weight", "90000", implausible=True)]) is None
    assert birth_facts([a_measure("a", "apgar_1min", "7.5"), a_measure("b", "apgar_5min", None)]) is None


def a_study(key: str, **fields: object) -> Stated:
    empty = dict.fromkeys(["accession", "study_uid", "modality", "codes", "requested_dt", "performed_dt", "n_series"])
    return Stated(key, {**empty, "study": "other", **fields})


def test_an_examination_is_what_all_its_sources_say_the_nearest_first() -> None:
    sources = [
        ("ServiceRequest", a_study("o", requested_dt=at(1, 8), performed_dt=at(1, 20), study="abdominal_xray")),
        ("ImagingStudy", a_study("s", performed_dt=at(1, 10), modality=["DX"], n_series=2)),
        ("DiagnosticReport", a_study("r", performed_dt=at(1, 11), modality=["DX", "CR"])),
    ]
    for order in permutations(sources):
        found = examination(order)
        assert found is not None
        assert (found.fields["performed_dt"], found.fields["requested_dt"]) == (at(1, 10), at(1, 8))
        assert (found.fields["study"], found.fields["modality"]) == ("abdominal_xray", ["DX", "CR"])
        assert (found.fields["n_series"], found.made_from) == (2, ("o", "r", "s"))
    assert examination([]) is None
