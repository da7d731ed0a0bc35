"""Which searches a child is due for, by what was read of it before."""

from datetime import timedelta

from adapter.service.polling_plan import Asked, Kind, asked_of, next_due_us
from adapter.sources.fhir_position import Search
from adapter.store.crawls import SearchRow

HOUR = 3_600_000_000
DAY = 24 * HOUR
EVERY = timedelta(hours=1)
PATIENT = Kind(Search("Patient", since_param=""), True, timedelta(days=7))
VALUES = Kind(Search("Observation", (("category", "laboratory"),)), True, timedelta(days=7))
OPERATIONS = Kind(Search("Procedure", since_param=""), True, timedelta(days=1))
WHOLE_TYPE = Kind(Search("Condition"), False, timedelta(days=7))
KINDS = [PATIENT, VALUES, OPERATIONS, WHOLE_TYPE]


def read(kind: Kind, *, at_us: int = 0, whole_us: int | None = 0, trouble: str = "") -> SearchRow:
    return SearchRow(1, kind.search.name, at_us, whole_us, at_us, trouble, None, None)


def rows(*found: SearchRow) -> dict[str, SearchRow]:
    return {row.search: row for row in found}


ALL = rows(*map(read, KINDS))


def names(asked: list[Asked]) -> dict[str, bool]:
    """By type: whether all there is is asked for."""
    return {each.search.resource_type: each.is_whole for each in asked}


def asked(known: dict[str, SearchRow], *, now_us: int, is_called: bool = False) -> dict[str, bool]:
    return names(asked_of(KINDS, known, now_us=now_us, every=EVERY, is_called=is_called))


def test_a_child_never_read_is_asked_for_everything_whole() -> None:
    assert asked({}, now_us=1) == dict.fromkeys(("Patient", "Observation", "Procedure", "Condition"), True)


def test_after_an_hour_what_tells_of_changes_is_asked_for_and_the_patient_is_read() -> None:
    assert asked(ALL, now_us=HOUR - 1) == {}
    assert asked(ALL, now_us=HOUR) == {"Patient": True, "Observation": False}


def test_a_message_asks_for_all_that_is_of_one_child_and_what_tells_no_change_whole() -> None:
    assert asked(ALL, now_us=1, is_called=True) == {"Patient": True, "Observation": False, "Procedure": True}


def test_each_type_is_read_whole_at_its_own_time() -> None:
    known = ALL | rows(read(VALUES, at_us=DAY), read(PATIENT, at_us=DAY, whole_us=DAY))
    assert asked(known, now_us=DAY) == {"Patient": True, "Procedure": True}
    assert asked(ALL, now_us=7 * DAY)["Observation"] is True
    assert "Condition" not in asked(ALL, now_us=99 * DAY)


def test_what_was_refused_is_asked_for_whole_after_a_day_or_at_a_message() -> None:
    known = ALL | rows(read(VALUES, trouble="invalid"))
    assert "Observation" not in asked(known, now_us=DAY - 1)
    assert asked(known, now_us=DAY)["Observation"] is True
    assert asked(known, now_us=1, is_called=True)["Observation"] is True


def test_the_next_time_is_the_earliest_of_them() -> None:
    assert next_due_us(KINDS, ALL, every=EVERY) == HOUR
    assert next_due_us([OPERATIONS], ALL, every=EVERY) == DAY
    assert next_due_us([WHOLE_TYPE], ALL, every=EVERY) is None
    assert next_due_us([WHOLE_TYPE], {}, every=EVERY) == 0
