"""sekmet-fhir, a FHIR server nobody here wrote, in an environment of its own, kept between runs (`.third-party/`).

The lock (`requirements/sekmet-fhir.txt`) holds a hash of every package. Development only: what it is and under which
licence stands in `tests/third_party/README.md`.
"""

import hashlib
import json
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import requests

_ROOT = Path(__file__).parents[2]
_LOCK = _ROOT / "requirements" / "sekmet-fhir.txt"
_KEPT = _ROOT / ".third-party"
_TEAM = "the-teams-own-token"
"""With which a test writes into the server what a hospital would."""
_STARTS_WITHIN_S = 60
_AT_ONCE = 400
_JSON = msgspec.json.Encoder(decimal_format="number")

Resource = Mapping[str, Any]


class NotHere(Exception):
    """It cannot be had: the registry does not answer, or the lock does not fit this machine."""


def environment() -> Path:
    """Its own virtual environment, made once for this lock and this Python."""
    if not _LOCK.exists():
        raise NotHere("this is a copy of the checkout without its requirements")
    name = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = _KEPT / f"sekmet-{name}"
    if not folder.is_dir():
        _KEPT.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=_KEPT) as made:
            _install(Path(made) / "done")
            if not folder.is_dir():  # another worker may have been faster
                (Path(made) / "done").rename(folder)
    return folder


def _install(folder: Path) -> None:
    venv.create(folder, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    command += ["--retries", "1", "--no-deps", "--no-compile", "--require-hashes", "-r", str(_LOCK)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    except subprocess.TimeoutExpired:
        raise NotHere("pip had no answer from its registry within 240 s") from None
    if done.returncode:
        raise NotHere(f"sekmet-fhir could not be installed: {done.stderr.strip()[-300:]}")


class Sekmet:
    """The running server, as its own team sees it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.base = f"{root}/fhir"
        self.token_url = f"{root}/auth/token"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {_TEAM}", "Content-Type": "application/fhir+json"})

    def close(self) -> None:
        self._session.close()

    def put(self, resources: Iterable[Resource]) -> None:
        """Write them under their own ids, as one transaction each few hundred."""
        entries = [
            {"request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}, "resource": one}
            for one in resources
        ]
        for start in range(0, len(entries), _AT_ONCE):
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries[start : start + _AT_ONCE]}
            self._said(self._session.post(self.base, data=_JSON.encode(bundle), timeout=60))

    def delete(self, name: str) -> None:
        self._said(self._session.delete(f"{self.base}/{name}", timeout=20))

    def read(self, name: str) -> dict[str, Any]:
        return self._said(self._session.get(f"{self.base}/{name}", timeout=20))

    def create(self, resource: Resource) -> dict[str, Any]:
        url = f"{self.base}/{resource['resourceType']}"
        return self._said(self._session.post(url, data=_JSON.encode(resource), timeout=20))

    def _said(self, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code < 300, answer.text[:2000]
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running(folder: Path, *, clients: Iterable[Mapping[str, Any]] = ()) -> Iterator[Sekmet]:
    """It, with SMART Backend Services for these clients (`client_id`, `jwks`, `scopes`). NotHere where it is not."""
    python = environment() / "bin" / "python"
    port = _free_port()
    root = f"http://127.0.0.1:{port}"
    settings = {
        "base_url": f"{root}/fhir",
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(folder / "data"),
        "own_private_key_path": str(folder / "key.pem"),
        "simulator": {"enabled": False, "delay_seconds": 0.1},
        "server_auth": {"types": ["smart", "bearer"], "tokens": [_TEAM], "smart_clients": list(clients)},
        "log_inbound": False,
    }
    file = folder / "settings.yaml"
    file.write_text(json.dumps(settings))
    command = [str(python), "-I", "-c", "from sekmet.cli import app; app()", "serve", "--config", str(file)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    server = Sekmet(root)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        server.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Sekmet, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            server.read("metadata")
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
