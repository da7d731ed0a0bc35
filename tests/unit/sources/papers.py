"""Certificates of an invented hospital, written as the files that a trust names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

from adapter.sources.tls import Certificates


@dataclass(frozen=True, kw_only=True)
class Papers:
    """One authority, the port's certificate and a sender's."""

    ca: Path
    certificate: Path
    key: Path
    sender_certificate: Path
    sender_key: Path

    def port(self, *, mutual: bool = False) -> Certificates:
        return Certificates(certificate=self.certificate, key=self.key, client_ca=self.ca if mutual else None)


def papers(folder: Path, *, ends: datetime | None = None) -> Papers:
    """Written into the folder, which must be there or be made."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    made = Papers(
        ca=folder / "ca.pem",
        certificate=folder / "port.pem",
        key=folder / "port.key",
        sender_certificate=folder / "engine.pem",
        sender_key=folder / "engine.key",
    )
    authority.cert_pem.write_to_path(made.ca)
    ends = ends or datetime(2090, 1, 1, tzinfo=UTC)
    for name, certificate, key in (
        ("localhost", made.certificate, made.key),
        ("engine.example", made.sender_certificate, made.sender_key),
    ):
        issued = authority.issue_cert(name, not_after=ends)
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(certificate, append=number > 0)
        issued.private_key_pem.write_to_path(key)
        key.chmod(0o600)
    return made
