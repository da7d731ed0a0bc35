"""The reference receiver over real HTTP: what it applies, what it refuses, and what it answers."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from adapter.receiver import Settings, running
from adapter.receiver.settings import SecretFile

CSOR_ID = "B" * 26
KEY = "key-0000000000000001"


def a_row(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {"record_id": f"{number:0>26}".replace("0", "A"), "kind": "diagnosis", "version": 1, "deleted": False}
    return {**row, "fields": {"code": "Q79.3"}, **changes}


def a_batch(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "schema_version": "1",
        "trust": "RXX",
        "csor_id": CSOR_ID,
        "minutes": "utc",
        "rows": list(rows or [a_row()]),
        **changes,
    }


def send(url: str, batch: dict[str, Any] | bytes, *, key: str = KEY, **headers: str) -> requests.Response:
    body = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
    return requests.post(f"{url}/v1/batches", data=body, headers={"Idempotency-Key": key, **headers}, timeout=10)


def rows_of(url: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = requests.get(f"{url}/v1/rows", params=query, timeout=10).json()["rows"]
    return rows


def applied_at(url: str) -> list[dict[str, Any]]:
    applied: list[dict[str, Any]] = requests.get(f"{url}/v1/applied", timeout=10).json()["applied"]
    return applied


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[str]:
    with running(Settings(data_folder=tmp_path / "data", port=0, max_bytes=50_000)) as url:
        yield url


def test_it_says_that_it_is_alive(receiver: str) -> None:
    assert requests.get(f"{receiver}/healthz", timeout=10).json() == {"status": "alive"}


def test_a_batch_is_applied_and_can_be_read_back(receiver: str) -> None:
    answer = send(receiver, a_batch(a_row(1), a_row(2)))
    assert (answer.status_code, answer.json()) == (200, {"idempotency_key": KEY, "applied": 2, "unchanged": 0})
    assert [row["fields"] for row in rows_of(receiver, csor_id=CSOR_ID)] == [{"code": "Q79.3"}] * 2
    assert rows_of(receiver, csor_id="C" * 26) == []


def test_rows_are_read_in_pages(receiver: str) -> None:
    send(receiver, a_batch(a_row(1), a_row(2), a_row(3)))
    first = requests.get(f"{receiver}/v1/rows", params={"limit": 2}, timeout=10).json()
    second = requests.get(f"{receiver}/v1/rows", params={"limit": 2, "after": first["next"]}, timeout=10).json()
    assert (len(first["rows"]), len(second["rows"]), second["next"]) == (2, 1, None)


def test_the_same_key_and_body_gets_the_stored_answer_and_is_not_applied_again(receiver: str) -> None:
    answers = [send(receiver, a_batch()) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len(applied_at(receiver)) == 1


def test_the_same_key_with_another_body_is_refused(receiver: str) -> None:
    send(receiver, a_batch())
    answer = send(receiver, a_batch(a_row(version=2)))
    assert (answer.status_code, answer.json()) == (422, {"code": "key-reused"})


def test_an_unchanged_row_under_a_new_key_is_not_applied_again(receiver: str) -> None:
    send(receiver, a_batch())
    assert send(receiver, a_batch(), key="key-0000000000000002").json()["unchanged"] == 1
    assert len(applied_at(receiver)) == 1


def test_a_higher_version_replaces_and_a_deleted_row_stays_as_a_tombstone(receiver: str) -> None:
    send(receiver, a_batch())
    send(receiver, a_batch(a_row(version=2, deleted=True, fields={})), key="key-0000000000000002")
    assert [(row["version"], row["deleted"]) for row in rows_of(receiver)] == [(2, True)]
    assert [entry["version"] for entry in applied_at(receiver)] == [1, 2]


@pytest.mark.parametrize("change", [{"version": 1}, {"version": 2, "fields": {"code": "Q79.2"}}])
def test_a_lower_version_or_a_contradiction_refuses_the_whole_batch(receiver: str, change: dict[str, Any]) -> None:
    send(receiver, a_batch(a_row(1, version=2)))
    answer = send(receiver, a_batch(a_row(2), a_row(1, **change)), key="key-0000000000000002")
    assert (answer.status_code, answer.json()) == (409, {"code": "outdated", "record_ids": [a_row(1)["record_id"]]})
    assert len(rows_of(receiver)) == 1


def test_the_same_record_id_of_two_trusts_is_two_records(receiver: str) -> None:
    send(receiver, a_batch())
    send(receiver, a_batch(trust="RYY"), key="key-0000000000000002")
    assert [row["trust"] for row in rows_of(receiver)] == ["RXX", "RYY"]


def test_a_body_not_as_published_is_refused_with_places_but_no_values(receiver: str) -> None:
    answer = send(receiver, a_batch(a_row(1), a_row(2, kind="Quillfeather")))
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["at"].startswith("/rows/1")
    assert "Quillfeather" not in answer.text
    assert rows_of(receiver) == []


def test_a_record_twice_in_one_batch_is_refused(receiver: str) -> None:
    answer = send(receiver, a_batch(a_row(1), a_row(1, version=2)))
    assert answer.json()["faults"] == [{"at": "/rows/1/record_id", "rule": "unique"}]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[NaN]"])
def test_a_body_that_is_not_json_is_a_400(receiver: str, body: bytes) -> None:
    answer = send(receiver, body)
    assert (answer.status_code, answer.json()) == (400, {"code": "not-json"})


@pytest.mark.parametrize("key", ["", "short", "with space 0000000000"])
def test_a_batch_needs_a_usable_idempotency_key(receiver: str, key: str) -> None:
    assert send(receiver, a_batch(), key=key).json() == {"code": "no-idempotency-key"}


def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_declared(receiver: str) -> None:
    long = b" " * 60_000
    declared = send(receiver, long)
    chunked = requests.post(f"{receiver}/v1/batches", data=iter([long]), headers={"Idempotency-Key": KEY}, timeout=10)
    assert (declared.status_code, chunked.status_code) == (413, 413)


def test_a_sender_that_dies_in_the_middle_of_a_body_leaves_no_fault_behind(
    capfd: pytest.CaptureFixture[str], receiver: str
) -> None:
    address = urlsplit(receiver)
    with socket.create_connection((address.hostname, address.port)) as peer:
        head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {KEY}\r\nContent-Length: 999\r\n\r\n"
        peer.sendall(head.encode() + b'{"schema')
        time.sleep(0.1)
    time.sleep(0.1)
    assert requests.get(f"{receiver}/healthz", timeout=5).ok
    assert applied_at(receiver) == []
    assert "Traceback" not in capfd.readouterr().err


def test_decimals_keep_their_written_precision(receiver: str) -> None:
    result = a_row(kind="lab_result", fields={"analyte": "crp", "value_num": "here"})
    body = json.dumps(a_batch(result)).replace('"here"', "72.50").encode()
    assert send(receiver, body).status_code == 200
    assert "72.50" in requests.get(f"{receiver}/v1/rows", timeout=10).text


def test_without_the_right_token_nothing_is_taken_or_shown(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("right\n")
    settings = Settings(data_folder=tmp_path / "data", port=0, token=SecretFile(file=secret))
    with running(settings) as url:
        wrong = [send(url, a_batch()), send(url, a_batch(), Authorization="Bearer wrong")]
        right = send(url, a_batch(), Authorization="Bearer right")
        reading = requests.get(f"{url}/v1/rows", timeout=10)
    assert [answer.status_code for answer in wrong] == [401, 401]
    assert (right.status_code, reading.status_code) == (200, 401)


def test_everything_is_still_there_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "data", port=0)
    with running(settings) as url:
        first = send(url, a_batch())
    with running(settings) as url:
        again = send(url, a_batch())
        assert (len(rows_of(url)), len(applied_at(url))) == (1, 1)
    assert first.content == again.content
