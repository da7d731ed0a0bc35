"""What a person is told who starts it with something wrong: exact words, exit codes, and no secret in them."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.bad_input_service import FEED, Service, a_trust, an_adt, run_cli


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    yield a_trust(tmp_path)


def both(config: Path) -> list[subprocess.CompletedProcess[str]]:
    return [run_cli("check", "--config", config), run_cli("run", "--config", config)]


def test_a_wrong_key_in_a_mapping_is_shown_with_caret_and_suggestion(config: Path) -> None:
    file = config.parent / "mappings" / "fhir-to-csor" / "lab_result.yaml"
    lines = file.read_text().splitlines()
    number = next(place for place, line in enumerate(lines, start=1) if line.startswith("    means:"))
    lines[number - 1] = lines[number - 1].replace("means:", "meens:")
    file.write_text("\n".join(lines) + "\n")
    for told in both(config):
        assert told.returncode == 11
        shown = told.stderr.splitlines()
        place = next(at for at, line in enumerate(shown) if line.startswith(f"{file}:{number}:5: "))
        assert '"meens"' in shown[place]
        assert shown[place + 1].strip() == lines[number - 1].strip()
        assert shown[place + 2].strip() == "^"
        assert shown[place + 2].index("^") == shown[place + 1].index("meens")
        assert shown[place + 3].strip() == 'did you mean "means"?'


def test_a_literal_secret_is_refused_and_not_printed(config: Path) -> None:
    secret = "ab" * 32
    config.write_text(config.read_text().replace("{file: key}", secret).replace("    file: key\n", f"    {secret}\n"))
    assert secret in config.read_text()
    for told in both(config):
        assert told.returncode == 10
        assert "a secret is never written here: give {file: PATH} or {env: NAME}" in told.stderr
        assert secret not in told.stdout + told.stderr


def test_a_wrong_sealing_key_refuses_and_touches_nothing(config: Path) -> None:
    message = config.parent / "one.hl7"
    message.write_bytes(an_adt("72001"))
    assert run_cli("ingest", message, "--config", config).returncode == 0
    before = (config.parent / "data" / "keys.bin").read_bytes()
    (config.parent / "key").write_text("cd" * 32)
    told = run_cli("run", "--config", config)
    assert (told.returncode, told.stderr) == (12, "the master key is not the one this store was sealed with\n")
    (config.parent / "key").write_text("cd" * 31)
    told = run_cli("run", "--config", config)
    assert told.returncode == 12
    assert "is not 32 bytes in base64 or hexadecimal" in told.stderr
    assert (config.parent / "data" / "keys.bin").read_bytes() == before


def test_a_second_instance_is_refused_and_the_first_goes_on(config: Path) -> None:
    with Service(config) as service:
        told = run_cli("run", "--config", config)
        folder = config.parent / "data"
        assert told.returncode == 13
        assert told.stderr == (
            f"another instance is running on this data folder {folder}: process {service.pid}; stop it first\n"
        )
        assert service.send(an_adt("72002")).code == "AA"


def test_a_port_in_use_is_named_with_its_source(config: Path) -> None:
    with socket.socket() as other:
        port = int(config.read_text().partition("port: ")[2].split()[0])
        other.bind(("127.0.0.1", port))
        other.listen()
        told = run_cli("run", "--config", config)
    assert told.returncode == 10
    assert told.stderr == (
        f'source "{FEED}": 127.0.0.1:{port} is in use by another program; free it, or change bind or port\n'
    )


def test_a_drop_folder_that_is_missing_is_told_counted_and_taken_up_when_it_comes(config: Path) -> None:
    shutil.rmtree(config.parent / "in")
    with Service(config) as service:
        service.until_counted("folder.unreadable")
        assert "folder cannot be read; it is looked for again" in service.log()
        assert "no sink in the trust file: rows are made and kept, nothing is sent" in service.log()
        (config.parent / "in").mkdir()
        (config.parent / "in" / "one.hl7").write_bytes(an_adt("72003"))
        service.until_counted("folder.messages")


def test_files_that_cannot_be_read_do_not_stop_the_others(config: Path) -> None:
    good = config.parent / "good.hl7"
    good.write_bytes(an_adt("72004"))
    missing = config.parent / "missing.hl7"
    told = run_cli("ingest", good, missing, "--config", config)
    assert (told.returncode, told.stdout) == (1, "1 messages taken, 1 problems\n")
    assert told.stderr == f"{missing}: no such file or directory\n"


@pytest.mark.parametrize("verb", ["status", "parked", "rows"])
def test_before_the_first_start_readers_say_so_and_make_nothing(config: Path, verb: str) -> None:
    told = run_cli(verb, "--config", config)
    folder = config.parent / "data"
    assert told.returncode == 14
    assert told.stderr == f"nothing is stored in {folder} yet: start the service or `ingest` first\n"
    assert not folder.exists()
