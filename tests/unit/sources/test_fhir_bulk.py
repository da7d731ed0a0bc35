"""The conversation about an export: what is asked, and what answers mean."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from adapter.errors import Declined, NotNow, SourceFault
from adapter.sources.fhir_bulk import BulkServer, InTheWay, Lost, Manifest, Order, Waiting

BASE = "https://fhir.example.nhs.uk/r4"


class Answer:
    def __init__(self, status: int, said: object = b"", **headers: str) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        self._said = said if isinstance(said, bytes) else json.dumps(said).encode()

    def chunks(self) -> Iterator[bytes]:
        yield self._said

    def body(self) -> bytes:
        return self._said


class Wire:
    """Answers in turn; keeps what it was asked."""

    base_url = BASE

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[bytes | None] = []
        self.tokens: list[bool] = []
        self.headers: list[Mapping[str, str]] = []

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        stop: threading.Event,
        body: bytes | None = None,
        with_token: bool = True,
    ) -> Iterator[Answer]:
        self.asked.append((method, url))
        self.bodies.append(body)
        self.tokens.append(with_token)
        self.headers.append(headers)
        yield self._answers.pop(0)


def server(*answers: Answer) -> tuple[BulkServer, Wire]:
    wire = Wire(*answers)
    return BulkServer(wire, threading.Event()), wire


def manifest(**more: Any) -> Answer:
    return Answer(200, {"transactionTime": "2026-01-01T00:00:00Z", "request": "", "output": [], **more})


ORDER = Order("Group/1", ("Patient", "Observation"), since="2026-01-01T00:00:00.000+00:00")
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "throttled"}]}


def test_an_order_is_written_as_the_guide_wants_it() -> None:
    bulk, wire = server(Answer(202, Content_Location="/r4/bulk/7"))
    assert bulk.start(ORDER) == "https://fhir.example.nhs.uk/r4/bulk/7"

    (asked,) = wire.asked
    assert asked[1].startswith(f"{BASE}/Group/1/$export?_outputFormat=application/fhir%2Bndjson&_type=Patient,Observ")
    assert asked[1].endswith("&_since=2026-01-01T00:00:00.000%2B00:00")
    assert wire.headers[0]["Prefer"] == "respond-async"
    assert ORDER.is_of(asked[1])
    assert not ORDER._replace(since="").is_of(asked[1])
    assert not ORDER._replace(types=("Patient",)).is_of(asked[1])
    assert ORDER._replace(join="repeat").parameters()[1:3] == [("_type", "Patient"), ("_type", "Observation")]


def test_patients_stand_in_the_body_and_in_no_address() -> None:
    bulk, wire = server(Answer(202, Content_Location=f"{BASE}/bulk/7"))
    bulk.start(ORDER._replace(patients=("p1", "p2")))

    assert wire.asked == [("POST", f"{BASE}/Group/1/$export")]
    assert ORDER._replace(patients=("p1",)).is_of(f"{BASE}/Group/1/$export")
    assert not ORDER.is_of(f"{BASE}/Group/1/$export")
    assert not ORDER._replace(patients=("p1",)).is_of(f"{BASE}/Group/1/$export?_type=Patient")
    said = json.loads(wire.bodies[0] or b"")
    assert [each["valueReference"]["reference"] for each in said["parameter"][-2:]] == ["Patient/p1", "Patient/p2"]


@pytest.mark.behaviour(42)
@pytest.mark.parametrize("answer", [Answer(429, OUTCOME, Retry_After="120"), Answer(409, OUTCOME, Retry_After="120")])
def test_another_export_in_the_way_is_no_refusal(answer: Answer) -> None:
    bulk, _ = server(answer)
    with pytest.raises(InTheWay, match="throttled") as raised:
        bulk.start(ORDER)

    assert raised.value.retry_after_s == 120
    assert raised.value.earlier == ""


def test_a_server_that_does_not_say_where_to_ask_is_refused() -> None:
    bulk, _ = server(Answer(202))
    with pytest.raises(Declined, match="Content-Location"):
        bulk.start(ORDER)


@pytest.mark.parametrize(
    ("said", "percent"), [("50% complete", 50), ("12.5 %", 12), ("Baby Smith is done", None), ("999%", 100), ("", None)]
)
def test_of_the_progress_only_a_number_is_kept(said: str, percent: int | None) -> None:
    bulk, _ = server(Answer(202, X_Progress=said, Retry_After="600"))
    assert bulk.status("u") == Waiting(600.0, percent)


@pytest.mark.behaviour(43)
def test_a_manifest_is_read_whole_over_its_next_links() -> None:
    first = manifest(
        requiresAccessToken="false",
        output=[{"type": "Patient", "url": "/files/1"}],
        error=[{"type": "OperationOutcome", "url": f"{BASE}/files/e"}],
        link=[{"relation": "next", "url": "?page=2"}],
    )
    second = manifest(deleted=[{"type": "Bundle", "url": f"{BASE}/files/d"}], outcome=[{"type": "OperationOutcome"}])
    bulk, wire = server(first, second)
    found = bulk.status(f"{BASE}/bulk/7")

    assert isinstance(found, Manifest)
    assert [(each.kind, each.url) for each in found.files] == [
        ("output", "https://fhir.example.nhs.uk/files/1"),
        ("error", f"{BASE}/files/e"),
        ("deleted", f"{BASE}/files/d"),
    ]
    assert not found.needs_token
    assert wire.asked[1] == ("GET", f"{BASE}/bulk/7?page=2")


def test_a_manifest_whose_links_lead_in_a_circle_is_refused() -> None:
    bulk, _ = server(*[manifest(link=[{"relation": "next", "url": "/m"}])] * 3)
    with pytest.raises(Declined) as raised:
        bulk.status(f"{BASE}/bulk/7")
    assert raised.value.fault is SourceFault.ENDLESS_PAGING


@pytest.mark.behaviour(45)
@pytest.mark.parametrize("time", [None, "", "yesterday"])
def test_a_manifest_without_the_time_of_the_server_is_not_taken(time: str | None) -> None:
    said: dict[str, object] = {"output": []} | ({} if time is None else {"transactionTime": time})
    bulk, _ = server(Answer(200, said))
    with pytest.raises(NotNow):
        bulk.status("u")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, Lost), (410, Lost), (500, NotNow), (502, NotNow), (429, NotNow), (401, NotNow), (403, Declined)],
)
def test_a_state_that_cannot_be_told_is_told_apart(status: int, kind: type[Exception]) -> None:
    bulk, _ = server(Answer(status, OUTCOME))
    with pytest.raises(kind):
        bulk.status("u")


def test_what_is_not_there_is_deleted() -> None:
    bulk, wire = server(Answer(404), Answer(202))
    bulk.delete("u")
    bulk.delete("u")
    assert [method for method, _ in wire.asked] == ["DELETE", "DELETE"]


@pytest.mark.behaviour(10)
def test_where_a_file_redirects_to_no_token_goes_not_even_back() -> None:
    away = Answer(307, Location="https://s3.example/x?sig=1")
    back = Answer(302, Location=f"{BASE}/files/1")
    bulk, wire = server(away, back, Answer(200, b"line\n"))
    taken: list[bytes] = []
    bulk.download(f"{BASE}/files/1", needs_token=True, take=taken.append)

    assert taken == [b"line\n"]
    assert wire.tokens == [True, False, False]


def test_a_file_that_redirects_for_ever_is_given_up() -> None:
    bulk, _ = server(*[Answer(302, Location="/x")] * 5)
    with pytest.raises(Declined):
        bulk.download(f"{BASE}/files/1", needs_token=False, take=lambda _: None)
