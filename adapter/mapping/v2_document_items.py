"""Puts the documents of a message where they belong: to the report or document they came with, else by themselves."""

from collections.abc import Sequence
from typing import TypeGuard

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.hl7v2.message import Message
from adapter.mapping.v2_documents import Document, as_json, may_hold, taken_out
from adapter.mapping.v2_engine import Made
from adapter.mapping.v2_walk import Walk

_HOLDERS = {"DiagnosticReport": "presentedForm", "DocumentReference": "content"}


def walked(walk: Walk, message: Message, lines: Sequence[str]) -> Walk:
    """The walk over these lines of a message; what documents they hold is taken out before it."""
    delimiters = message.delimiters
    if not may_hold(message.text, delimiters):
        return walk.run(lines, delimiters.field, text=message.text)
    keeps = walk.engine.rules.documents == "keep-inside"
    is_bundle = walk.refer is not None
    left, documents, problems = taken_out(lines, delimiters, keeps_data=keeps, keeps_ed=is_bundle)
    walk.run(left, delimiters.field, text=message.text)
    if is_bundle:
        # The results of a laboratory show by themselves that they are documents.
        _attach(walk, [each for each in documents if keeps or _is_of_image(walk, each)])
        return walk
    walk.problems += problems
    others = _attach(walk, documents)
    if keeps:
        walk.made += _alone(walk, others, lines, separator=delimiters.field)
    return walk


def _is_of_image(walk: Walk, document: Document) -> bool:
    """Whether what it came with is no report of a laboratory, whose documents its Observations show."""
    holders = [made.resource for made in walk.made if _may_hold(made) and made.line == document.group]
    kinds = (
        coding.get("code")
        for resource in holders
        for each in resource.get("identifier", ())
        for coding in (each.get("type") or {}).get("coding", ())
    )
    return "ACSN" in kinds or any(resource["resourceType"] == "DocumentReference" for resource in holders)


def _attach(walk: Walk, documents: Sequence[Document]) -> list[Document]:
    """Give each document to what its OBR or TXA made; those that are left belong to a report that is no item."""
    left = []
    holders = {made.line: n for n, made in reversed(list(enumerate(walk.made))) if _may_hold(made)}
    for document in documents:
        at = holders.get(document.group)
        made = walk.made[at] if at is not None else None
        if at is None or not isinstance(made, Made):
            left.append(document)
            continue
        element = _HOLDERS[made.plan.resource]
        entry = as_json(document) if element == "presentedForm" else {"attachment": as_json(document)}
        resource = {**made.resource, element: [*made.resource.get(element, ()), entry]}
        walk.made[at] = made._replace(resource=resource)
    return left


def _may_hold(made: Made | Item) -> TypeGuard[Made]:
    return isinstance(made, Made) and made.plan.resource in _HOLDERS


def _alone(walk: Walk, documents: Sequence[Document], lines: Sequence[str], *, separator: str) -> list[Item]:
    """Documents of laboratory reports that the record is to hold; without an order number nothing could tell them."""
    reader, items = walk.engine.reader, []
    for document in documents:
        fields = [*lines[document.group].split(separator), *[""] * 26] if document.group >= 0 else [""] * 26
        number, battery = (reader.text(reader.parts(each)[0]) for each in (fields[3] or fields[2], fields[4]))
        if not number or "data" not in document.attachment:
            continue
        moment = reader.instant(reader.text(fields[22])) if fields[22] else None
        key = "|".join(["report-document", *(each.replace("|", "\\F\\") for each in (number, battery))])
        resource: Resource = {
            "resourceType": "DocumentReference",
            "status": "current",
            "content": [{"attachment": as_json(document)}],
        }
        clock = moment.utc_us if moment else walk.clock_us
        items.append(
            Item(ItemKind.DOCUMENT, f"{key}|{document.code}", clock, 0, walk.group["event"], Form.PATCH, [resource])
        )
    return items
