"""The running service as a thing to be killed: `csor-adapter run` in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).parent / "crash_inside"


class Service:
    """Starts the real command again and again on one trust file; counts how each of its processes died."""

    def __init__(self, trust_file: Path, folder: Path) -> None:
        self._trust_file = trust_file
        self._folder = folder
        self._log = (folder / "service.log").open("ab")
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._deaths_seen = 0
        self.kills: Counter[str] = Counter()

    @property
    def is_up(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def start(self) -> None:
        """A new supervisor; its parts follow by themselves."""
        paths = os.pathsep.join([str(INSIDE), str(ROOT)])
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "adapter", "run", "--config", str(self._trust_file)],
            env={**os.environ, "PYTHONPATH": paths, "CRASH_FOLDER": str(self._folder)},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def ensure_up(self) -> None:
        """Start it where it is down; a folder still locked by parts of the last one is tried again."""
        assert "internal error" not in self.tail(), self.tail()
        deadline = time.monotonic() + 40
        while not self.is_up or self.part("work") is None:
            if not self.is_up:
                self.start()
            time.sleep(0.02)
            assert time.monotonic() < deadline, self.tail()

    def part(self, name: str) -> int | None:
        """Process id of a part, None while there is none."""
        if not self.is_up or self._supervisor is None:
            return None
        try:
            children = Path(f"/proc/{self._supervisor.pid}/task/{self._supervisor.pid}/children").read_text().split()
        except FileNotFoundError:
            return None
        for pid in children:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if line[-2] == name.encode() if len(line) > 1 else False:
                    return int(pid)
        return None

    def kill(self, what: str) -> bool:
        """SIGKILL to a part, to the supervisor alone or to all at once; False if there was nothing to kill."""
        if what == "all" and self.is_up and self._supervisor is not None:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()
        elif what == "supervisor" and self.is_up and self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor.wait()
        elif (pid := self.part(what)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            while self.part(what) == pid:  # a process that is still dying is not killed, nor counted, twice
                time.sleep(0.005)
        else:
            return False
        self.kills[what] += 1
        return True

    def arm(self, place: str, nth: int, delay_ms: float = 0.0) -> None:
        """From now on the process that reaches this place for the nth time dies there."""
        draft = self._folder / "plan.new"
        draft.write_text(f"{place} {nth} {delay_ms}", encoding="ascii")
        draft.rename(self._folder / "plan")

    def disarm(self) -> bool:
        """No process dies by itself any more; whether the plan had been met."""
        try:
            (self._folder / "plan").unlink()
        except FileNotFoundError:
            self.died_inside()
            return True
        return False

    def died_inside(self) -> bool:
        """Whether a process has died at the armed place since this was asked last."""
        log = self._folder / "deaths"
        deaths = log.read_text(encoding="ascii").splitlines() if log.exists() else []
        new, self._deaths_seen = deaths[self._deaths_seen :], len(deaths)
        self.kills.update(f"in {line.split()[0]}" for line in new)
        return bool(new)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._supervisor is not None
        self._supervisor.terminate()
        return self._supervisor.wait(60)

    def abandon(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()
        self._log.close()

    def tail(self) -> str:
        """The end of what it logged."""
        return (self._folder / "service.log").read_text(errors="replace")[-3000:]
