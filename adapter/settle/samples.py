"""Samples that come apart from their results: later, earlier, alone, or in another version (FHIR only).

A Specimen that no result of its page refers to is an assertion of its own, of the kind CONTEXT. A result is read with
the newest version of its sample that anything of the same feed tells of the same child, so that the order in which they
came changes nothing. HL7 v2 sends what was sampled with the result; its references mean nothing outside a message.
"""

from collections.abc import Callable, Iterable, Sequence

from adapter.assertion import Assertion, Form, Item, ItemKind, Resource
from adapter.settle.said import Said, Source, version
from adapter.store import assertions
from adapter.store.database import Connection
from adapter.store.states import AssertionKind

Load = Callable[[Connection, Sequence[int]], Iterable[Source]]


def apart(
    conn: Connection, sources: Sequence[Source], *, identifier_ids: Iterable[int], load: Load
) -> tuple[list[Source], list[Source]]:
    """The sources, with those whose results refer to a sample among them; and the child's samples that came apart.

    Asks nothing of the store where no source is of FHIR. One sample that is new reads the child's whole log once.
    """
    if not any(map(_is_fhir, sources)):
        return list(sources), []
    own = sorted(identifier_ids)
    found = list(load(conn, assertions.ids_of_identifiers(conn, own, kind=AssertionKind.CONTEXT)))
    here = {source.assertion_id for source in sources}
    news = {
        (each.assertion.feed, name) for each in found if each.assertion_id in here for name in each.assertion.context
    }
    if not news:
        return list(sources), found
    others = [number for number in assertions.ids_of_identifiers(conn, own) if number not in here]
    return [*sources, *(each for each in load(conn, others) if _refers(each, news))], found


def joined(said: Sequence[Said], samples: Sequence[Source]) -> tuple[list[Said], list[Source]]:
    """What is said of one result, each with the newest version of its sample; and whose that is, if not theirs."""
    told = [each.source for each in said]
    alone = {each.assertion_id for each in samples}
    found: list[Said] = []
    beside: dict[int, Source] = {}
    for item, source in said:
        sample, teller = newest_sample(item, source, [*told, *samples])
        if sample is not None and teller is not source:
            assertion = source.assertion
            context = {**assertion.context, _name_of_sample(item): sample}
            source = source._replace(
                assertion=Assertion(assertion.feed, assertion.subject, assertion.items, context),
            )
            if teller.assertion_id in alone:
                beside[teller.assertion_id] = teller
        found.append(Said(item, source))
    return found, list(beside.values())


def newest_sample(item: Item, source: Source, others: Sequence[Source]) -> tuple[Resource | None, Source]:
    """The sample of a result in its newest version, and who tells it; its own source where none is newer."""
    name = _name_of_sample(item)
    best, teller = source.assertion.context.get(name) if name else None, source
    for each in others if name else ():
        sample = each.assertion.context.get(name) if each.assertion.feed == source.assertion.feed else None
        if sample is not None and (best is None or version(sample) > version(best)):
            best, teller = sample, each
    return best, teller


def _name_of_sample(item: Item) -> str:
    """Empty where it has none outside itself."""
    reference = item.resources[0].get("specimen") if item.form is Form.SNAPSHOT else None
    name = reference.get("reference") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else ""


def _is_fhir(source: Source) -> bool:
    items = source.assertion.items
    return not items or items[0].form is Form.SNAPSHOT


def _refers(source: Source, samples: set[tuple[str, str]]) -> bool:
    feed = source.assertion.feed
    return any(
        item.kind is ItemKind.OBSERVATION and (feed, _name_of_sample(item)) in samples
        for item in source.assertion.items
    )
