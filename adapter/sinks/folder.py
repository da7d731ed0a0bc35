"""Writes one batch as an NDJSON file, one row a line, for sites that carry the payload by other means.

A file is there wholly under its final name or not at all; the name is the idempotency key and says nothing more.
"""

import os
import re
from pathlib import Path

import msgspec

from adapter.errors import Refused, TryLater, Unsure
from adapter.sinks.receipt import Receipt

_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    """The parts of a batch, each kept as the bytes it came in."""

    schema_version: msgspec.Raw
    trust: msgspec.Raw
    csor_id: msgspec.Raw
    minutes: msgspec.Raw
    rows: list[msgspec.Raw]


class Folder:
    """One folder as a destination."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, batch: bytes, *, idempotency_key: str) -> Receipt:
        """Write `<idempotency_key>.ndjson`; the same bytes under the same key are taken once."""
        if not _KEY.fullmatch(idempotency_key):
            raise ValueError("an idempotency key is letters, digits, - and _; it becomes a file name")
        lines = ndjson(batch)
        target = self._path / f"{idempotency_key}.ndjson"
        try:
            stands = target.read_bytes() if target.exists() else None
            if stands is None:
                written = _write_aside(target, lines)
        except OSError as error:
            raise TryLater(f"the folder of the sink cannot be written ({os.strerror(error.errno or 0)})") from error
        if stands is not None:
            return _repeated(stands, lines)
        _publish(written, target)
        return Receipt(applied=lines.count(b"\n"), unchanged=0)

    def close(self) -> None:
        """Nothing is kept open."""


def ndjson(batch: bytes) -> bytes:
    """Each row with the batch's own fields before it; numbers and texts stay byte for byte as they were."""
    # indent=-1 takes all white space out, so that a row is one line.
    parts = msgspec.json.decode(msgspec.json.format(batch, indent=-1), type=_Batch)
    head = b'{"schema_version":%b,"trust":%b,"csor_id":%b,"minutes":%b,' % (
        bytes(parts.schema_version),
        bytes(parts.trust),
        bytes(parts.csor_id),
        bytes(parts.minutes),
    )
    return b"".join(head + bytes(row)[1:] + b"\n" for row in parts.rows)


def _repeated(stands: bytes, lines: bytes) -> Receipt:
    if stands != lines:
        raise Refused("the folder of the sink holds another batch under this idempotency key")
    return Receipt(applied=lines.count(b"\n"), unchanged=0)


def _write_aside(target: Path, lines: bytes) -> Path:
    """On disk under a name that a collector passes over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    with open(aside, "wb", opener=_owner_only) as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    return aside


def _owner_only(path: str, flags: int) -> int:
    """The payload is pseudonymous, yet about patients."""
    return os.open(path, flags, mode=0o600)


def _publish(aside: Path, target: Path) -> None:
    try:
        aside.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unsure(f"the file may not have got its name ({os.strerror(error.errno or 0)})") from error
