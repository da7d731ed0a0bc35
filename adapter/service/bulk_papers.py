"""What is sealed of an export while it goes on: where to ask, where its files are, and whom it is about."""

from datetime import UTC, datetime

import msgspec

from adapter.sources.fhir_bulk import Manifest
from adapter.store.bulk import JobRow
from adapter.store.sealing import KeyDestroyed, KeyRing

_PURPOSE = b"export"


class Papers(msgspec.Struct, frozen=True):
    """Of one export."""

    status_url: str = ""
    is_adopted: bool = False
    """Begun before a crash: whether it is what we want, its manifest tells."""
    needs_token: bool = True
    urls: tuple[str, ...] = ()
    """Of its files, in the order of the manifest."""
    expires: datetime | None = None
    patients: tuple[str, ...] = ()
    """Ids, where not the whole group was asked for."""
    newcomers: tuple[int, ...] = ()
    """Of the registry: whom it brings whole."""
    joined: tuple[str, ...] = ()
    """Ids of members that it shows for the first time."""

    def with_manifest(self, manifest: Manifest) -> "Papers":
        """Now that the files are known."""
        return msgspec.structs.replace(
            self,
            needs_token=manifest.needs_token,
            urls=tuple(each.url for each in manifest.files),
            expires=manifest.expires,
        )

    @property
    def has_expired(self) -> bool:
        """Whether the server may have removed the files by now."""
        return self.expires is not None and datetime.now(UTC) >= self.expires


def seal(ring: KeyRing, key_id: bytes, papers: Papers) -> bytes:
    """Ready to be stored."""
    return ring.seal(key_id, msgspec.json.encode(papers), _PURPOSE)


def unseal(ring: KeyRing, job: JobRow) -> Papers:
    """KeyDestroyed where there are none any more."""
    if job.key_id is None or job.sealed is None:
        raise KeyDestroyed("the export has ended")
    return msgspec.json.decode(ring.unseal(job.key_id, job.sealed, _PURPOSE), type=Papers)


def key_of(job: JobRow) -> bytes:
    """Under which its files are sealed."""
    if job.key_id is None:
        raise KeyDestroyed("the export has ended")
    return job.key_id
