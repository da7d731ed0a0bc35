"""Writes a resource of R4 as an STU3 server (CareConnect) would say the same: by hand, from the pages of STU3.

Nothing of the adapter is used: hl7.org/fhir/STU3 for each type, and the CareConnect profiles for what is British.
"""

from collections.abc import Callable
from typing import Any

Resource = dict[str, Any]

SERVICE_TYPE = "http://hl7.org/fhir/4.0/StructureDefinition/extension-Encounter.serviceType"
_CARE_CONNECT = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-"
_V2, _V3 = "http://terminology.hl7.org/CodeSystem/v2-", "http://terminology.hl7.org/CodeSystem/v3-"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_UK_CORE = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
_UK_EXTENSION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"


def as_stu3(resource: Resource) -> Resource:
    """The same facts."""
    made = _names(resource)
    kind = made["resourceType"]
    if kind in _WRITERS:
        _WRITERS[kind](made)
    if kind in ("Patient", "Encounter", "Observation", "Condition", "Procedure"):
        made["meta"] = {**made.get("meta", {}), "profile": [f"{_CARE_CONNECT}{kind}-1"]}
    return made


def reference_as_stu3(text: str) -> str:
    return text.replace("ServiceRequest/", "ProcedureRequest/")


def _names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _name(key, child) for key, child in value.items()}
    return [_names(each) for each in value] if isinstance(value, list) else value


def _name(key: str, child: Any) -> Any:
    if not isinstance(child, str):
        return _names(child)
    if key == "reference":
        return reference_as_stu3(child)
    if key == "system":
        return _system(child)
    if key == "url" and child.startswith(_UK_EXTENSION):
        name = child.removeprefix(_UK_EXTENSION)
        return f"https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-{name}-1"
    return child


def _system(text: str) -> str:
    if text.startswith(_UK_CORE):
        name = text.removeprefix(_UK_CORE).removesuffix("England")
        return f"https://fhir.hl7.org.uk/STU3/CodeSystem/CareConnect-{name}-1"
    if text.startswith(_V2):
        return "http://hl7.org/fhir/v2/" + text.removeprefix(_V2)
    if text.startswith(_V3):
        return "http://hl7.org/fhir/v3/" + text.removeprefix(_V3)
    # STU3 has its own value sets under hl7.org/fhir.
    return "http://hl7.org/fhir/" + text.removeprefix(_TERMINOLOGY) if text.startswith(_TERMINOLOGY) else text


def _in_context(made: Resource) -> None:
    if "encounter" in made:
        made["context"] = made.pop("encounter")


def _related_person(made: Resource) -> None:
    if made.get("relationship"):
        (made["relationship"],) = made["relationship"]


def _encounter(made: Resource) -> None:
    if "reasonCode" in made:
        made["reason"] = made.pop("reasonCode")
    if "serviceType" in made:  # STU3 has no such element
        said = {"url": SERVICE_TYPE, "valueCodeableConcept": made.pop("serviceType")}
        made["extension"] = [*made.get("extension", []), said]


def _condition(made: Resource) -> None:
    _in_context(made)
    for name in ("clinicalStatus", "verificationStatus"):
        if name in made:
            made[name] = made[name]["coding"][0]["code"]
    if "recordedDate" in made:
        made["assertedDate"] = made.pop("recordedDate")


def _procedure(made: Resource) -> None:
    _in_context(made)
    status = made.get("status")
    if status == "not-done":
        made |= {"status": "suspended", "notDone": True}
        if "statusReason" in made:
            made["notDoneReason"] = made.pop("statusReason")
    elif status in ("stopped", "on-hold"):
        made["status"] = {"stopped": "aborted", "on-hold": "suspended"}[status]


def _observation(made: Resource) -> None:
    _in_context(made)
    if "interpretation" in made:
        (made["interpretation"],) = made["interpretation"]
    if "note" in made:
        made["comment"] = "\n".join(each["text"] for each in made.pop("note"))


def _diagnostic_report(made: Resource) -> None:
    _in_context(made)
    if "category" in made:
        (made["category"],) = made["category"]
    if "conclusionCode" in made:
        made["codedDiagnosis"] = made.pop("conclusionCode")
    if "performer" in made:
        made["performer"] = [{"actor": each} for each in made["performer"]]
    if "media" in made:
        made["image"] = made.pop("media")


def _imaging_study(made: Resource) -> None:
    _in_context(made)
    made["patient"] = made.pop("subject")
    if "modality" in made:
        made["modalityList"] = made.pop("modality")
    if "reasonCode" in made:
        (made["reason"],) = made.pop("reasonCode")
    rest = []
    for each in made.pop("identifier", []):
        codes = [coding.get("code") for coding in each.get("type", {}).get("coding", [])]
        if each.get("system") == "urn:dicom:uid":
            made["uid"] = each["value"]
        elif "ACSN" in codes:
            made["accession"] = {name: value for name, value in each.items() if name != "type"}
        else:
            rest.append(each)
    if rest:
        made["identifier"] = rest
    status = made.pop("status", None)
    if status == "available":
        made["availability"] = "ONLINE"
    elif status == "registered":
        made["availability"] = "OFFLINE"
    for series in made.get("series", []):
        series["uid"] = f"urn:oid:{series['uid']}"


def _service_request(made: Resource) -> None:
    _in_context(made)
    made["resourceType"] = "ProcedureRequest"
    made["status"] = {"on-hold": "suspended", "revoked": "cancelled"}.get(made["status"], made["status"])
    if "requester" in made:
        made["requester"] = {"agent": made["requester"]}
    if "performer" in made:
        (made["performer"],) = made["performer"]


def _medication_administration(made: Resource) -> None:
    if made.get("status") == "not-done":
        made |= {"status": "completed", "notGiven": True}
        if "statusReason" in made:
            made["reasonNotGiven"] = made.pop("statusReason")
    if "request" in made:
        made["prescription"] = made.pop("request")


def _medication_request(made: Resource) -> None:
    _in_context(made)
    if "category" in made:
        (made["category"],) = made["category"]
    if "requester" in made:
        made["requester"] = {"agent": made["requester"]}
    for dosage in made.get("dosageInstruction", []):
        for each in dosage.pop("doseAndRate", []):
            dosage |= {name: value for name, value in each.items() if name != "type"}


def _questionnaire_response(made: Resource) -> None:
    _in_context(made)
    if "questionnaire" in made:
        made["questionnaire"] = {"reference": made["questionnaire"]}


def _location(made: Resource) -> None:
    if "type" in made:
        (made["type"],) = made["type"]


_WRITERS: dict[str, Callable[[Resource], None]] = {
    "RelatedPerson": _related_person,
    "Encounter": _encounter,
    "Condition": _condition,
    "Procedure": _procedure,
    "Observation": _observation,
    "DiagnosticReport": _diagnostic_report,
    "ImagingStudy": _imaging_study,
    "ServiceRequest": _service_request,
    "MedicationAdministration": _medication_administration,
    "MedicationRequest": _medication_request,
    "QuestionnaireResponse": _questionnaire_response,
    "Location": _location,
}
