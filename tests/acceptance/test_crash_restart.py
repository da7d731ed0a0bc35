"""A part that dies again and again is started at longer and longer intervals; nothing else waits for it."""

import time
from pathlib import Path

from adapter import simulator
from tests.acceptance.crash_run import free_port
from tests.acceptance.crash_service import Service
from tests.acceptance.hospital import trust_file


def test_a_part_that_waits_for_its_restart_holds_up_neither_the_other_part_nor_the_stop(tmp_path: Path) -> None:
    source = {"name": "hospital", "kind": "mllp", "port": str(free_port())}
    trust = trust_file(tmp_path, simulation=simulator.hospital(seed=1, infants=1), sources=[source])
    service = Service(trust, tmp_path)
    try:
        for _ in range(5):  # the next start of work is more than three seconds away
            service.ensure_up()
            service.kill("work")
        receive = service.part("receive")
        service.kill("receive")
        began = time.monotonic()
        while service.part("receive") in (None, receive):
            assert time.monotonic() - began < 2, "receive was not started again"
            time.sleep(0.02)
        assert service.part("work") is None
        stopped = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - stopped < 2.5
    finally:
        service.abandon()
