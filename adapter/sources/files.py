"""Files as messages: a v2 file or batch, a FHIR resource or Bundle, NDJSON line by line. Reads; moves nothing.

A bad piece never stops the others: it comes out as a Problem, or as Unaccepted bytes where there are bytes to keep.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from adapter.envelope import Media, Received
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2 import batch
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES, KEPT_PREFIX_BYTES
from adapter.hl7v2.header import read_header
from adapter.sources.intake import Framed, Unaccepted

SUFFIXES = {".hl7": Media.HL7V2, ".json": Media.FHIR, ".ndjson": Media.FHIR}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STEP_BYTES = 1 << 20
_LINE_END_BYTES = 2


def read_file(
    path: Path,
    *,
    feed: str,
    media: Media | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    received_at: datetime | None = None,
) -> Iterator[Received | Problem]:
    """All messages of a file, each v2 message, FHIR body and NDJSON line by itself. OSError where it cannot be read.

    Only NDJSON may be larger than `max_bytes`; there it limits one line. Without `media` the suffix decides.
    """
    suffix = path.suffix.lower()
    media = media or SUFFIXES.get(suffix)
    if media is None:
        yield _problem(ProblemCode.UNKNOWN_TYPE, f"suffix is none of {', '.join(SUFFIXES)}: say which language it is")
        return
    received_at = received_at or datetime.now(UTC)
    if media is Media.FHIR and suffix == ".ndjson":
        yield from _read_lines(path, feed=feed, received_at=received_at, max_bytes=max_bytes)
        return
    size = path.stat().st_size
    if size > max_bytes:
        yield _problem(ProblemCode.TOO_LARGE, f"file of {size} bytes is over the limit of {max_bytes}")
        return
    raw = path.read_bytes()
    if not raw.strip():
        yield _problem(ProblemCode.EMPTY, "empty file")
    elif media is Media.FHIR:
        body = raw.removeprefix(_BYTE_ORDER_MARK)
        yield Received(feed=feed, media=Media.FHIR, received_at=received_at, body=body)
    else:
        yield from read_v2(raw, feed=feed, received_at=received_at)


def read_v2(raw: bytes, *, feed: str, received_at: datetime) -> Iterator[Received | Problem]:
    """The messages of a file of HL7 v2, or of a part of one; a wrong count of a batch is a problem of the whole."""
    found = batch.split(raw)
    yield from found.problems
    for number, body in enumerate(found.messages, start=1):
        header = read_header(body)
        if header is not None:
            yield Framed(feed=feed, media=Media.HL7V2, received_at=received_at, body=body, header=header)
        else:
            problem = _problem(ProblemCode.NO_MSH, "MSH segment cannot be read", at=f"message {number}")
            yield _unaccepted(body, problem, feed=feed, received_at=received_at)
    for stray in found.strays:
        text = "text outside any message" if found.messages else "no MSH segment: not an HL7 v2 file"
        problem = _problem(ProblemCode.NO_MSH, text)
        yield _unaccepted(stray, problem, feed=feed, received_at=received_at)


def _read_lines(path: Path, *, feed: str, received_at: datetime, max_bytes: int) -> Iterator[Received | Problem]:
    is_empty = True
    with path.open("rb") as file:
        for number, (line, size) in enumerate(_lines(file, max_bytes), start=1):
            if size > max_bytes + _LINE_END_BYTES:
                text = f"line of {size} bytes is over the limit of {max_bytes}"
                yield _problem(ProblemCode.TOO_LARGE, text, at=f"line {number}")
            elif body := line.removeprefix(_BYTE_ORDER_MARK).strip():
                yield Received(feed=feed, media=Media.FHIR, received_at=received_at, body=body)
            else:
                continue
            is_empty = False
    if is_empty:
        yield _problem(ProblemCode.EMPTY, "empty file")


def _lines(file: BinaryIO, max_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Each line and its size; of a line over the limit only the beginning, whatever its length."""
    while line := file.readline(max_bytes + _LINE_END_BYTES + 1):
        size = len(line)
        while not line.endswith(b"\n") and (more := file.readline(_STEP_BYTES)):
            size += len(more)
            line = line[:KEPT_PREFIX_BYTES] + more[-1:]
        yield line, size


def _unaccepted(body: bytes, problem: Problem, *, feed: str, received_at: datetime) -> Unaccepted:
    return Unaccepted(
        feed=feed, media=Media.HL7V2, received_at=received_at, body=body, problem=problem, length=len(body)
    )


def _problem(code: ProblemCode, text: str, *, at: str = "") -> Problem:
    return Problem(code=code, text=text, at=at)
