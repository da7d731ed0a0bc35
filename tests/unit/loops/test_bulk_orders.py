"""Which export is asked for next."""

from datetime import timedelta

from adapter.service.bulk_orders import Terms, next_order, wait_us
from adapter.store.bulk import TypeRow

DAY_US = 86_400_000_000
NOW = 100 * DAY_US
TYPES = ("Patient", "Condition", "Observation")


def terms(*, is_incremental: bool = True) -> Terms:
    return Terms("Group/1", TYPES, timedelta(days=1), timedelta(days=28), "comma", is_incremental)


def rows(**since: str) -> dict[str, TypeRow]:
    return {name: TypeRow(name, since.get(name, "A"), NOW - 5 * DAY_US, NOW - DAY_US) for name in TYPES}


def test_at_first_everything_is_asked_for() -> None:
    order = next_order(terms(), {}, now_us=NOW)
    assert order is not None
    assert (order.types, order.since) == (TYPES, "")


def test_then_patients_whole_and_the_changes_of_the_rest() -> None:
    first = next_order(terms(), rows(), now_us=NOW)
    assert first is not None
    assert (first.types, first.since) == (("Patient",), "")
    asked = rows() | {"Patient": TypeRow("Patient", "B", NOW, NOW)}
    second = next_order(terms(), asked, now_us=NOW)
    assert second is not None
    assert (second.types, second.since) == (TYPES, "A")


def test_types_that_stand_elsewhere_are_asked_for_apart() -> None:
    asked = rows(Observation="0") | {"Patient": TypeRow("Patient", "B", NOW, NOW)}
    order = next_order(terms(), asked, now_us=NOW)
    assert order is not None
    assert (order.types, order.since) == (("Patient", "Observation"), "0")


def test_after_a_time_everything_is_asked_for_again() -> None:
    old = {name: TypeRow(name, "A", NOW - 28 * DAY_US, NOW - DAY_US) for name in TYPES}
    order = next_order(terms(), old, now_us=NOW)
    assert order is not None
    assert (order.types, order.since) == (TYPES, "")


def test_a_server_without_changes_is_asked_for_everything() -> None:
    order = next_order(terms(is_incremental=False), rows(), now_us=NOW)
    assert order is not None
    assert (order.types, order.since) == (TYPES, "")


def test_what_was_asked_for_today_is_not_due() -> None:
    asked = {name: TypeRow(name, "A", NOW, NOW - DAY_US // 2) for name in TYPES}
    assert next_order(terms(), asked, now_us=NOW) is None
    assert wait_us(terms(), asked, now_us=NOW) == DAY_US // 2
