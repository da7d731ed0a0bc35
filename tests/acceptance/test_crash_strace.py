"""Seen by the kernel: between reading a frame and answering AA the inbox is forced to the disk."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapter import config, simulator
from adapter.service.assembly import prepare
from tests.acceptance.crash_run import free_port
from tests.acceptance.crash_sender import ResendingSender
from tests.acceptance.crash_service import ROOT
from tests.acceptance.hospital import trust_file

CALLS = "trace=recvfrom,read,fsync,fdatasync,sendto,write"
MESSAGES = 40

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def test_the_inbox_is_on_the_disk_between_each_frame_and_its_acknowledgement(tmp_path: Path) -> None:
    simulation = simulator.hospital(seed=1, infants=1)
    port = free_port()
    trust = trust_file(
        tmp_path, simulation=simulation, sources=[{"name": "hospital", "kind": "mllp", "port": str(port)}]
    )
    prepare(config.load_trust(trust))
    messages = list(
        {message.control_id: message.raw for message in simulation.messages if message.feed == "epic"}.values()
    )[:MESSAGES]

    calls = _traced(tmp_path / "trace", trust, port, messages)

    controls = [message.split(b"|")[9].decode() for message in messages]
    unsafe = [control for control in controls if not _is_synced_between(calls, control)]
    syncs = sum(_is_sync(call) for call in calls)
    print(f"\n{len(controls)} frames, each forced to the disk before its AA; {syncs} syncs of the inbox in all")
    assert unsafe == []


def _traced(trace: Path, trust: Path, port: int, messages: list[bytes]) -> list[str]:
    """The receive process under strace while the messages are sent; its system calls in order of their end."""
    receive = [sys.executable, "-m", "adapter", "run", "--config", str(trust), "--part", "receive"]
    # -y names the file behind a descriptor; -s shows enough of a frame to see its MSH.
    strace = ["strace", "-f", "-y", "-s", "400", "-e", CALLS, "-o", str(trace)]
    process = subprocess.Popen([*strace, *receive], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    sender = ResendingSender(port, in_flight=1)
    try:
        sender.send(messages)
        sender.start()
        deadline = time.monotonic() + 30
        while sender.left:
            assert time.monotonic() < deadline, f"{sender.left} messages not acknowledged"
            time.sleep(0.02)
    finally:
        sender.close()
        process.communicate(timeout=30)  # the end of its standard input tells it to stop
    assert sender.faults == []
    return _joined(trace.read_text(errors="replace").splitlines())


def _joined(lines: list[str]) -> list[str]:
    """A call that another thread's interrupts stands at its end once more, whole."""
    begun: dict[str, str] = {}
    joined = []
    for line in lines:
        thread, call = line.split(maxsplit=1)
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            call = begun.pop(thread, "") + resumed.group(1)
        joined.append(call)
    return joined


def _is_sync(call: str) -> bool:
    """An fsync or fdatasync of the inbox (not of a key file) that has come back with success."""
    return bool(re.search(r"\bf(data)?sync\(\d+<[^>]*inbox\.db(-wal)?>\)\s*=\s*0", call))


def _is_synced_between(calls: list[str], control: str) -> bool:
    read = next(n for n, call in enumerate(calls) if re.search(rf"(recvfrom|read)[( ].*MSH\|.*\|{control}\|", call))
    answered = next(n for n, call in enumerate(calls) if re.search(rf"(sendto|write)\(.*MSA\|AA\|{control}\b", call))
    return any(_is_sync(call) for call in calls[read + 1 : answered])
