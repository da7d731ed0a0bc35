"""The Subscription that a server is asked to keep for us, and what it says of it. Pure.

FHIR R4, Subscription; with a topic as the Subscriptions R5 Backport guide writes it (version 1.1, R4).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_JSON = "application/fhir+json"
_STATES = frozenset({"requested", "active", "error", "off", "entered-in-error"})


class Wanted(NamedTuple):
    """What we want to be told of."""

    criteria: str
    endpoint: str
    headers: Sequence[str]
    is_topic: bool = False
    filters: Sequence[str] = ()
    heartbeat_s: int | None = None
    id: str = ""
    """The server's, of one that is there already."""


def subscription(wanted: Wanted) -> dict[str, Any]:
    """The resource, to be posted or put. With a topic only ids are sent; otherwise R4 knows nothing but the whole."""
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": wanted.endpoint, "payload": _JSON}
    if wanted.headers:
        channel["header"] = list(wanted.headers)
    made: dict[str, Any] = {"resourceType": "Subscription"}
    if wanted.id:
        made["id"] = wanted.id
    made |= {"status": "requested", "reason": "changes for the CSOR adapter", "criteria": wanted.criteria}
    if wanted.is_topic:
        made["meta"] = {"profile": [f"{_GUIDE}/backport-subscription"]}
        content = {"url": f"{_GUIDE}/backport-payload-content", "valueCode": "id-only"}
        channel["_payload"] = {"extension": [content]}
        if wanted.heartbeat_s is not None:
            channel["extension"] = [
                {"url": f"{_GUIDE}/backport-heartbeat-period", "valueUnsignedInt": wanted.heartbeat_s}
            ]
        if wanted.filters:
            url = f"{_GUIDE}/backport-filter-criteria"
            made["_criteria"] = {"extension": [{"url": url, "valueString": each} for each in wanted.filters]}
    return {**made, "channel": channel}


class _Subscription(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    status: str = ""


def state_in(resource: bytes) -> str | None:
    """What the server says of its Subscription; None where it does not say."""
    try:
        found = msgspec.json.decode(resource, type=_Subscription)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found.status if found.resourceType == "Subscription" and found.status in _STATES else None
