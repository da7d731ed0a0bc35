"""What is taken from a server's notification, in every form that servers send, and what is missing in its counting."""

import json
from typing import Any

import pytest

from adapter.sources.fhir_notification import Kind, Notification, Reference, read_notification
from adapter.sources.push_numbers import Numbers, after, begins_anew

BASE = "https://epr.example/r4"
RESULT = Reference("Observation", "o-1")


def a_bundle(
    kind: str = "event-notification",
    *,
    events: tuple[tuple[int, str], ...] = (),
    through: int | None = None,
    hyphens: bool = False,
    state: str = "active",
    more: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """As the Subscriptions R5 Backport guide writes it for R4; `hyphens`: as HAPI and others do."""

    def named(guide: str, theirs: str) -> str:
        return theirs if hyphens else guide

    count = through if through is not None else max((number for number, _ in events), default=0)
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{BASE}/Subscription/s-9"}},
        {"name": "status", "valueCode": state},
        {"name": "type", "valueCode": kind},
        {"name": named("eventsSinceSubscriptionStart", "events-since-subscription-start"), "valueString": str(count)},
    ]
    for number, focus in events:
        part = [{"name": named("eventNumber", "event-number"), "valueString": str(number)}]
        if focus:
            part.append({"name": "focus", "valueReference": {"reference": focus}})  # type: ignore[dict-item]
        parameters.append({"name": named("notificationEvent", "notification-event"), "part": part})
    first = {"resource": {"resourceType": "Parameters", "parameter": parameters}}
    return {"resourceType": "Bundle", "type": "history", "entry": [first, *more]}


def read(said: object, *, named: Reference | None = None) -> Notification | None:
    return read_notification(json.dumps(said).encode(), named=named, base_url=BASE)


@pytest.mark.behaviour(50)
@pytest.mark.parametrize("hyphens", [False, True])
@pytest.mark.parametrize("focus", ["Observation/o-1", f"{BASE}/Observation/o-1", "Observation/o-1/_history/3"])
def test_a_notification_bundle_names_what_may_have_changed(focus: str, hyphens: bool) -> None:
    told = read(a_bundle(events=((4, focus),), through=5, hyphens=hyphens))

    assert told == Notification(Kind.EVENT, frozenset([RESULT]), "active", frozenset([4]), 5, "s-9")


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.HANDSHAKE])
def test_a_heartbeat_and_a_handshake_name_nothing(kind: Kind) -> None:
    told = read(a_bundle(kind, through=7, state="requested"))

    assert told is not None
    assert (told.kind, told.references, told.through, told.state) == (kind, frozenset(), 7, "requested")


def test_the_form_of_r4b_says_the_same() -> None:
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "status": "error",
        "eventsSinceSubscriptionStart": "12",
        "subscription": {"reference": "Subscription/s-9"},
        "notificationEvent": [{"eventNumber": "12", "focus": {"reference": "Observation/o-1"}}],
    }
    told = read({"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]})

    assert told == Notification(Kind.EVENT, frozenset([RESULT]), "error", frozenset([12]), 12, "s-9")


def test_without_a_focus_the_entries_name_the_resources() -> None:
    carried = ({"fullUrl": f"{BASE}/Observation/o-1", "request": {"method": "PUT", "url": "Observation/o-1"}},)
    told = read(a_bundle(events=((1, ""),), more=carried))

    assert told is not None
    assert told.references == {RESULT}


def test_ids_of_another_server_are_not_taken_for_ids_of_this_one() -> None:
    told = read(a_bundle(events=((1, "https://elsewhere.example/r4/Observation/o-1"),)))

    assert told is not None
    assert (told.kind, told.references) == (Kind.EVENT, frozenset())


def test_a_rest_hook_names_a_resource_by_its_address_by_its_body_or_not_at_all() -> None:
    resource = {"resourceType": "Observation", "id": "o-1", "status": "final"}

    assert read(resource) == Notification(Kind.HINT, frozenset([RESULT]))
    assert read_notification(b"", named=RESULT, base_url=BASE) == Notification(Kind.HINT, frozenset([RESULT]))
    assert read_notification(b"<Observation/>", named=RESULT, base_url=BASE) == Notification(
        Kind.HINT, frozenset([RESULT])
    )
    assert read_notification(b" \r\n", named=None, base_url=BASE) == Notification(Kind.HINT)


def test_a_batch_of_resources_names_each() -> None:
    batch = [{"resource": {"resourceType": "Observation", "id": each}} for each in ("o-1", "o-2")]
    told = read({"resourceType": "Bundle", "type": "collection", "entry": batch})

    assert told == Notification(Kind.HINT, frozenset([RESULT, Reference("Observation", "o-2")]))


@pytest.mark.parametrize(
    "said",
    [
        b"<Observation/>",
        b"[]",
        b"{",
        b'"text"',
        b"\xff",
        b"{}",
        b'{"resourceType":"Observation"}',
        b'{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Parameters","parameter":7}}]}',
        b'{"resourceType":"Bundle","entry":[null,7]}',
        b"[" * 5000,
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(said: bytes) -> None:
    assert read_notification(said, named=None, base_url=BASE) is None


# --- numbers


def heard(*numbers: int, through: int | None = None, kind: Kind = Kind.EVENT) -> Notification:
    return Notification(kind, frozenset([RESULT]), "active", frozenset(numbers), through)


def after_all(*told: Notification, before: Numbers | None = None) -> Numbers:
    numbers = before or Numbers(0)
    for each in told:
        numbers = after(numbers, each)
    return numbers


@pytest.mark.behaviour(51)
def test_a_number_that_was_not_told_of_is_missing_until_it_comes() -> None:
    assert after_all(heard(1), heard(2), heard(5)) == Numbers(5, ((3, 4),))
    assert after_all(heard(1), heard(2), heard(5), heard(3)) == Numbers(5, ((4, 4),))
    assert after_all(heard(1), heard(5), heard(3), heard(4), heard(2)) == Numbers(5)


@pytest.mark.behaviour(51)
def test_a_count_beyond_the_numbers_told_of_says_that_some_were_lost() -> None:
    assert after_all(heard(1), heard(2, through=4)) == Numbers(4, ((3, 4),))
    assert after_all(heard(1), heard(through=3, kind=Kind.HEARTBEAT)) == Numbers(3, ((2, 3),))


@pytest.mark.behaviour(52)
def test_the_same_notification_19_times_says_nothing_new_of_the_count() -> None:
    assert after_all(heard(1), *[heard(2)] * 19) == Numbers(2)


def test_an_event_that_does_not_say_its_number_is_the_last_one() -> None:
    assert after_all(heard(1), heard(through=2)) == Numbers(2)


@pytest.mark.behaviour(51)
@pytest.mark.parametrize(
    ("before", "told"),
    [
        (Numbers(), heard(41)),
        (Numbers(7, ((3, 4),)), heard(through=7, kind=Kind.HANDSHAKE)),
        (Numbers(7), heard(through=2, kind=Kind.HEARTBEAT)),
    ],
)
def test_where_the_count_begins_anew_nothing_is_missing_but_all_is_to_be_read(
    before: Numbers, told: Notification
) -> None:
    assert begins_anew(before, told)
    assert after(before, told).missing == ()


def test_a_late_event_is_no_new_beginning_and_a_hint_counts_nothing() -> None:
    assert not begins_anew(Numbers(7), heard(2))
    assert not begins_anew(Numbers(), Notification(Kind.HINT))
    assert after(Numbers(7, ((3, 3),)), Notification(Kind.HINT)) == Numbers(7, ((3, 3),))


def test_a_server_that_loses_every_other_one_does_not_make_the_store_grow() -> None:
    told = [heard(number) for number in range(2, 1000, 2)]
    numbers = after_all(*told)

    assert len(numbers.missing) <= 64
    assert all(any(first <= odd <= last for first, last in numbers.missing) for odd in range(1, 998, 2))
