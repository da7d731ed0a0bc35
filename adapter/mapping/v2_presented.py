"""Resources as a Bundle shows them where one segment does not make them whole: documents and bookings."""

import base64
from collections.abc import Mapping
from typing import Any

from adapter.assertion import Resource
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_engine import Made


def presented(
    made: Made, resource: Resource, *, texts: Mapping[int, Resource], patient: str, is_booking: bool
) -> Resource | None:
    """None where a Bundle does not show it. `texts`: what the record keeps of documents, by the line of their TXA."""
    if made.plan.item is Role.DOCUMENT:
        return None
    match made.plan.resource:
        case "DocumentReference":
            return _with_text(resource, texts.get(made.line))
        case "Encounter" if is_booking and "start" not in resource.get("period", ()):
            return None  # nobody has arrived (behaviour 142)
        case "Appointment":
            return _booking(resource, patient=patient)
        case _:
            return resource


def _with_text(official: Resource, stated: Resource | None) -> Resource:
    """A DocumentReference with its text as an attachment, as the official map has it (OBX[DocumentReference])."""
    text = (stated or {}).get("description")
    # TXA-3 tells of the whole; a file that came in an OBX tells of itself, and stands behind it.
    told, *files = official.get("content") or [{"attachment": {"contentType": "application/octet-stream"}}]
    written = dict(told["attachment"])
    if text:
        data = base64.b64encode(str(text).encode()).decode()
        written |= {"contentType": "text/plain", "data": data}
    is_written = bool(text) or not files
    content = [*([{"attachment": written}] if is_written else []), *files]
    return {**official, "content": content}


def _booking(resource: Resource, *, patient: str) -> Resource:
    """FHIR R4 wants a status of every participant; a time or a kind alone belongs to the participant before it."""
    participants: list[dict[str, Any]] = [{"actor": {"reference": patient}}] if patient else []
    for each in resource.get("participant", ()):
        if "actor" in each or not participants:
            participants.append(dict(each))
        else:
            participants[-1] = {**participants[-1], **each}
    whole = [{"status": "accepted", **each} for each in participants]
    return {**resource, "participant": whole} if whole else resource
