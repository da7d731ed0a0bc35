"""What rows follow from an item: its specimen, order, drug and place, and the places that one is part of."""

from collections.abc import Mapping

from adapter.assertion import Resource
from adapter.fhir.references import Index

_FOLLOWED = ("specimen", "medicationReference", "basedOn")
_FOLLOWED_BY: Mapping[str, tuple[str, ...]] = {
    "Encounter": ("location", *_FOLLOWED),
    "Location": ("partOf",),
    "Observation": ("specimen", "basedOn"),
}


class Followed:
    """Follows the items of one body; those that share their references are followed once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._met: dict[tuple[int, int], Mapping[str, Resource]] = {}
        self.reached: set[int] = set()
        """What any item refers to, by its identity."""

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
        found: dict[str, Resource] = {}
        holders = [resource]
        for holder in holders:  # grows while it is walked: a bed is part of a bay, a bay of a ward
            for reference in _references(holder):
                part = self._index.find(reference) if reference not in found else None
                if part is not None:
                    found[reference] = part.resource
                    self.reached.add(id(part.resource))
                    if part.resource["resourceType"] == "Location":
                        holders.append(part.resource)
        return found


def _references(resource: Resource) -> list[str]:
    """References of an item to what its rows are made with."""
    found: list[str] = []
    for element in _FOLLOWED_BY.get(resource["resourceType"], _FOLLOWED):
        holder = resource.get(element)
        if holder is None:
            continue
        for each in holder if isinstance(holder, list) else (holder,):
            place = each.get("location") if element == "location" and isinstance(each, dict) else each
            reference = place.get("reference") if isinstance(place, dict) else None
            if isinstance(reference, str):
                found.append(reference)
    return found
