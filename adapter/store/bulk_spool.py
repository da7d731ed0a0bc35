"""Lines of an export on our own disk, between the server and the inbox: packed, sealed, chunk by chunk.

    length 4 | sealed (packed lines), bound to its file and place ... | an empty one

A file is written under a draft name and renamed once all of it is on disk; what a crash leaves as a draft is written
anew. Names hold the number of the export and of the file, nothing else.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from adapter.store.faults import StoreFull, StoreUnavailable
from adapter.store.sealing import KeyRing, Tampered

_LENGTH_BYTES = 4
_FASTEST = 1


class Spool:
    """The files of all exports of a data folder."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self._folder = folder / "exports"
        self._ring = ring

    def writer(self, job_id: int, name: str, *, key_id: bytes, chunk_bytes: int = 256 * 1024) -> "SpoolWriter":
        """A new file, in place of an older one."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return SpoolWriter(self._path(job_id, name), self._ring, key_id, chunk_bytes)

    def chunks(self, job_id: int, name: str, *, key_id: bytes) -> Iterator[bytes]:
        """Runs of whole lines, in order. Tampered where the file is not there, or not as it was written."""
        path = self._path(job_id, name)
        if not path.exists():
            raise Tampered("a file of an export has gone from the data folder")
        with path.open("rb") as file:
            number = 0
            lines = None
            while length := file.read(_LENGTH_BYTES):
                sealed = file.read(int.from_bytes(length))
                lines = zlib.decompress(self._ring.unseal(key_id, sealed, _purpose(path, number)))
                if lines:
                    yield lines
                number += 1
            if lines != b"":
                raise Tampered("a file of an export is shorter than it was written")

    def remove(self, job_id: int, name: str) -> None:
        """One file."""
        self._path(job_id, name).unlink(missing_ok=True)

    def remove_all(self, job_id: int) -> None:
        """Every file of an export, drafts too."""
        for path in self._folder.glob(f"{job_id}-*"):
            path.unlink(missing_ok=True)

    def bytes_of(self, job_id: int) -> int:
        """So much of the disk it takes."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{job_id}-*"))

    def _path(self, job_id: int, name: str) -> Path:
        return self._folder / f"{job_id}-{name}.spool"


class SpoolWriter:
    """One file as it is written. Leaving it by an exception leaves no file."""

    def __init__(self, path: Path, ring: KeyRing, key_id: bytes, chunk_bytes: int) -> None:
        self._path = path
        self._draft = path.with_suffix(".draft")
        self._ring = ring
        self._key_id = key_id
        self._chunk_bytes = chunk_bytes
        self._buffer = bytearray()
        self._number = 0
        self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._draft.unlink(missing_ok=True)

    @property
    def held_bytes(self) -> int:
        """In memory."""
        return len(self._buffer)

    def write(self, lines: bytes) -> None:
        """Whole lines."""
        self._buffer += lines
        if len(self._buffer) >= self._chunk_bytes:
            self.flush()

    def flush(self) -> None:
        """What is in memory goes to the file; not yet to the disk."""
        if self._buffer:
            self._seal()

    def _seal(self) -> None:
        packed = zlib.compress(self._buffer, _FASTEST)
        sealed = self._ring.seal(self._key_id, packed, _purpose(self._path, self._number))
        self._append(len(sealed).to_bytes(_LENGTH_BYTES) + sealed)
        self._number += 1
        self._buffer.clear()

    def finish(self) -> None:
        """All of it is on disk at return, under its name; an empty chunk says that it is all."""
        self.flush()
        self._seal()
        self._append(b"", to_disk=True)
        os.rename(self._draft, self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _append(self, data: bytes, *, to_disk: bool = False) -> None:
        try:
            with self._draft.open("ab") as file:
                file.write(data)
                file.flush()
                if to_disk:
                    os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFull("no room for the files of an export") from error
            raise StoreUnavailable("the files of an export cannot be written") from error


_FULL = frozenset({28, 122})
"""ENOSPC and EDQUOT."""


def _purpose(path: Path, number: int) -> bytes:
    return f"export {path.name} {number}".encode()
