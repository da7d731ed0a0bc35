"""The settings of Subscriptions: where a FHIR server tells of changes, how it shows that it is the server, what is
expected of it, and how often all is read nonetheless."""

from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from adapter.config.fhir_types import Span
from adapter.config.secrets import SecretRef
from adapter.config.v2_source import LOOPBACK, Network, Tls
from adapter.config.values import Name, Port
from adapter.datafile import Positioned

_LONGEST = 64 * 1024 * 1024


def _none(value: object) -> object:
    return None if value == "none" else value


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be https://HOST[:PORT][/PATH], as the server reaches this machine")
    return url.rstrip("/")


Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
Path = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)+$")]
SubscriptionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
Criteria = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[\x21-\x7e]+$")]


class Criterion(Positioned):
    """One Subscription on the server, and the address of its own that it notifies."""

    name: Name
    """Ends its address: `PATH/NAME`."""
    criteria: Criteria
    """`Observation?category=laboratory`, or the address of a topic (Subscriptions R5 Backport)."""
    filters: tuple[Criteria, ...] = ()
    """With a topic: `Observation?category=laboratory`."""
    id: SubscriptionId | None = None
    """The server's id of it: its state is then looked at."""

    @property
    def is_topic(self) -> bool:
        """Whether the server counts what it tells of, and sends heartbeats."""
        return self.criteria.startswith(("http://", "https://", "urn:"))

    @model_validator(mode="after")
    def _filters_a_topic(self) -> Self:
        if self.filters and not self.is_topic:
            raise ValueError("filters belong to a topic; criteria of another kind hold their own")
        return self


class Subscriptions(Positioned):
    """Where the server's notifications arrive. What they hold is a hint: the resource is read from the server."""

    bind: str = "127.0.0.1"
    port: Port
    path: Path = "/fhir-notifications"
    allow: tuple[Network, ...] = ()
    tls: Tls | None = None
    header: Header = "Authorization"
    """In which the server shows the secret; in `Authorization` as `Bearer …`."""
    secret: SecretRef
    max_bytes: Annotated[int, Field(ge=1024, le=_LONGEST)] = 16 * 1024 * 1024
    """Of one notification."""
    silence_s: Annotated[float, Field(gt=0)] = 30
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    heartbeat: Annotated[Span | None, BeforeValidator(_none)] = None
    """A longer silence is an alarm (behaviour 51); only for topics."""
    gap_grace: Span = timedelta(seconds=30)
    """How long a number may be missing: servers send with several hands, so that a later one may overtake it."""
    catch_up: Span | None = None
    """How often all is read while the Subscriptions stand; left out, `every`, as without them."""
    look_every: Annotated[Span | None, BeforeValidator(_none)] = timedelta(hours=1)
    """How often each Subscription's state is read, where its `id` is known."""
    reactivate: Literal["yes", "no"] = "no"
    """Whether one in error or off is asked for again; the server must allow us to write it."""
    address: Annotated[str, AfterValidator(_address)] | None = None
    """How the server reaches `path`'s machine, for `csor-adapter subscribe`."""

    @model_validator(mode="after")
    def _nobody_reads_along(self) -> Self:
        if self.bind not in LOOPBACK and self.tls is None:
            raise ValueError("without `tls` the secret and the notifications can be read on the way")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [each.name for each in self.criteria]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"criteria of the same name: {', '.join(twice)}")
        if self.reactivate == "yes" and self.address is None:
            raise ValueError("reactivate needs `address`: a Subscription is written whole, with where to send to")
        if self.heartbeat is not None and not any(each.is_topic for each in self.criteria):
            raise ValueError("heartbeat is sent for topics only; none of the criteria is one")
        return self
