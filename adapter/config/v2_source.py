"""The settings of HL7 v2 sources: who may connect to a port, by what certificate, and folders that are watched."""

from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from adapter.config.reading import Reading
from adapter.config.secrets import SecretRef
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


def _pattern(written: str) -> str:
    if any(not part for part in written.split("^")) or written.count("^") > 1:
        raise ValueError("should be a type such as ADT^A01, or ADT^* for all events")
    return written


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Accept(Positioned):
    """What a port takes; what is outside a list that is given gets AR, and is kept all the same."""

    applications: tuple[Text, ...] = ()
    """MSH-3, whole or its first component."""
    facilities: tuple[Text, ...] = ()
    """MSH-4, likewise."""
    types: tuple[Annotated[Text, AfterValidator(_pattern)], ...] = ()
    """MSH-9: `ADT^A01`, `ADT^*`."""
    versions: tuple[Text, ...] = ()
    """MSH-12: `2.4`, `2.5*`."""
    processing: tuple[Text, ...] = ()
    """MSH-11: `P`."""
    control_id: Literal["optional", "required"] = "optional"


class Acknowledgement(Positioned):
    """How a port answers."""

    mode: Literal["auto", "original"] = "auto"
    """auto: as MSH-15 and MSH-16 ask; original: AA, AE or AR whatever they say."""
    on_unknown_type: Literal["AA", "AR"] = "AA"
    """What a type gets that no mapping reads (ruling R27)."""


class V2Source(Positioned):
    """What sources of HL7 v2 have in common."""

    name: Name
    vendor: str | None = None
    """Whose system sends, where it is not the trust's `vendor`."""
    reading: Reading = Reading()
    """Over `v2.reading` of the trust, over that of the vendor: `load` has put them together."""


class Listening(V2Source):
    """What ports have in common, whatever is spoken on them."""

    bind: str = "127.0.0.1"
    port: Port
    max_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Of one message."""
    allow: tuple[Network, ...] = ()
    """Addresses and networks that may connect; empty: all that reach the port."""
    tls: Tls | None = None
    accept: Accept = Accept()
    ack: Acknowledgement = Acknowledgement()


class MllpSource(Listening):
    """A port on which the EPR or the trust's engine sends HL7 v2."""

    kind: Literal["mllp"]
    idle_s: Annotated[float, Field(ge=0)] = 0
    """0: a silent connection is kept for ever."""
    frame_s: Annotated[float, Field(gt=0)] = 30
    """How long a block may stay without its end."""
    handshake_s: Annotated[float, Field(gt=0)] = 10
    """How long a sender may take to agree on TLS."""


class HttpSource(Listening):
    """A port to which HL7 v2 is posted, one message in each request."""

    kind: Literal["http"]
    token: SecretRef | None = None
    """What senders show as `Authorization: Bearer …`."""
    silence_s: Annotated[float, Field(gt=0)] = 30
    """How long a sender may send nothing in the middle of a message."""

    @model_validator(mode="after")
    def _senders_are_known(self) -> Self:
        if self.bind in LOOPBACK:
            return self
        if self.token is None and (self.tls is None or self.tls.client_ca is None):
            raise ValueError("senders of other machines need `token`, or `tls` with `client_ca`")
        if self.tls is None:
            raise ValueError("without `tls` the token and the messages can be read on the way")
        return self


LOOPBACK = ("127.0.0.1", "::1", "localhost")


class FolderSource(V2Source):
    """A folder into which messages, Bundles or NDJSON are put."""

    kind: Literal["folder"]
    path: FilePath
    poll_s: Annotated[float, Field(gt=0)] = 5
