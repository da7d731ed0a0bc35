"""What a server says that it has deleted: Bundle entries with a DELETE and no resource, as of `deleted` of an export.

Such an entry names type and id, never a patient. That of a Patient deletes a record, as HL7 v2 A29 does, and speaks as
that event; whose any other one is, is found by those who keep the resources.
"""

import re
from datetime import UTC, datetime

import msgspec

from adapter.assertion import Form, Item, ItemKind
from adapter.fhir.clock import clock_us
from adapter.fhir.part import Deletion
from adapter.fhir.stu3 import NAMES
from adapter.statement import Statement

DELETES_RECORD = "A29"
_NAME = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]*)?")
_RANK = 2**52
"""On equal clocks the deletion wins: above every version number with its status."""


class _Request(msgspec.Struct):
    url: str = ""


class _Response(msgspec.Struct):
    lastModified: str = ""


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response | None = None


_ENTRY = msgspec.json.Decoder(_Entry)


def read_deletion(raw: bytes | msgspec.Raw, *, otherwise: str) -> Deletion | str:
    """The deletion of an entry, else why it is none. `otherwise`: the time of its Bundle."""
    try:
        entry = _ENTRY.decode(raw)
    except msgspec.MsgspecError:
        return "not a Bundle entry"
    name = _NAME.fullmatch(NAMES.of_reference(entry.request.url.partition("?")[0]))
    if name is None:
        return "a deletion that does not name a resource by type and id"
    said = entry.response.lastModified if entry.response is not None else ""
    clock = clock_us({"meta": {"lastUpdated": said}}, otherwise=otherwise)
    # Without its time nobody could tell what it undoes: what came before it may also have been said after it.
    return Deletion(name[1], clock) if clock else "a deletion that does not say when"


def statement_of(deletion: Deletion) -> Statement:
    """That a patient's record was deleted."""
    resource = {"resourceType": "Patient"}
    item = Item(ItemKind.PATIENT, deletion.name, deletion.clock_us, _RANK, DELETES_RECORD, Form.PATCH, [resource])
    return Statement(
        patient=None,
        patient_key=deletion.name,
        items=[item],
        event=DELETES_RECORD,
        kind="Patient",
        clock_us=deletion.clock_us,
    )


def body_of(deletion: Deletion) -> bytes:
    """A body that says this alone."""
    moment = datetime.fromtimestamp(deletion.clock_us // 1_000_000, UTC).replace(
        microsecond=deletion.clock_us % 1_000_000
    )
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": moment.isoformat(),
        "entry": [{"request": {"method": "DELETE", "url": deletion.name}}],
    }
    return msgspec.json.encode(bundle)
