"""A full disk: the sender is told AE, nothing is lost, and all goes on by itself when there is space again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.bad_input_service import Service, a_trust, an_adt

SMALL = 16 << 20


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A trust whose data folder is a small disk of its own."""
    path = a_trust(tmp_path, max_bytes=32 << 20)
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", data], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    yield path
    subprocess.run(["umount", "-l", data], check=True)


def test_a_full_disk_is_told_to_the_sender_and_nothing_is_lost(config: Path) -> None:
    with Service(config) as service:
        assert service.send(an_adt("73001")).code == "AA"
        service.until(lambda: service.status()["messages"].get("processed") == 1)
        filler = config.parent / "data" / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"\0" * 65536)
        answers = [service.send(an_adt(str(number))) for number in range(73002, 73030)]
        refused = [number for number, answer in zip(range(73002, 73030), answers, strict=True) if answer.code == "AE"]
        assert refused
        assert {answer.text for answer in answers if answer.code != "AA"} == {"not stored: send the message again"}
        assert "storing failed; senders are told to send again" in service.log()

        filler.unlink()
        service.until(lambda: service.send(an_adt(str(refused[0]))).code == "AA")
        assert [service.send(an_adt(str(number))).code for number in refused] == ["AA"] * len(refused)
        service.until(lambda: service.status()["messages"].get("processed") == 29)
        assert service.parked() == []
        service.until_counted("mllp.not_stored", len(refused))
        assert "storing works again" in service.log()
        service.until(lambda: service.status()["queue"]["waiting"] == 0)
        assert service.stop() == 0
