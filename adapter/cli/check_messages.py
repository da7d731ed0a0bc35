"""`check --messages`: a sample of a feed held to the standard (hl7apy) and to our maps. Prints no patient's value."""

from pathlib import Path

from adapter.errors import ExitCode, MessageError, Problem, SetupError
from adapter.hl7v2 import batch, conformance
from adapter.service.feeds import FeedReading


def report(file: Path, *, reading: FeedReading | None) -> list[str]:
    """One line per deviation; real feeds deviate, so they change no exit code."""
    try:
        found = batch.split(file.read_bytes())
    except OSError as error:
        raise SetupError(f"{file}: {error.strerror}", exit_code=ExitCode.FILES_FAILED) from error
    lines = [f"{file}: {_told(problem)}" for problem in found.problems]
    if not found.messages:
        lines.append(f"{file}: no message begins here (no MSH)")
    for number, raw in enumerate(found.messages, start=1):
        where = f"{file}[{number}]" if len(found.messages) > 1 else str(file)
        deviations = [f"standard: {line}" for line in conformance.report(raw)]
        if reading is not None:
            deviations += [f"maps: {line}" for line in _problems(raw, reading)]
        lines += [f"{where}: {line}" for line in deviations or ["no deviation"]]
    return lines


def _problems(raw: bytes, reading: FeedReading) -> list[str]:
    try:
        statement = reading.state(reading.parse(raw))
    except MessageError as error:
        return [_told(error.problem)]
    return [_told(problem) for problem in statement.problems]


def _told(problem: Problem) -> str:
    return f"{problem.code} {problem.text}" + (f" at {problem.at}" if problem.at else "")
