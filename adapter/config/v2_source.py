"""The settings of HL7 v2 sources: who may connect to a port, by what certificate, and folders that are watched."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from adapter.config.values import FilePath, Name, Port
from adapter.datafile import Positioned


def _network(written: str) -> str:
    try:
        ip_network(written, strict=False)
    except ValueError:
        raise ValueError("is neither an address nor a network such as 10.1.0.0/16") from None
    return written


Network = Annotated[str, AfterValidator(_network)]


class Tls(Positioned):
    """The files of a port with TLS, in PEM; a key is always a file of its own, never written here."""

    certificate: FilePath
    """Ours, and after it those between it and an authority that senders know."""
    key: FilePath
    """Without a pass phrase, readable by the service alone."""
    client_ca: FilePath | None = None
    """The authorities of senders' certificates; once given, a sender without one is refused (mutual TLS)."""


class MllpSource(Positioned):
    """A port on which the EPR or the trust's engine sends HL7 v2."""

    name: Name
    kind: Literal["mllp"]
    bind: str = "127.0.0.1"
    port: Port
    max_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    idle_s: Annotated[float, Field(ge=0)] = 0
    """0: a silent connection is kept for ever."""
    frame_s: Annotated[float, Field(gt=0)] = 30
    """How long a block may stay without its end."""
    allow: tuple[Network, ...] = ()
    """Addresses and networks that may connect; empty: all that reach the port."""
    tls: Tls | None = None
    handshake_s: Annotated[float, Field(gt=0)] = 10
    """How long a sender may take to agree on TLS."""


class FolderSource(Positioned):
    """A folder into which messages, Bundles or NDJSON are put."""

    name: Name
    kind: Literal["folder"]
    path: FilePath
    poll_s: Annotated[float, Field(gt=0)] = 5
