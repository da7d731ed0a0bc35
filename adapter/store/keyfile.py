"""The key file: fixed slots, appended and fsynced before any commit uses them, overwritten in place to erase.

    slot 0   magic 16 | nonce 12 | a known constant, sealed: tells a wrong master key
    slot n   key id 16 | nonce 12 | key 32 + tag 16, wrapped under the master key; all zero behind the id once destroyed

It stands outside the database and its backups: that is what makes destroying a key an erasure. Two processes append
under a file lock; a torn slot at the end belongs to no commit and is written over.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adapter.store.faults import StoreError, StoreFull, StoreUnavailable

ID_BYTES = 16
BODY_BYTES = 12 + 32 + 16
SLOT_BYTES = ID_BYTES + BODY_BYTES
MAGIC = b"csor-adapter k\x00\x01"
_DESTROYED = bytes(BODY_BYTES)


class Slot(NamedTuple):
    """One wrapped key as it stands in the file."""

    number: int
    key_id: bytes
    body: bytes

    @property
    def is_destroyed(self) -> bool:
        """Whether the key was overwritten."""
        return self.body == _DESTROYED


def create(path: Path, header_body: bytes) -> None:
    """A new key file with slot 0 only; whole or not there at all, whenever the power goes."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, MAGIC + header_body)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class KeyFile:
    """An open key file. Knows slots, not keys."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from appending meanwhile."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def read(self, *, start: int) -> list[Slot]:
        """Whole slots from number `start` on."""
        size = os.fstat(self._descriptor).st_size
        data = os.pread(self._descriptor, max(0, size - start * SLOT_BYTES), start * SLOT_BYTES)
        whole = len(data) // SLOT_BYTES
        return [self._slot(start + n, data[n * SLOT_BYTES : (n + 1) * SLOT_BYTES]) for n in range(whole)]

    def _slot(self, number: int, data: bytes) -> Slot:
        return Slot(number, data[:ID_BYTES], data[ID_BYTES:])

    def read_one(self, number: int) -> Slot:
        """One slot as it now stands: another process may have destroyed it."""
        return self._slot(number, os.pread(self._descriptor, SLOT_BYTES, number * SLOT_BYTES))

    def append(self, slots: Sequence[tuple[bytes, bytes]]) -> int:
        """Append `(key id, body)` behind the last whole slot, on disk at return; the first's number. Needs `locked`."""
        number = os.fstat(self._descriptor).st_size // SLOT_BYTES
        end = number * SLOT_BYTES
        data = b"".join(key_id + body for key_id, body in slots)
        try:
            os.ftruncate(self._descriptor, end)
            if os.pwrite(self._descriptor, data, end) != len(data):
                raise OSError(errno.ENOSPC, "short write")
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, end)
            raise _fault(error) from None
        return number

    def destroy(self, numbers: Sequence[int]) -> None:
        """Overwrite the wrapped keys in place, on disk at return. The id stays, so that it is never given again."""
        for number in numbers:
            os.pwrite(self._descriptor, _DESTROYED, number * SLOT_BYTES + ID_BYTES)
        os.fsync(self._descriptor)


def _fault(error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the disk of the key file is full: free space; nothing was stored")
    return StoreUnavailable("the key file cannot be written: check its disk; nothing was stored")
