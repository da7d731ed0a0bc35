"""The lines of a file of NDJSON out of the bytes as they come, plain or packed by gzip; in bounded memory.

Where a file is torn, what stands before the tear is kept, and it is said that it is torn (behaviour 47).
"""

import zlib
from collections.abc import Iterator

_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 256 * 1024
"""So much is unpacked at one time: a small file may unpack to a huge one."""
_WITH_HEADER = 31


class LineReader:
    """One file. What `feed` and `end` give back are runs of whole lines."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._unpacker: zlib._Decompress | None = None
        self._head: bytes | None = b""
        """The first bytes, until they tell whether the file is packed."""
        self._rest = bytearray()
        self._is_skipping = False
        self.is_torn = False
        """It ends in the middle of its gzip, or is damaged there."""
        self.too_long = 0
        """Lines left out, since they are longer than a resource may be."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Whole lines, each with its end."""
        if self._head is not None:
            self._head += chunk
            if len(self._head) < len(_GZIP):
                return
            chunk, self._head = self._head, None
            if chunk.startswith(_GZIP):
                self._unpacker = zlib.decompressobj(wbits=_WITH_HEADER)
        for plain in self._plain(chunk):
            yield from self._lines(plain)

    def end(self) -> Iterator[bytes]:
        """What is left: a last line without its end, which is whole or not."""
        if self._head:
            yield from self._lines(self._head)
        if self._unpacker is not None and not self.is_torn:
            yield from self._lines(self._unpacker.flush())
            self.is_torn = not self._unpacker.eof
        if self._rest.strip() and not self._is_skipping:
            yield bytes(self._rest) + b"\n"
        self._rest.clear()

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        if self._unpacker is None:
            yield chunk
            return
        while chunk and not self.is_torn:
            if self._unpacker.eof:
                # RFC 1952: a file may be several packed ones in a row; what else follows is padding.
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._unpacker = zlib.decompressobj(wbits=_WITH_HEADER)
            try:
                plain = self._unpacker.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                self.is_torn = True
                return
            chunk = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if plain:
                yield plain

    def _lines(self, plain: bytes) -> Iterator[bytes]:
        at = plain.rfind(b"\n") + 1
        if at:
            whole = bytes(self._rest) + plain[:at]
            self._rest = bytearray(plain[at:])
            if self._is_skipping:
                whole = whole[whole.find(b"\n") + 1 :]
                self._is_skipping = False
            if whole:
                yield whole
        else:
            self._rest += plain
        if len(self._rest) > self._longest:
            self.too_long += not self._is_skipping
            self._is_skipping = True
            self._rest.clear()
