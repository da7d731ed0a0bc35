"""The Node.js senders, installed by their lock file into a folder that is kept between runs (`.third-party/`).

The lock holds a hash of every package; no package's own scripts run. Development only: what they are and under which
licence stands in `tests/third_party/README.md`.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
CACHE = Path(__file__).parents[2] / ".third-party"
_OLDEST_NODE = (20, 15)
_FILES = ("package.json", "package-lock.json")


class NotHere(Exception):
    """Node.js or the registry of its packages is missing; the text says which."""


def modules() -> Path:
    """The folder of the installed packages, which are fetched once."""
    _refuse_old_node()
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _FILES)).hexdigest()[:12]
    folder = CACHE / digest
    if not folder.is_dir():
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as made:
            _install(Path(made))
            shutil.rmtree(folder, ignore_errors=True)
            (Path(made) / "done").rename(folder)
    return folder / "node_modules"


def _refuse_old_node() -> None:
    if not shutil.which("node"):
        raise NotHere("node is not installed")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    if tuple(map(int, said.lstrip("v").split(".")[:2])) < _OLDEST_NODE:
        raise NotHere(f"node {said} is too old for the senders: v{_OLDEST_NODE[0]}.{_OLDEST_NODE[1]} or later")


def _install(made: Path) -> None:
    if not shutil.which("npm"):
        raise NotHere("npm is not installed")
    target = made / "done"
    target.mkdir()
    for name in _FILES:
        shutil.copy(HERE / name, target)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise NotHere("npm ci had no answer from its registry within 120 s") from None
    if "EINTEGRITY" in done.stderr:
        raise AssertionError("a package is not the one that the lock file names (EINTEGRITY)")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if "error" in line]
        raise NotHere("npm ci failed: " + " / ".join(told[:3]))


def start(what: str, asked: dict[str, Any]) -> "subprocess.Popen[str]":
    """Run `send.cjs`, told what it is to do."""
    process = subprocess.Popen(
        ["node", str(HERE / "send.cjs"), what],
        env={**os.environ, "NODE_PATH": str(modules())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    process.stdin = None
    return process


def answers(library: str, asked: dict[str, Any], messages: Sequence[str]) -> list[dict[str, str]]:
    """What the library read in the answer to each message."""
    process = start(library, {**asked, "messages": list(messages)})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found: list[dict[str, str]] = json.loads(out)
    return found
