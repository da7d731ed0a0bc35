"""Files of history, cut into blocks that can be read apart from one another, by several processes at once.

A block is as many whole files, or as much of one, as some hundred messages take. Where a message ends is seen at the
cut alone: nothing else of a file is read here.
"""

import mmap
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapter.envelope import Media, Received
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2 import batch
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES
from adapter.sources.files import SUFFIXES, read_file, read_v2

BLOCK_BYTES = 512 * 1024


class Part(NamedTuple):
    """From one place of a file to another; all of it where `end` is its size and `start` 0."""

    path: str
    start: int
    end: int
    size: int

    @property
    def is_whole(self) -> bool:
        """Not a part at all."""
        return self.start == 0 and self.end == self.size


def cut(path: Path, *, done: int = 0) -> Iterator[Part]:
    """The parts of a file from the place up to which it is done. OSError where it cannot be read."""
    size = path.stat().st_size
    if size <= BLOCK_BYTES or path.suffix.lower() == ".json":
        if done < size or not size:
            yield Part(str(path), 0, size, size)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        start = done
        while start < size:
            end = _end(whole, start + BLOCK_BYTES, is_v2=SUFFIXES.get(path.suffix.lower()) is Media.HL7V2)
            yield Part(str(path), start, end, size)
            start = end


def _end(whole: mmap.mmap, at: int, *, is_v2: bool) -> int:
    """Where the next message or line begins."""
    if at >= len(whole):
        return len(whole)
    if is_v2:
        return batch.next_message(whole, at)
    return whole.find(b"\n", at) + 1 or len(whole)


def blocks(parts: Iterable[Part]) -> Iterator[tuple[Part, ...]]:
    """Small files together, so that each block is worth its way."""
    waiting: list[Part] = []
    for part in parts:
        if waiting and sum(each.end - each.start for each in waiting) + part.end - part.start > BLOCK_BYTES:
            yield tuple(waiting)
            waiting = []
        waiting.append(part)
    if waiting:
        yield tuple(waiting)


def read(part: Part, *, feed: str, received_at: datetime) -> Iterator[Received | Problem]:
    """Its messages. OSError where it cannot be read."""
    path = Path(part.path)
    if part.is_whole:
        yield from read_file(path, feed=feed, received_at=received_at)
        return
    if part.end - part.start > 2 * DEFAULT_MAX_BYTES:
        text = f"{part.end - part.start} bytes without the beginning of a message"
        yield Problem(code=ProblemCode.TOO_LARGE, text=text)
        return
    with path.open("rb") as file:
        file.seek(part.start)
        raw = file.read(part.end - part.start)
    if SUFFIXES[path.suffix.lower()] is Media.HL7V2:
        for each in read_v2(raw, feed=feed, received_at=received_at):
            # A batch of which this is a part cannot be counted here.
            if not (isinstance(each, Problem) and each.code is ProblemCode.BATCH_COUNT):
                yield each
        return
    for line in raw.split(b"\n"):
        if body := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield Received(feed=feed, media=Media.FHIR, received_at=received_at, body=body)
