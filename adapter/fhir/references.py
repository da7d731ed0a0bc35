"""References between the resources of one body: relative, absolute, `urn:uuid:`, with a version, contained, logical."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from adapter.assertion import Resource
from adapter.fhir.clock import clock_us, rank
from adapter.fhir.part import Part

_PATIENT_ELEMENTS = ("subject", "patient")
_HERE = ("", "#", " ", "\t", "\r", "\n")
"""How a reference begins that is none, or leads to what is inside the resource itself."""


def patient_reference(resource: Resource) -> Resource:
    """The Reference under which a resource names its patient; empty where it has none."""
    for element in _PATIENT_ELEMENTS:
        reference = resource.get(element)
        if isinstance(reference, dict) and reference:
            return reference
    return {}


def contained(reference: Resource, resource: Resource) -> Resource | None:
    """The Patient that is inside the resource itself, or that the reference describes by an identifier only."""
    target = _reference_text(reference)
    if target.startswith("#"):
        inside = resource.get("contained")
        for candidate in inside if isinstance(inside, list) else []:
            if isinstance(candidate, dict) and candidate.get("id") == target[1:]:
                return candidate if candidate.get("resourceType") == "Patient" else None
        return None
    identifier = reference.get("identifier")
    if not target and isinstance(identifier, dict) and reference.get("type", "Patient") == "Patient":
        return {"resourceType": "Patient", "identifier": [identifier]}
    return None


def is_of_the_body(reference: Resource) -> bool:
    """Whether it means the same in whichever resource of a body it stands: it leads out of the resource."""
    target = reference.get("reference")
    return type(target) is str and target[:1] not in _HERE


class Index:
    """Where the resources of one body are, under each name another may use for them; of two versions the newer."""

    def __init__(self, parts: Sequence[Part], *, base: str = "") -> None:
        self._base = base.rstrip("/") + "/" if base else ""
        self._parts = parts
        rest = [part for part in parts if part.panel is None]
        self._by_name = self._named(rest)
        self._is_whole = len(rest) == len(parts)

    def _named(self, parts: Sequence[Part]) -> dict[str, Part]:
        by_name: dict[str, Part] = {}
        named = by_name.setdefault
        for part in parts:
            for name in (self.normal(part.full_url) if part.full_url else "", part.key):
                if name and (other := named(name, part)) is not part and _version(part) > _version(other):
                    by_name[name] = part
        return by_name

    def normal(self, reference: str) -> str:
        """Without version, and relative where it lies below the base."""
        if "/_history/" in reference:
            reference = reference.partition("/_history/")[0]
        return reference.removeprefix(self._base)

    def key_of_part(self, part: Part) -> str:
        """`Patient/123`; the full URL where the resource has no id; else its bytes, since its place names nothing."""
        if part.key:
            return part.key
        if part.full_url:
            return self.normal(part.full_url)
        return f"{part.resource['resourceType']}?sha256={sha256(part.raw).hexdigest()}"

    def patient_key(self, reference: Resource, resource: Resource) -> str | None:
        """The key of the patient a reference means; None if it means no patient or cannot be told."""
        target = _reference_text(reference)
        if target.startswith("#") or not target:
            inside = contained(reference, resource)
            return _key_of_described(inside) if inside is not None else None
        found = self.find(target)
        if found is not None:
            return self.key_of_part(found) if found.resource["resourceType"] == "Patient" else None
        target = self.normal(target)
        if target.startswith("urn:"):
            return target if reference.get("type", "Patient") == "Patient" else None
        return target if target.rpartition("/")[0].rpartition("/")[2] == "Patient" else None

    def context(self, references: Iterable[str]) -> dict[str, Resource]:
        """The resources of the body that references mean, by the reference as it is written."""
        found = {reference: self.find(reference) for reference in references}
        return {reference: part.resource for reference, part in found.items() if part is not None}

    def newest(self, part: Part) -> Part:
        """The same resource in the newest version that the body has of it."""
        return self._by_name.get(part.key, part)

    def find(self, reference: str) -> Part | None:
        """What of this body a reference means."""
        normal = self.normal(reference)
        if not self._is_whole and "Observation/" in normal:  # as all names of plain results have it
            self._by_name, self._is_whole = self._named(self._parts), True
        part = self._by_name.get(normal)
        if part is None and "://" in normal:
            # A Bundle may name by absolute reference what it carries without fullUrl; type and id must then be enough.
            relative = "/".join(normal.split("/")[-2:])
            candidate = self._by_name.get(relative)
            part = candidate if candidate is not None and not candidate.full_url else None
        return part


def _version(part: Part) -> tuple[int, int]:
    return clock_us(part.resource, otherwise=part.timestamp), rank(part.resource)


def _reference_text(reference: Resource) -> str:
    text = reference.get("reference")
    return text.strip() if isinstance(text, str) else ""


def _key_of_described(patient: Resource) -> str:
    """A key for a patient without resource of its own: its first identifier, system and value."""
    identifiers = patient.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else []:
        if isinstance(identifier, dict) and identifier.get("value"):
            return f"Patient?identifier={identifier.get('system', '')}|{identifier['value']}"
    return ""
