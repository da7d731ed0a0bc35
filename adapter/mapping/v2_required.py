"""What FHIR R4 requires of a resource and a message may leave out, for the Bundles that others validate.

The patient is the message's own; anything else is said to be absent, as the HL7 v2-to-FHIR IG does for MessageHeader
(MSH-24) and FHIR R4 allows for every element. The statement, which is patches, needs none of this.
"""

from collections.abc import Mapping

from adapter.assertion import Resource

_PATIENT_OF = {
    "AllergyIntolerance": "patient",
    "Condition": "subject",
    "Coverage": "beneficiary",
    "Immunization": "patient",
    "MedicationAdministration": "subject",
    "MedicationRequest": "subject",
    "Procedure": "subject",
    "RelatedPerson": "patient",
    "ServiceRequest": "subject",
}
_REQUIRED = {
    "DiagnosticReport": "code",
    "Encounter": "class",
    "Immunization": "vaccineCode",
    "Observation": "code",
}
_CHOICES = {"MedicationAdministration": "medication", "MedicationRequest": "medication"}

_ABSENT: Mapping[str, object] = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


def completed(resource: Resource, *, patient: str) -> Resource | None:
    """With what R4 requires; None for a header without an event. `patient` refers to the message's own."""
    kind = str(resource["resourceType"])
    if kind == "MessageHeader" and not any(name.startswith("event") for name in resource):
        return None
    missing: dict[str, object] = {}
    if (name := _PATIENT_OF.get(kind, "")) and name not in resource:
        missing[name] = {"reference": patient} if patient else _ABSENT
    if (name := _REQUIRED.get(kind, "")) and name not in resource:
        missing[name] = _ABSENT
    if (name := _CHOICES.get(kind, "")) and not any(given.startswith(name) for given in resource):
        missing[f"{name}CodeableConcept"] = _ABSENT
    if kind == "Encounter" and any("location" not in place for place in resource.get("location", ())):
        missing["location"] = [{"location": _ABSENT, **place} for place in resource["location"]]
    return {**resource, **missing} if missing else resource
