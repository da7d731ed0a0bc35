"""Whatever a FHIR server does wrong: the rows are those of a run without faults, or it is told what is missing and why.

Each fault hits the search for results, read as a whole type by its cursor and child by child. A second host listens all
the while and sees no token, nor anything else.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.mark import ParameterSet

from adapter.chart import sealed
from adapter.chart.sealed import Note, decode_note
from adapter.config import FhirSearchSource
from adapter.envelope import utc_us
from adapter.service.assembly import Mappings, utc_now
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Answer, Effect, Fault, Request
from adapter.simulator.fhir_server import FhirServer, running
from adapter.store import crawls, cursors, messages
from tests.acceptance.hospital import comparable
from tests.fakes.polled_hospital import polled, polling_trust
from tests.integration.trust import Trust, load

SYSTEM, PATIENT = "system", "patient"
STRANGER = {
    "resourceType": "Observation", "id": "of-a-stranger", "status": "final",
    "effectiveDateTime": "2026-10-05T10:00:00Z",
    "subject": {"reference": "Patient/stranger"}, "category": [{"coding": [{"code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
    "valueQuantity": {"value": 400, "unit": "mg/L"},
}  # fmt: skip


def said(code: str, severity: str = "warning") -> dict[str, Any]:
    issue = {"severity": severity, "code": "processing", "details": {"coding": [{"code": code}]}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def unfiltered(request: Request, answer: Answer) -> Answer:
    """What was asked for and somebody else's, and that a parameter was ignored."""
    with_stranger = faults.with_entry(STRANGER)(request, answer)
    return faults.with_entry(said("59100"), mode="outcome")(request, with_stranger)


def used_up(_: Request, answer: Answer) -> Answer:
    return replace(answer, status=403, content=said("4135", "error"))


class Case(NamedTuple):
    """A fault of the search for results."""

    behaviour: int
    effect: Callable[[str], Effect]
    """By the address of another host."""
    told: str
    """Of the source, or of the child as `state.reason`; empty: the rows are whole all the same."""
    of_a_child: str = ""
    """Where it is told otherwise than of a whole type."""
    page: int = 2


CASES = {
    "a token that is refused in the middle": Case(5, lambda _: faults.unauthorised(), "unauthorised"),
    "too many requests": Case(36, lambda _: faults.too_many(), "busy"),
    "too many requests, and when to come again": Case(35, lambda _: faults.too_many(retry_after="1"), "busy"),
    "an error of the server": Case(36, lambda _: faults.status(500), "server-error"),
    "a connection that is dropped": Case(36, lambda _: faults.dropped(), "unreachable"),
    "a body that breaks off": Case(36, lambda _: faults.truncated(), "broken-body"),
    "a body that hangs": Case(36, lambda _: faults.slow(pause_s=0.5), "too-slow"),
    "links that expire": Case(23, lambda _: faults.expired_link(), "", "incomplete.paging-expired"),
    "links without end": Case(21, lambda _: faults.endless_next(), "endless-paging", "incomplete.endless-paging"),
    "another patient's result": Case(32, lambda _: faults.with_entry(STRANGER), "", "incomplete.other-patient"),
    "a redirect to another host": Case(10, lambda other: faults.redirected(to=other), "redirect"),
    "a link to another host": Case(10, lambda other: faults.next_link(f"{other}?page=3"), "link-elsewhere", page=1),
    "an outcome in place of a page": Case(
        25, lambda _: faults.outcome_instead(), "not-a-searchset", "incomplete.informational"
    ),
    "an outcome that says that there may be more": Case(
        27, lambda _: faults.with_entry(said("4119"), mode="outcome"), "incomplete", "incomplete.4119"
    ),
    "an outcome that is for a person": Case(
        38, lambda _: faults.with_entry(said("4130", "error"), mode="outcome"), "person", "denied.4130"
    ),
    "a parameter that was ignored": Case(26, lambda _: unfiltered, "unfiltered"),
    "a quota that is used up": Case(39, lambda _: used_up, "paused", "incomplete.4135"),
    "a refusal": Case(37, lambda _: faults.status(403, code="forbidden"), "denied", "incomplete.forbidden"),
}
PASSING = {
    **{name: case for name, case in CASES.items() if case.told in {
        "unauthorised", "busy", "server-error", "unreachable", "broken-body", "too-slow"
    }},
    "links that expire": CASES["links that expire"],
    "the same page once more": Case(21, lambda _: faults.page_again(), ""),
}  # fmt: skip


class Site:
    """A trust that reads a hospital of one child, and another host that nobody should speak to."""

    def __init__(self, server: FhirServer, other: FhirServer, trust: Trust, *, scope: str) -> None:
        self.server, self.other, self.trust = server, other, trust
        source = self.trust.settings.sources[0]
        assert isinstance(source, FhirSearchSource)
        self.poller = Poller(self.trust.settings, source)
        if scope == PATIENT:
            self.turn()  # the child is known to be ours by what is read of everybody

    def turn(self) -> None:
        self.poller.turn(threading.Event())
        self.trust.works.drain()

    def look_again(self) -> None:
        """A person has asked for whatever was incomplete; the time that the server wanted, and the day, are over."""
        with self.trust.works.database.write() as conn:
            for person in self.trust.persons():
                crawls.ask_again(conn, person.id, at_us=utc_us(utc_now()))
            cursors.set(conn, "crawl.paused.fhir.Observation", "2026-01-01")
        if self.told == "busy":
            time.sleep(1)

    @property
    def rows(self) -> list[str]:
        return comparable(row for row in self.trust.rows(every=True) if row["state"] != "deleted")

    @property
    def told(self) -> str:
        """What a person sees: why a child is not whole, else why the source is not."""
        status = self.trust.status()["fhir_sources"]["fhir"]
        of_searches = [each["trouble"] for each in status["searches"].values()]
        return next((each for each in [*status["patients"]["reasons"], status["trouble"], *of_searches] if each), "")

    @property
    def notes(self) -> list[Note]:
        """Why each parked message waits for a person."""
        works = self.trust.works
        with works.database.read() as conn:
            found = [messages.by_id(conn, each.id) for each in messages.parked(conn)]
        return [
            decode_note(works.ring.unseal(row.key_id, row.note, sealed.NOTE))
            for row in found
            if row is not None and row.key_id is not None and row.note is not None
        ]

    def break_by(self, case: Case, *, times: int | None) -> None:
        effect = case.effect(self.other.base)
        self.server.faults.add(Fault(effect=effect, resource_type="Observation", page=case.page, times=times))
        self.server.seen.clear()

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


OpenSite = Callable[[str], Site]


def each_of(cases: Mapping[str, Case]) -> list[ParameterSet]:
    return [pytest.param(name, marks=pytest.mark.behaviour(case.behaviour)) for name, case in cases.items()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, mappings: Path, loaded: Mappings) -> Path:
    """The data folder of a trust that has read nothing yet: to make one takes longer than to copy it."""
    folder = tmp_path_factory.mktemp("store")
    with running() as server:
        file = polling_trust(folder, server, mappings=mappings, more={})
        Trust(load(file), mappings=loaded).close()
    return folder / "data"


@pytest.fixture(scope="module")
def open_site(
    tmp_path_factory: pytest.TempPathFactory, mappings: Path, loaded: Mappings, store: Path
) -> Callable[..., Site]:
    def make(server: FhirServer, other: FhirServer, scope: str) -> Site:
        included = "parameters: {_include: ['Observation:specimen', 'Observation:based-on']}"
        searched = f"Procedure: {{scope: {scope}}}, Observation: {{scope: {scope}, {included}}}"
        of_source = {
            "types": f"{{Patient: {{}}, Encounter: {{}}, Condition: {{}}, {searched}}}",
            "count": "5",
            "silence_s": "0.2",
            "outcome_rules": "[{code: '4119', action: mark-incomplete}, {code: '4130', action: person},"
            " {code: '59100', action: ignored-parameter}, {code: '4135', action: pause-until-tomorrow}]",
        }

        folder = tmp_path_factory.mktemp("site")
        shutil.copytree(store, folder / "data")
        file = polling_trust(folder, server, mappings=mappings, more={}, **of_source)
        return Site(server, other, Trust(load(file), mappings=loaded), scope=scope)

    return make


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Iterator[OpenSite]:
    made: list[Site] = []
    with polled(1) as server, running() as other:

        def make(scope: str) -> Site:
            made.append(open_site(server, other, scope))
            return made[-1]

        yield make
        for one in made:
            one.close()
        assert other.seen == []


@pytest.fixture(scope="module")
def faultless(open_site: Callable[..., Site]) -> list[str]:
    found = []
    for scope in (SYSTEM, PATIENT):
        with polled(1) as server:
            here = open_site(server, server, scope)
            here.turn()
            found.append(here.rows)
            assert here.told == ""
            here.close()
    assert found[0] == found[1]
    assert len(found[0]) > 10
    return found[0]


@pytest.mark.parametrize("scope", [SYSTEM, PATIENT])
@pytest.mark.parametrize("name", each_of(PASSING))
def test_a_fault_that_passes_changes_no_row(site: OpenSite, faultless: list[str], name: str, scope: str) -> None:
    here = site(scope)
    here.break_by(PASSING[name], times=1)

    here.turn()

    assert here.server.faults.hits == 1
    assert (here.told, here.rows) == ("", faultless)


@pytest.mark.parametrize("scope", [SYSTEM, PATIENT])
@pytest.mark.parametrize("name", each_of(CASES))
def test_a_fault_that_stays_is_told_and_once_it_is_over_no_row_is_missing(
    site: OpenSite, faultless: list[str], name: str, scope: str
) -> None:
    here = site(scope)
    case = CASES[name]
    here.break_by(case, times=None)

    here.turn()
    assert here.told == (case.of_a_child if scope == PATIENT and case.of_a_child else case.told)
    here.server.faults.clear()
    here.look_again()
    here.turn()

    assert (here.told, here.rows) == ("", faultless)


@pytest.mark.behaviour(33)
@pytest.mark.parametrize("scope", [SYSTEM, PATIENT])
def test_of_a_page_with_one_broken_resource_the_others_make_their_rows_and_that_one_is_parked(
    site: OpenSite, faultless: list[str], scope: str
) -> None:
    here = site(scope)
    broken = {"resourceType": "Observation", "id": "broken", "status": "final", "code": "C-reactive protein"}
    here.server.faults.add(Fault(effect=faults.with_entry(broken), resource_type="Observation", page=1))

    here.turn()

    assert here.rows == faultless
    (note,) = here.notes
    assert [(code, at.rpartition("/resource")[2]) for code, _, at in note.problems] == [("P020", "/code")]


@pytest.mark.behaviour(39)
@pytest.mark.parametrize("scope", [SYSTEM, PATIENT])
def test_what_is_used_up_for_the_day_is_not_asked_for_again_on_it(
    site: OpenSite, faultless: list[str], scope: str
) -> None:
    here = site(scope)
    here.break_by(CASES["a quota that is used up"], times=None)
    here.turn()
    here.server.faults.clear()
    here.server.seen.clear()

    here.turn()
    asked = {one.resource_type for one in here.server.seen}
    here.look_again()
    here.turn()

    assert "Observation" not in asked
    assert here.rows == faultless
