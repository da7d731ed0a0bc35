"""A message that kills the process that reads it: parked after the third time, tried once more alone, never again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.bad_input_service import ROOT, Service, a_trust, an_adt

INSIDE = Path(__file__).parent / "poison_inside"


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "poison").touch()
    yield a_trust(tmp_path)


def started(config: Path) -> Service:
    paths = os.pathsep.join([str(INSIDE), str(ROOT)])
    return Service(config, PYTHONPATH=paths, POISON_FOLDER=str(config.parent))


def deaths(config: Path) -> int:
    file = config.parent / "deaths"
    return len(file.read_text().splitlines()) if file.exists() else 0


def processed(service: Service) -> int:
    return int(service.status()["messages"].get("processed", 0))


def test_a_message_that_kills_is_parked_by_the_third_crash_alone_and_all_others_are_processed(config: Path) -> None:
    with started(config) as service:
        with service.line() as line:
            answers = [
                line.ask(an_adt(str(number), name="POISON" if number == 80003 else "PLAIN")).code
                for number in range(80001, 80008)
            ]
        assert answers == ["AA"] * 7
        service.until(lambda: processed(service) == 6 and len(service.parked()) == 1)
        batch_and_alone = deaths(config)
        assert batch_and_alone in (3, 4)  # once more if it was in a batch before it went alone
        number = str(service.parked()[0][0])
        first, second = service.cli("parked", "show", number).stdout.splitlines()
        assert first.endswith("P009 crashed three times")
        assert second == (
            "P009: processing it stopped the adapter 3 times; it is tried again once more after the next clean stop"
        )
        assert service.counter("problem.P009") == 1
        assert service.stop() == 0

    with started(config) as service:  # after a clean stop: once more, alone
        service.until(lambda: service.counter("problem.P009") == 2)
        assert deaths(config) == batch_and_alone + 1
        assert service.cli("parked", "show", number).stdout.splitlines()[1] == (
            "P009: processing it stopped the adapter 4 times; it is tried again only by `replay`"
        )
        assert service.send(an_adt("80009")).code == "AA"
        service.until(lambda: processed(service) == 7)
        assert service.stop() == 0

    with started(config) as service:  # and never again by itself
        assert service.send(an_adt("80010")).code == "AA"
        service.until(lambda: processed(service) == 8)
        assert deaths(config) == batch_and_alone + 1
        (config.parent / "poison").unlink()
        told = service.cli("replay", number)
        assert (told.returncode, told.stdout) == (0, "1 messages and 0 deliveries put back\n")
        service.until(lambda: processed(service) == 9)
        assert service.parked() == []


def test_a_result_that_kills_the_process_that_reads_ahead_is_parked_too(config: Path) -> None:
    with started(config) as service:
        with service.line() as line:
            for number in range(80001, 80008):
                message = an_adt(str(number), name="POISON" if number == 80003 else "PLAIN")
                assert line.ask(message.replace(b"ADT^A01", b"ORU^R01")).code == "AA"
        service.until(lambda: processed(service) == 6 and len(service.parked()) == 1)
        assert deaths(config) in (3, 4)
        assert service.counter("problem.P009") == 1
        assert service.send(an_adt("80009")).code == "AA"
        service.until(lambda: processed(service) == 7)
        assert service.stop() == 0


def test_the_retry_after_a_clean_stop_processes_what_is_harmless_by_then(config: Path) -> None:
    with started(config) as service:
        assert service.send(an_adt("80001", name="POISON")).code == "AA"
        service.until(lambda: len(service.parked()) == 1)
        service.stop()
    (config.parent / "poison").unlink()
    with started(config) as service:
        service.until(lambda: processed(service) == 1)
        assert service.parked() == []
        assert service.counter("crashed.retried") == 1
