"""Files of v2 messages: one message, many in a row, or the batch protocol (HL7 v2.5.1 §2.10.3).

Cuts bytes into messages and checks the counts that BTS-1 and FTS-1 give; parses nothing else.
"""

import re
from itertools import pairwise
from mmap import mmap

import msgspec

from adapter.errors import Problem, ProblemCode

# A segment begins at the start of the file or of a line; a letter or digit after the name would be another name. The
# sign before it is looked for, not looked back at: then the search goes from one line's end to the next.
_NAME = rb"[ \t]*(MSH|FHS|BHS|BTS|FTS)(?![A-Za-z0-9])"
_FIRST = re.compile(_NAME)
_HEAD = re.compile(rb"[\r\n\x0b\x1c]" + _NAME)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FRAMING = b"\r\n\x0b\x1c"


class Batch(msgspec.Struct, frozen=True):
    """What a file holds: its messages in order, and what is wrong with the file around them."""

    messages: tuple[bytes, ...]
    problems: tuple[Problem, ...] = ()
    strays: tuple[bytes, ...] = ()
    """Pieces that belong to no message: text before the first MSH, or after a batch header or trailer."""


def split(raw: bytes) -> Batch:
    """Cut a file into its messages; a wrong count is a problem of the file, and every message there is still given."""
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    heads = [head for head in (_FIRST.match(raw),) if head] + list(_HEAD.finditer(raw))
    edges = [head.start(1) for head in heads] + [len(raw)]
    first = raw[: edges[0]].strip(_FRAMING + b" \t\0")
    messages: list[bytes] = []
    strays = [first] if first else []
    counter = _Counter()
    for head, (start, end) in zip(heads, pairwise(edges), strict=True):
        piece = raw[start:end].rstrip(_FRAMING)
        if head[1] == b"MSH":
            messages.append(piece)
        else:
            line, rest = _first_line(piece)
            strays += [rest] if rest else []
            counter.read(head[1], line, number=len(messages))
    return Batch(tuple(messages), tuple(counter.finish(len(messages))), tuple(strays))


def next_message(raw: bytes | mmap, at: int) -> int:
    """Where the next message begins at a place of a file or behind it; the file's end where none does."""
    if at == 0 and (head := _FIRST.match(raw)) and head[1] == b"MSH":
        return head.start(1)
    return next((head.start(1) for head in _HEAD.finditer(raw, max(at - 1, 0)) if head[1] == b"MSH"), len(raw))


def _first_line(piece: bytes) -> tuple[bytes, bytes]:
    line, *rest = re.split(rb"[\r\n]+", piece, maxsplit=1)
    return line, rest[0] if rest else b""


class _Counter:
    """Follows FHS, BHS, BTS and FTS, and says where they do not add up."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._batches = 0
        self._open_batch_from: int | None = None
        self._in_file = False
        self._since = 0

    def read(self, name: bytes, line: bytes, *, number: int) -> None:
        """One segment of the envelope, after `number` messages of the file."""
        if name == b"FHS":
            self._in_file = True
        elif name == b"BHS":
            self._close_batch(None)
            self._open_batch_from = number
        elif name == b"BTS":
            self._close_batch(number, line)
        else:
            self._in_file = False
            self._compare(line, found=self._batches, what="batches", segment="FTS")

    def finish(self, number: int) -> list[Problem]:
        """All problems, those of a missing end among them."""
        if self._open_batch_from is not None:
            self._report(f"BHS without BTS: the batch may be cut short after message {number}", "BTS")
        if self._in_file:
            self._report("FHS without FTS: the file may be cut short", "FTS")
        return self._problems

    def _close_batch(self, number: int | None, line: bytes = b"") -> None:
        if number is None:
            if self._open_batch_from is not None:
                self._report("BHS without BTS before the next BHS", "BHS")
                self._batches += 1
            return
        begun = self._since if self._open_batch_from is None else self._open_batch_from
        self._batches += 1
        self._open_batch_from, self._since = None, number
        self._compare(line, found=number - begun, what="messages", segment="BTS")

    def _compare(self, line: bytes, *, found: int, what: str, segment: str) -> None:
        declared = line.split(line[3:4])[1].strip() if len(line) > 4 else b""
        if not declared:
            return
        if not declared.isdigit():
            self._report(f"{segment}-1 is not a number; {found} {what} read", f"{segment}-1")
        elif int(declared[:12]) != found:
            self._report(f"{segment}-1 says {int(declared[:12])} {what}, the file holds {found}", f"{segment}-1")

    def _report(self, text: str, at: str) -> None:
        self._problems.append(Problem(code=ProblemCode.BATCH_COUNT, text=text, at=at))
