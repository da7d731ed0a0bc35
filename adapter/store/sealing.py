"""Seals patient data at rest, and derives the keyed hashes that stand for identifiers in clear columns.

AES-256-GCM under keys of the key file, wrapped by the master key of the trust. Destroying a key erases all it sealed,
in every copy. Blind indexes and pseudonyms derive from the master key alone, so that they outlive the key file.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapter.errors import AdapterError, ExitCode, SetupError
from adapter.store import keyfile
from adapter.store.keyfile import KeyFile

MASTER_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD_BYTES = _NONCE_BYTES + 16
"""By which sealed bytes are longer than plain ones: nonce and tag."""
_CHECK = b"csor-adapter sealing check".ljust(32)
_CIPHERS_KEPT = 8192
_LENGTHS = tuple(size.to_bytes(8, "big") for size in range(1024))


class KeyDestroyed(AdapterError):
    """The key of these bytes is not in the key file any more: what they held is erased."""


class Tampered(AdapterError):
    """Sealed bytes fail their authentication: changed, or moved from the place they were sealed for."""


class KeyRing:
    """The keys of one data folder. May be used by several threads, and by two processes on the same file."""

    def __init__(self, file: KeyFile, master: bytes) -> None:
        self._file = file
        self._master = master
        self._wrapping = AESGCM(_derive(master, "wrap"))
        self._lock = threading.Lock()
        self._slots: dict[bytes, int] = {}
        self._read_slots = 1
        self._ciphers: dict[bytes, AESGCM] = {}
        self._days: dict[date, bytes] = {}
        self._hashes = {"day-key": blake2b(key=_derive(master, "blind:day-key"), digest_size=16)}

    @classmethod
    def open(cls, path: Path, master: bytes, *, create: bool) -> Self:
        """Open the key file; SetupError SEALING if it is missing (and not to be created) or of another master key."""
        if len(master) != MASTER_BYTES:
            raise _refused(f"the master key must be {MASTER_BYTES} bytes")
        if not path.exists():
            if not create:
                raise _refused("the key file is missing: restore it; without it nothing stored can be read")
            nonce = os.urandom(_NONCE_BYTES)
            check = AESGCM(_derive(master, "wrap")).encrypt(nonce, _CHECK, keyfile.MAGIC)
            keyfile.create(path, nonce + check)
        ring = cls(KeyFile(path), master)
        try:
            ring._check_master()
        except SetupError:
            ring.close()
            raise
        ring._read_new()
        return ring

    def _check_master(self) -> None:
        header = self._file.read_one(0)
        if header.key_id != keyfile.MAGIC:
            raise _refused("the key file is not one of csor-adapter")
        try:
            self._wrapping.decrypt(header.body[:_NONCE_BYTES], header.body[_NONCE_BYTES:], keyfile.MAGIC)
        except InvalidTag:
            raise _refused("the master key is not the one this store was sealed with") from None

    def close(self) -> None:
        """Close the key file."""
        self._file.close()

    def new_key(self) -> bytes:
        """The id of a new key, on disk at return."""
        return self.new_keys(1)[0]

    def new_keys(self, count: int) -> list[bytes]:
        """Ids of new keys, all on disk at return by one fsync."""
        key_ids = [os.urandom(keyfile.ID_BYTES) for _ in range(count)]
        with self._lock, self._file.locked():
            self._append(key_ids)
        return key_ids

    def day_key(self, day: date) -> bytes:
        """The id of the key for what arrives on this day; made and on disk at return if it is the first time.

        The id follows from the day, so two processes agree. A destroyed day key is never made again: a later call for
        the day gives another id. Destroy only keys of days that are over for every process, the day before yesterday's.
        """
        known = self._days.get(day)
        if known is not None and known in self._slots:
            return known
        with self._lock, self._file.locked():
            self._read_new()
            for generation in range(1 << 16):
                key_id = self.blind("day-key", day.isoformat(), str(generation))
                if key_id not in self._slots:
                    self._append([key_id])
                    break
                if not self._file.read_one(self._slots[key_id]).is_destroyed:
                    break
            self._days[day] = key_id
        return key_id

    def has_at_hand(self, day: date) -> bool:
        """Whether the key of this day seals without a look into the file."""
        return self._days.get(day) in self._ciphers

    def day_keys(self, days: Iterable[date]) -> dict[date, bytes]:
        """The live keys of those days that have one; for finding what can be destroyed."""
        found: dict[date, bytes] = {}
        for day in days:
            key_id = self.blind("day-key", day.isoformat(), "0")
            generation = 0
            while key_id in self._slots and not self.holds(key_id):
                generation += 1
                key_id = self.blind("day-key", day.isoformat(), str(generation))
            if key_id in self._slots:
                found[day] = key_id
        return found

    def holds(self, key_id: bytes) -> bool:
        """Whether this key is in the file and can open what it sealed."""
        try:
            self._load(key_id)
        except KeyDestroyed:
            return False
        return True

    def destroy(self, key_ids: Sequence[bytes]) -> None:
        """Overwrite these keys in the file, on disk at return: all they sealed is erased. Unknown ids are skipped."""
        with self._lock, self._file.locked():
            self._read_new()
            self._file.destroy([self._slots[key_id] for key_id in key_ids if key_id in self._slots])
            for key_id in key_ids:
                self._ciphers.pop(key_id, None)
            self._days = {day: key_id for day, key_id in self._days.items() if key_id not in key_ids}

    def seal(self, key_id: bytes, plain: bytes, purpose: bytes) -> bytes:
        """Seal; `purpose` names the table and the id, so that sealed bytes cannot be moved to another place."""
        cipher = self._ciphers.get(key_id) or self._load(key_id)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, plain, purpose)

    def seal_many(self, key_id: bytes, plains: Sequence[bytes], purpose: bytes) -> list[bytes]:
        """The same for many at once."""
        encrypt = (self._ciphers.get(key_id) or self._load(key_id)).encrypt
        nonces = os.urandom(_NONCE_BYTES * len(plains))
        split = (nonces[at : at + _NONCE_BYTES] for at in range(0, len(nonces), _NONCE_BYTES))
        return [nonce + encrypt(nonce, plain, purpose) for nonce, plain in zip(split, plains, strict=True)]

    def unseal(self, key_id: bytes, sealed: bytes, purpose: bytes) -> bytes:
        """The plain bytes; KeyDestroyed if they were erased, Tampered if they or the purpose are not as sealed."""
        cipher = self._ciphers.get(key_id) or self._load(key_id)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
        except InvalidTag:
            raise Tampered("sealed bytes fail their authentication: the store was changed from outside") from None

    def blind(self, domain: str, *parts: bytes | str) -> bytes:
        """16 bytes that stand for `parts` in a clear column: equal for equal parts of a domain, telling nothing."""
        base = self._hashes.get(domain)
        if base is None:
            base = self._hashes[domain] = blake2b(key=_derive(self._master, "blind:" + domain), digest_size=16)
        hashed = base.copy()
        pieces: list[bytes] = []
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            size = len(data)
            pieces += (_LENGTHS[size] if size < 1024 else size.to_bytes(8, "big"), data)
        hashed.update(b"".join(pieces))
        return hashed.digest()

    def blinder(self, domain: str, *parts: bytes | str) -> Callable[[bytes], bytes]:
        """`blind` for many values whose first parts are the same: takes the last part."""
        self.blind(domain)
        begun = self._hashes[domain].copy()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            begun.update(len(data).to_bytes(8, "big") + data)

        def blind_last(data: bytes) -> bytes:
            size = len(data)
            hashed = begun.copy()
            hashed.update((_LENGTHS[size] if size < 1024 else size.to_bytes(8, "big")) + data)
            return hashed.digest()

        return blind_last

    def derived(self, domain: str) -> bytes:
        """A 32-byte key of its own for one use outside this room: pseudonyms, the audit chain."""
        return _derive(self._master, "derived:" + domain)

    def _load(self, key_id: bytes) -> AESGCM:
        number = self._slots.get(key_id)
        if number is None:
            with self._lock:
                self._read_new()
            number = self._slots.get(key_id)
        slot = None if number is None else self._file.read_one(number)
        if slot is None or slot.is_destroyed:
            raise KeyDestroyed("the key is not in the key file any more: what it sealed is erased")
        try:
            key = self._wrapping.decrypt(slot.body[:_NONCE_BYTES], slot.body[_NONCE_BYTES:], key_id)
        except InvalidTag:
            raise KeyDestroyed("the key file is damaged at this key: restore it from its newest copy") from None
        if len(self._ciphers) >= _CIPHERS_KEPT:
            self._ciphers.clear()
        cipher = self._ciphers[key_id] = AESGCM(key)
        return cipher

    def _read_new(self) -> None:
        for slot in self._file.read(start=self._read_slots):
            self._slots[slot.key_id] = slot.number
            self._read_slots = slot.number + 1

    def _append(self, key_ids: Sequence[bytes]) -> None:
        slots: list[tuple[bytes, bytes]] = []
        for key_id in key_ids:
            nonce = os.urandom(_NONCE_BYTES)
            slots.append((key_id, nonce + self._wrapping.encrypt(nonce, os.urandom(32), key_id)))
        self._file.append(slots)
        self._read_new()


def _derive(master: bytes, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=b"csor-adapter 1", info=use.encode()).derive(master)


def _refused(text: str) -> SetupError:
    return SetupError(text, exit_code=ExitCode.SEALING)
