"""The command line as a stranger meets it: run as a process, judged by its output and exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapter.cli.app import VERBS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "adapter", *arguments], capture_output=True, text=True, timeout=60)


def test_help_lists_every_verb_without_importing_one() -> None:
    done = run("--help")

    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


def test_an_unknown_verb_is_told_in_one_message() -> None:
    done = run("recieve")

    assert done.returncode == 2
    assert "No such command 'recieve'" in done.stderr


@pytest.mark.parametrize("verb", ["check", "receive"])
def test_each_verb_tells_its_options(verb: str) -> None:
    done = run(verb, "--help")

    assert done.returncode == 0
    assert "--config" in done.stdout


def test_an_internal_error_names_its_place_and_not_what_it_says(tmp_path: Path) -> None:
    program = (
        "import sys; from adapter.cli import app\n"
        "def fail(**_): raise ValueError('Testcase')\n"
        "app.get_command = lambda _: fail\n"
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert done.returncode == 70
    assert done.stderr.startswith("internal error: ValueError at app.py:")
    assert "Testcase" not in done.stderr
