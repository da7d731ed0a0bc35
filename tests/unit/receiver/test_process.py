"""The receiver as a process of its own: started by its command over TLS, killed in the middle, started again."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import trustme

from tests.unit.receiver.test_batches import a_batch, a_row, send

COMMAND = "import typer; from adapter.cli.receive import receive; typer.run(receive)"
ROWS = 150
BATCHES = 40


@contextmanager
def a_process(settings: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--config", str(settings)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().removeprefix("receiving at ").strip()
        finally:
            process.kill()


def batches() -> list[tuple[str, bytes]]:
    """Each batch has its own child, so that a batch applied in part would show."""
    return [
        (f"key-{number:0>16}", json.dumps(a_batch(*rows_of_batch(number), csor_id=csor_id(number))).encode())
        for number in range(BATCHES)
    ]


def csor_id(number: int) -> str:
    return f"{chr(65 + number // 26)}{chr(65 + number % 26)}" + "C" * 24


def rows_of_batch(number: int) -> list[dict[str, Any]]:
    return [a_row(record_id=csor_id(number) + chr(65 + row // 26) + chr(65 + row % 26)) for row in range(ROWS)]


def all_of(url: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{url}/v1/{name}?limit=10000", timeout=30).json()[name]
    return found


def test_a_receiver_killed_in_the_middle_of_batches_holds_each_wholly_or_not_at_all(tmp_path: Path) -> None:
    settings = tmp_path / "receiver.yaml"
    settings.write_text("data-folder: data\nport: 0\n")
    chance = random.Random(20261122)
    answered: set[str] = set()
    for _ in range(4):
        with a_process(settings) as (process, url):
            killer = threading.Timer(chance.uniform(0.05, 0.4), process.send_signal, [signal.SIGKILL])
            killer.start()
            send_until_dead(url, answered)
            killer.join()
        with a_process(settings) as (process, url):
            held = [row["csor_id"] for row in all_of(url, "rows")]
            assert {held.count(child) for child in set(held)} <= {ROWS}
            assert {csor_id(int(key[4:])) for key in answered} <= set(held)
    with a_process(settings) as (_, url):
        for key, body in batches():
            assert send(url, body, key=key).status_code == 200
        records = [entry["record_id"] for entry in all_of(url, "applied")]
    assert len(records) == len(set(records)) == ROWS * BATCHES


def send_until_dead(url: str, answered: set[str]) -> None:
    try:
        for key, body in batches():
            if key not in answered and send(url, body, key=key).status_code == 200:
                answered.add(key)
    except requests.RequestException:
        return


def test_the_command_serves_tls_with_a_token_and_stops_on_sigterm(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "token").write_text("s3cret")
    settings = tmp_path / "receiver.yaml"
    settings.write_text("data-folder: data\nport: 0\ntls: {cert: cert.pem, key: key.pem}\ntoken: {file: token}\n")
    with a_process(settings) as (process, url):
        assert url.startswith("https://")
        headers = {"Authorization": "Bearer s3cret"}
        answer = requests.get(f"{url}/v1/rows", headers=headers, verify=str(tmp_path / "ca.pem"), timeout=10)
        process.terminate()
        assert (answer.status_code, process.wait(timeout=15)) == (200, 0)


def test_wrong_settings_end_the_command_with_exit_code_10(tmp_path: Path) -> None:
    settings = tmp_path / "receiver.yaml"
    settings.write_text("port: 0\n")
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, "--config", str(settings)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "data-folder: Field required" in ended.stderr) == (10, True)
