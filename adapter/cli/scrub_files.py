"""`check --messages FILE… --scrub DIR`: copies of a sample that can be handed over, under names that tell nothing."""

import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapter.errors import ExitCode, MessageError, SetupError
from adapter.hl7v2 import Message, batch
from adapter.hl7v2.scrub import Scrubber, masked
from adapter.hl7v2.scrub_sample import IsListed

_ENVELOPE = re.compile(rb"(?:\A|(?<=[\r\n\x0b\x1c]))[ \t]*(?:FHS|BHS|BTS|FTS)[^\r\n\x0b\x1c]*")


def scrub(files: Sequence[Path], folder: Path, *, is_listed: IsListed, encoding: str | None = None) -> Iterator[str]:
    """A line for each file that was written. The key is made here and kept nowhere."""
    scrubber = Scrubber(secrets.token_bytes(32), is_listed=is_listed)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SetupError(f"--scrub {folder}: the folder is not empty", exit_code=ExitCode.USAGE)
    bodies = [_read(file) for file in files]
    for body in bodies:
        for raw in batch.split(body).messages:
            if (message := _message(raw, encoding)) is not None:
                scrubber.learn(message)
    for number, (file, body) in enumerate(zip(files, bodies, strict=True), start=1):
        target = folder / f"{number:04d}.hl7"
        target.write_bytes(scrubbed(body, scrubber, encoding=encoding))
        yield f"{file}: scrubbed as {target}"


def scrubbed(body: bytes, scrubber: Scrubber, *, encoding: str | None = None) -> bytes:
    """A whole file: its messages, the envelope of a batch, and whatever else stands between them."""
    pieces, at = [], 0
    for raw in batch.split(body).messages:
        start = body.index(raw, at)
        message = _message(raw, encoding)
        pieces += [_between(body[at:start], scrubber), _masked(raw) if message is None else scrubber.scrub(message)]
        at = start + len(raw)
    return b"".join([*pieces, _between(body[at:], scrubber)])


def _between(piece: bytes, scrubber: Scrubber) -> bytes:
    """Lines of FHS, BHS, BTS and FTS are scrubbed as segments; text that belongs to no message is masked."""
    done, at = [], 0
    for line in _ENVELOPE.finditer(piece):
        done += [_masked(piece[at : line.start()]), _envelope(line[0], scrubber)]
        at = line.end()
    return b"".join([*done, _masked(piece[at:])])


def _envelope(line: bytes, scrubber: Scrubber) -> bytes:
    """Read behind a header of its own, since a segment is read by the delimiters of its message."""
    start = len(line) - len(line.lstrip())
    separator = line[start + 3 : start + 4]
    header = b"MSH" + (line[start + 3 : start + 8] if line[start : start + 3] in (b"FHS", b"BHS") else b"|^~\\&")
    if separator and separator != header[3:4]:
        header = b"MSH" + separator + b"^~\\&"
    try:
        message = Message.parse(header + b"\r" + line[start:])
    except MessageError:
        return _masked(line)
    return line[:start] + scrubber.scrub(message)[len(header) + 1 :]


def _masked(piece: bytes) -> bytes:
    return masked(piece.decode("latin-1")).encode("latin-1")


def _message(raw: bytes, encoding: str | None) -> Message | None:
    try:
        return Message.parse(raw, encoding=encoding)
    except MessageError:
        return None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SetupError(f"{file}: {error.strerror}", exit_code=ExitCode.FILES_FAILED) from error
