"""Servers as vendors make them, each read by its vendor's file: the same rows, nothing forbidden, nobody else's."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from adapter import config, simulator
from adapter.cli.rows import read_rows
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import Media, Received
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Mappings, Works
from adapter.service.polling import Poller
from adapter.service.polling_plan import Kind, kinds_of
from adapter.simulator import Simulation
from adapter.simulator.course import Course
from adapter.simulator.fhir_faults import Answer, Fault, Request
from adapter.simulator.fhir_modes import FREE_TEXT, epic, oracle, oracle_tokens
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_terms import identity
from adapter.simulator.fhir_token import Client
from adapter.simulator.fhir_versions import Change
from adapter.simulator.moments import LONDON
from adapter.sources import fhir_request
from tests.acceptance.hospital import against_truth, comparable, receive
from tests.acceptance.hospital import trust_file as hospital_file
from tests.fakes.polled_hospital import END, TOKEN, a_child
from tests.fakes.vendor_hospital import MODES, QUICKLY, served, vendor_trust
from tests.integration.messages import Baby, an_adt
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_counter import Counter
from tests.unit.simulator.fhir_courses import day

FEED = "epic"
"""Of the site that is read over FHIR as well."""
LATER = datetime(2027, 6, 1, tzinfo=UTC)
NOT_SERVED = {"oracle-millennium": {"operation_note"}}
"""Kinds of rows that this server has no resource for; imaging studies are told by reports as well."""


def an_admission(course: Course, *, number: str = "", event: str = "A01") -> bytes:
    """What the HL7 v2 feed tells of the child: enough to hold it."""
    person, visit = course.person, course.visits[0]
    at = visit.admitted_at.astimezone(LONDON).strftime("%Y%m%d%H%M")
    baby = Baby(
        number=number or person.hospital_number,
        born=person.born.astimezone(LONDON).strftime("%Y%m%d%H%M"),
        sex=person.sex,
        family=person.family.upper(),
    )
    ward = visit.stays[0].ward
    ward_and_function = f"{ward.code}^{ward.treatment_function}"
    return an_adt(event, baby, at=at, visit=visit.number, admitted=at, ward=ward_and_function)


# --- the simulated hospital and its truth


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulator.hospital(seed=13, infants=12)


@pytest.fixture(scope="module")
def site(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mappings]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "token").write_text(TOKEN)
    source = {
        "name": "fhir", "kind": "fhir-search", "base_url": "http://127.0.0.1:9/r4", "token": {"file": "token"},
        "from": "2010-01-01", "every": "PT1S", "limits": yaml.safe_load(QUICKLY), "order_numbers": FEED,
    }  # fmt: skip
    file = hospital_file(
        folder,
        simulation=simulation,
        sources=[{"name": FEED, "kind": "mllp", "port": 2575}, source],
        sink={"kind": "csor-api", "url": "http://127.0.0.1:9"},
        hold={"unknown": "P9000D", "after_discharge": "P9000D", "max": "P9000D"},
    )
    return file, Mappings.load(load(file))


def of_vendor(file: Path, vendor: str, server: FhirServer) -> TrustSettings:
    """The trust's file with another vendor, server and data folder."""
    whole = yaml.safe_load(file.read_text())
    whole["vendor"], whole["data_folder"] = vendor, f"data-{vendor}"
    whole["sources"][1]["base_url"] = server.base
    other = file.with_name(f"{vendor}.yaml")
    other.write_text(yaml.safe_dump(whole, sort_keys=False))
    return load(other)


@pytest.mark.parametrize(
    "vendor",
    [
        pytest.param(
            "epic",
            marks=[
                pytest.mark.behaviour(12), pytest.mark.behaviour(13), pytest.mark.behaviour(30),
                pytest.mark.behaviour(63),
            ],
        ),
        pytest.param(
            "oracle-millennium",
            marks=[
                pytest.mark.behaviour(12), pytest.mark.behaviour(14), pytest.mark.behaviour(22),
                pytest.mark.behaviour(24), pytest.mark.behaviour(31),
            ],
        ),
        pytest.param("uk-core-generic", marks=pytest.mark.behaviour(12)),
        pytest.param("hapi", marks=[pytest.mark.behaviour(18), pytest.mark.behaviour(20)]),
    ],
)  # fmt: skip
def test_each_server_gives_the_rows_of_the_hospital(
    vendor: str, simulation: Simulation, site: tuple[Path, Mappings]
) -> None:
    told = [course for course in simulation.courses if course.channel != "v2"]
    ours = {course.person.hospital_number: course for course in [one for one in told if one.confirmed][1:3]}
    if vendor == "hapi":
        told = list(ours.values())  # whole types are read, so that there must be nobody else
    with served(told, MODES[vendor](), now=LATER) as server:
        settings = of_vendor(site[0], vendor, server)
        rows = read_by_crawl(settings, site[1], simulation, list(ours.values()))
    expected = [row for row in simulation.truth if row.child in ours and row.kind not in NOT_SERVED.get(vendor, ())]
    patients = {identity("Patient", number) for number in ours}

    assert against_truth(rows, expected) == []
    assert {course.channel for course in ours.values()} == {"fhir", "both"}
    assert len(ours) < len(told) or vendor == "hapi", "the server has others, whom nobody asks for"
    assert server.violations == []
    assert {patient for one in server.seen for patient in named(one, told)} <= patients


def read_by_crawl(
    settings: TrustSettings, mappings: Mappings, simulation: Simulation, ours: Sequence[Course]
) -> list[dict[str, Any]]:
    """The rows once HL7 v2 has told of the children and the server has been read."""
    works = Works(settings, now=lambda: LATER, mappings=mappings)
    try:
        works.pipeline.start()
        by_fhir = [an_admission(course) for course in ours if course.channel == "fhir"]
        Reception(works.inbox, works.ring).append(
            [Received(feed=FEED, media=Media.HL7V2, received_at=LATER, body=each) for each in by_fhir]
        )
        numbers = {course.person.hospital_number for course in ours}
        receive(works, [message for message in simulation.messages if message.subject in numbers])
        works.drain()
        poll(settings, works, turns=2)
        return list(read_rows(settings))
    finally:
        works.close()


def poll(settings: TrustSettings, works: Works, *, turns: int) -> None:
    source = settings.sources[1]
    assert isinstance(source, FhirSearchSource)
    poller = Poller(settings, source)
    try:
        for _ in range(turns):
            poller.turn(threading.Event())
            works.drain()
    finally:
        poller.close()


def named(request: Request, courses: Iterable[Course]) -> set[str]:
    """Whose patient id stands in a request."""
    asked = f"{request.url} {request.query}"
    return {one for course in courses if (one := identity("Patient", course.person.hospital_number)) in asked}


@pytest.mark.behaviour(12)
@pytest.mark.behaviour(13)
@pytest.mark.parametrize("vendor", MODES)
def test_no_vendor_file_asks_for_what_its_server_refuses(vendor: str, tmp_path: Path, mappings: Path) -> None:
    """All there is, and what is new: every search of the file, on its own."""
    child = a_child(1)
    counter = Counter(fhir_timeline([child]), MODES[vendor](), now=END)
    with served([], MODES[vendor]()) as server:
        settings = load(vendor_trust(tmp_path / "trust", server, vendor=vendor, mappings=mappings, source={}))
    source = settings.sources[1]
    assert isinstance(source, FhirSearchSource)
    kinds = [kind for kind in kinds_of(config.rules_of(source, settings.fhir_search)) if not _is_read(kind)]
    statuses = {
        (kind.search.name, since): counter.search(kind.search.resource_type, *_sent(kind, child, since)).status
        for kind in kinds
        for since in (None, day(2))
    }

    assert len(kinds) > 8
    assert set(statuses.values()) == {200}
    assert counter.broken == []


def _is_read(kind: Kind) -> bool:
    """A patient of ours is read by id, not searched."""
    return kind.is_of_patients and kind.search.resource_type == "Patient"


def _sent(kind: Kind, child: Course, since: datetime | None) -> list[tuple[str, str]]:
    """The parameters as they are sent, in the address or in the body."""
    one = kind.search._replace(patient_id=patient_id(child) if kind.is_of_patients else "")
    asked = one.asked(since, count=one.page_size or 100)
    request = fhir_request.search("http://ehr.example/r4", one.resource_type, asked, style=one.style)
    return parse_qsl(request.body.decode() if request.body else urlsplit(request.url).query)


# --- one child at a time


def patient_id(course: Course) -> str:
    return identity("Patient", course.person.hospital_number)


def rows_of_child(ehr: "Ehr", course: Course) -> list[dict[str, Any]]:
    spell = course.visits[0].number
    child = next(row["child"] for row in ehr.trust.rows("admission", every=True) if row["spell_id"] == spell)
    return [row for row in ehr.trust.rows(every=True) if row["child"] == child]


class Ehr:
    """A trust that reads one server, and can do so again and again."""

    def __init__(self, file: Path, loaded: Mappings) -> None:
        self.file = file
        self.trust = Trust(load(file), mappings=loaded)
        source = load(file).sources[1]
        assert isinstance(source, FhirSearchSource)
        self.poller = Poller(load(file), source)

    def admit(self, *courses: Course, number: str = "", event: str = "A01") -> None:
        self.trust.receive(*(an_admission(course, number=number, event=event) for course in courses))

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.poller.turn(threading.Event())
            self.trust.works.drain()

    @property
    def patients(self) -> dict[str, Any]:
        """How many stand how, and why."""
        status = self.trust.status()["fhir_sources"]["fhir"]
        return {name: value for name, value in status["patients"].items() if value and name != "behind_s"}

    @property
    def counted(self) -> dict[str, int]:
        return dict(self.trust.status()["fhir_sources"]["fhir"]["counted"])

    @property
    def rows(self) -> list[str]:
        return comparable(row for row in self.trust.rows(every=True) if row["state"] != "deleted")

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


Reads = Callable[..., Ehr]


@pytest.fixture
def reads(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Reads]:
    made: list[Ehr] = []

    def make(server: FhirServer, vendor: str, **source: str) -> Ehr:
        folder = tmp_path / f"trust{len(made)}"
        said = {"patients": "{triggered_by: [epr]}", **source}
        made.append(Ehr(vendor_trust(folder, server, vendor=vendor, mappings=mappings, source=said), loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


_ONLY = "{{Patient: {{scope: patient, incremental: none}}, {0}: {{scope: patient, incremental: none{1}}}}}"
"""One type beside the patient."""


@pytest.mark.behaviour(23)
def test_at_epic_a_paging_session_that_expires_is_begun_again(reads: Reads) -> None:
    children = [a_child(1)]
    with served(children, epic()) as server:
        whole, here = (
            reads(server, "epic", count=count, types=_ONLY.format("Condition", "")) for count in ("100", "2")
        )
        whole.admit(*children)
        whole.turn(2)
        here.admit(*children)

        def forgetting(_: Request, answer: Answer) -> Answer:
            server.desk.forget()
            return answer

        server.faults.add(Fault(effect=forgetting, resource_type="Condition", interactions=("search",)))
        server.seen.clear()
        here.turn(2)
        asked = [one.interaction for one in server.seen if one.resource_type in {"Condition", ""}]

    assert asked[:4] == ["search", "page", "search", "page"], "the second page was gone"
    assert here.rows == whole.rows
    assert here.patients == {"complete": 1}
    assert server.violations == []


@pytest.mark.behaviour(26)
def test_at_epic_a_parameter_that_is_passed_over_is_applied_here(reads: Reads) -> None:
    children = [a_child(1)]
    heeding = epic()
    assert heeding.mode.parameters is not None
    without = {**heeding.mode.parameters, "DiagnosticReport": heeding.mode.parameters["DiagnosticReport"] - {"status"}}
    passing_over = replace(heeding, mode=replace(heeding.mode, parameters=without))
    types = _ONLY.format("DiagnosticReport", ", parameters: {status: preliminary}")
    found = []
    for settings in (heeding, passing_over):
        with served(children, settings, now=day(11, hours=3)) as server:
            here = reads(server, "epic", types=types)
            here.admit(*children)
            here.turn(2)
            found.append((here.rows, here.counted, server.violations))
    (rows, counted, violations), (same_rows, alarmed, broken) = found

    assert same_rows == rows
    assert "patient.filter.ignored" not in counted
    assert (alarmed["patient.filter.ignored"], alarmed["patient.filter.dropped"]) == (1, 1)
    assert violations == []
    assert {one.parameters for one in broken} == {("status",)}


@pytest.mark.behaviour(27)
@pytest.mark.behaviour(38)
@pytest.mark.behaviour(67)
@pytest.mark.behaviour(68)
def test_at_epic_each_child_ends_in_the_state_that_the_server_tells(reads: Reads) -> None:
    plain, partly, denied, merged, deleted = children = [a_child(number) for number in range(5)]
    person = merged.person
    merged = children[3] = replace(merged, person=replace(person, temporary_number="T7", merged_at=day(20)))
    with served(children, epic(), now=day(19)) as server:
        here = reads(server, "epic")
        here.admit(plain, partly, denied, deleted)
        here.admit(merged, number="T7")
        here.turn(2)
        assert here.patients == {"complete": 5}
        before = rows_of_child(here, denied)

        server.cases.incomplete.add(patient_id(partly))
        server.cases.restricted[patient_id(denied)] = "4131"
        gone = {"resourceType": "Patient", "id": patient_id(deleted)}
        server.add([Change(visible_at=day(50), resource=gone, is_deleted=True)])
        server.advance(END)
        here.admit(plain, partly, denied, deleted, event="A08")
        here.admit(merged, number="T7", event="A08")
        here.turn(3)
        asked = len(server.seen)
        here.turn(2)

    # Complete are the plain one, and whoever the merged one lives on as.
    assert here.patients == {
        "complete": 2, "incomplete": 1, "denied": 1, "merged": 1, "deleted": 1,
        "reasons": {"incomplete.4119": 1, "denied.4131": 1, "merged.4107": 1, "deleted.4103": 1},
    }  # fmt: skip
    assert len(server.seen) == asked, "nobody is asked for again before it is time"
    assert server.violations == []
    assert rows_of_child(here, denied) == before
    assert len(here.trust.rows("infant")) == len(children)
    operations = [row["procedure_code"] for row in rows_of_child(here, merged) if row["kind"] == "operation"]
    assert sorted(operations) == ["G69.3", "Y50.2"], "the one of before, and what was coded after the merge"


@pytest.mark.behaviour(22)
@pytest.mark.behaviour(24)
def test_at_oracle_the_newest_version_counts_though_an_older_one_comes_on_a_later_page(reads: Reads) -> None:
    """Every second page is empty, every third is short, and what was corrected comes again as it was before."""
    children = [a_child(1)]
    of_patient = "{scope: patient, incremental: none, exclusive: [[_id, '*']]}"
    kinds = ("Patient", "Encounter", "Condition", "Procedure", "Observation")
    types = "{" + ", ".join(f"{each}: {of_patient}" for each in kinds) + "}"
    with served(children, oracle()) as server:
        at_once, by_and_by = (reads(server, "oracle-millennium", types=types, count=count) for count in ("200", "2"))
        for here in (at_once, by_and_by):
            here.admit(*children)
            here.turn(2)
        pages = [one for one in server.seen if one.interaction == "page"]

    assert len(pages) > 4
    assert by_and_by.rows == at_once.rows
    assert "corrected" in {row["status"] for row in by_and_by.trust.rows("lab_result", every=True)}
    assert server.violations == []


@pytest.mark.behaviour(4)
def test_at_oracle_one_token_serves_all_workers(reads: Reads) -> None:
    children = [a_child(number) for number in range(2)]
    types = _ONLY.format("Condition", "")
    desk = oracle_tokens(Client(client_id="us", secret=TOKEN))
    with served(children, replace(oracle(), sign_in=desk)) as server:
        url = server.base.removesuffix("/fhir/r4") + "/token"
        signing = f"{{method: client_secret_basic, token_url: '{url}', client_id: us, secret: {{file: token}}, "
        scopes = "scopes: [system/Patient.rs, system/Condition.rs]}"
        here = reads(server, "oracle-millennium", types=types, token="", auth=signing + scopes)
        here.admit(*children)
        here.turn(2)

    assert here.patients == {"complete": 2}
    assert len(desk.asked) == 1
    assert server.violations == []


@pytest.mark.behaviour(66)
@pytest.mark.behaviour(69)
def test_at_oracle_whoever_was_merged_is_read_on_under_the_other_id(reads: Reads) -> None:
    """First known by the number of the wristband; the server gives all that is theirs to the survivor."""
    child = a_child(1)
    moved = replace(child, person=replace(child.person, temporary_number="T7", merged_at=day(20)))
    with served([moved], oracle(), now=day(19), also=[_combined(moved)]) as server:
        here = reads(server, "oracle-millennium")
        here.admit(moved, number="T7")
        here.turn(2)
        first = here.patients
        server.advance(END)
        here.admit(moved, number="T7", event="A08")
        here.turn(4)
        violations = list(server.violations)
    with served([child], oracle()) as server:
        never = reads(server, "oracle-millennium")
        never.admit(child)
        never.turn(2)

    assert first == {"complete": 1}
    assert (here.patients["merged"], here.patients["complete"]) == (1, 1)
    assert here.trust.parked() == []
    assert violations == []
    assert len(here.trust.rows("infant")) == 1
    assert told_of(here) == told_of(never)


def _combined(course: Course) -> Change:
    """A second visit that turned out to be the first: R4 Encounter, as Oracle Health shows it."""
    visit = {
        "resourceType": "Encounter", "id": "combined", "status": "unknown", "location": [],
        "class": {"code": "IMP"}, "subject": {"reference": f"Patient/{patient_id(course)}"},
        "partOf": {"reference": f"Encounter/{identity('Encounter', course.visits[0].number)}"},
        "period": {"start": day(30).isoformat()},
    }  # fmt: skip
    return Change(visible_at=day(30), resource=visit)


def told_of(ehr: Ehr) -> list[tuple[str, ...]]:
    """What the rows say, without the names they and the child are known by."""
    own = {"row", "child", "spell_id"}
    return sorted(
        tuple(f"{name}={value}" for name, value in sorted(row.items()) if name not in own)
        for row in ehr.trust.rows(every=True)
        if row["state"] != "deleted"
    )


@pytest.mark.behaviour(64)
def test_what_epic_gives_for_a_code_stays_inside_the_trust(reads: Reads) -> None:
    child = a_child(1)
    with served([child], epic()) as server:
        here = reads(server, "epic")
        here.admit(child)
        here.turn(2)
    here.trust.dispatch()
    sent = b"".join(batch for _, batch in here.trust.csor.batches)

    assert any(FREE_TEXT in str(row["codes"]) for row in here.trust.rows("diagnosis")), "inside it is kept as it came"
    assert b"P77" in sent
    assert FREE_TEXT.encode() not in sent
