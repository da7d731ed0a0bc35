"""What rows follow from an item: its specimen, order, drug and place, and the places that one is part of."""

from collections.abc import Iterator, Mapping

from adapter.assertion import Resource
from adapter.fhir.references import Index

_FOLLOWED = ("specimen", "medicationReference", "basedOn")
_HOLDING = frozenset({*_FOLLOWED, "location"})


class Followed:
    """Follows the items of one body; those that share their references are followed once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._met: dict[tuple[int, int], Mapping[str, Resource]] = {}

    def context(self, resource: Resource) -> Mapping[str, Resource]:
        """What of the body an item refers to, by the reference as it is written.

        The resources must live as long as this does: the identity of an element stands for its text.
        """
        if resource["resourceType"] != "Observation":
            return self._walk(resource)
        shared = (id(resource.get("specimen")), id(resource.get("basedOn")))
        found = self._met.get(shared)
        if found is None:
            found = self._met[shared] = self._walk(resource)
        return found

    def _walk(self, resource: Resource) -> Mapping[str, Resource]:
        if resource.keys().isdisjoint(_HOLDING):
            return {}
        found: dict[str, Resource] = {}
        holders = [resource]
        for holder in holders:  # grows while it is walked: a bed is part of a bay, a bay of a ward
            fresh = {
                name: meant for name, meant in self._index.context(_references(holder)).items() if name not in found
            }
            found.update(fresh)
            holders += [each for each in fresh.values() if each["resourceType"] == "Location"]
        return found


def _references(resource: Resource) -> Iterator[str]:
    """References of an item to what its rows are made with."""
    kind = resource["resourceType"]
    places = resource.get("location") if kind == "Encounter" else None
    given = [place.get("location") for place in places if isinstance(place, dict)] if isinstance(places, list) else []
    for element in ("partOf",) if kind == "Location" else _FOLLOWED:
        holder = resource.get(element)
        given += holder if isinstance(holder, list) else [holder]
    for each in given:
        reference = each.get("reference") if isinstance(each, dict) else None
        if isinstance(reference, str):
            yield reference
