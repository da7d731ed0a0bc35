"""Which documents stand: edited, added to, replaced or cancelled, by the times of the messages, never by arrival.

Pure. A document that is replaced or cancelled does not count, nor does what was added to it; where the replacement is
cancelled itself, the first counts again (behaviour 139).
"""

from collections.abc import Iterator, Mapping, Sequence

from adapter.assertion import Resource
from adapter.settle.drafted import Read, read_of
from adapter.settle.said import Said

_CLINICAL = "clinical"


def standing(documents: Mapping[str, Sequence[Said]]) -> dict[str, Read]:
    """The documents that count, by key."""
    read = {key: read_of(said) for key, said in documents.items()}
    current = {key for key, each in read.items() if each.resource.get("status") == "current"}
    replaced = {target for key in current for target in _targets(key, read[key].resource, "replaces")}
    left = current - replaced
    while orphans := {key for key in left if _is_added_to_what_is_gone(key, read, left)}:
        left -= orphans
    return {key: read[key] for key in sorted(left)}


def clinical_texts(documents: Mapping[str, Sequence[Said]]) -> Iterator[tuple[str, Read]]:
    """Those that a clinician wrote about the child and that hold a text."""
    for key, each in standing(documents).items():
        categories = each.resource.get("category") or ()
        codes = {coding.get("code") for category in categories for coding in category.get("coding") or ()}
        if _CLINICAL in codes and each.resource.get("description"):
            yield key, each


def _is_added_to_what_is_gone(key: str, read: Mapping[str, Read], left: set[str]) -> bool:
    """A parent that was never told of is not known to be gone."""
    return any(target in read and target not in left for target in _targets(key, read[key].resource, "appends"))


def _targets(key: str, resource: Resource, code: str) -> Iterator[str]:
    """The keys of the documents that this one relates to in that way; itself never."""
    feed = key.rpartition("document|")[0]
    for relation in resource.get("relatesTo") or ():
        number = ((relation.get("target") or {}).get("identifier") or {}).get("value")
        if number and relation.get("code") == code:
            target = f"{feed}document|{str(number).replace('|', chr(92) + 'F' + chr(92))}"
            if target != key:
                yield target
