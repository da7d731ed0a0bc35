"""What R4 changed of the STU3 resources that are read: names, lists, words. Tables first, then what carries them out.

Source: the R3 to R4 conversion maps of hl7.org/fhir/R4 (`*-version-maps.html`, 2019), read 2026-11-22; CareConnect
names (fhir.hl7.org.uk/STU3) as UK Core writes them. Elements without a counterpart that no row needs are left out.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from adapter.assertion import Resource

Moved = Mapping[str, str]
"""Path in the R4 form → path as received; empty text where nobody sent it."""


class _How(Enum):
    AS_IS = auto()
    LISTED = auto()
    """One of them then, a list now."""
    FIRST = auto()
    """A list then, one of them now."""
    CONCEPT = auto()
    """A code then, a CodeableConcept now."""
    OUT = auto()


class _Rule(NamedTuple):
    name: str
    """In R4."""
    how: _How = _How.AS_IS
    system: str = ""


_ENCOUNTER = {"context": _Rule("encounter")}
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_GONE = _Rule("", _How.OUT)
_REQUEST: Mapping[str, _Rule] = {
    **_ENCOUNTER,
    "definition": _GONE,
    "performer": _Rule("performer", _How.LISTED),
}
_RULES: Mapping[str, Mapping[str, _Rule]] = {
    "Patient": {"animal": _GONE},
    "RelatedPerson": {"relationship": _Rule("relationship", _How.LISTED)},
    "Encounter": {
        "reason": _Rule("reasonCode"),
        "incomingReferral": _Rule("basedOn"),
        "appointment": _Rule("appointment", _How.LISTED),
    },
    "Condition": {
        **_ENCOUNTER,
        "assertedDate": _Rule("recordedDate"),
        "clinicalStatus": _Rule("clinicalStatus", _How.CONCEPT, _TERMINOLOGY + "condition-clinical"),
        "verificationStatus": _Rule("verificationStatus", _How.CONCEPT, _TERMINOLOGY + "condition-ver-status"),
        "abatementBoolean": _GONE,
        "stage": _Rule("stage", _How.LISTED),
    },
    "Procedure": {**_ENCOUNTER, "notDoneReason": _Rule("statusReason"), "definition": _GONE},
    "Observation": {
        **_ENCOUNTER,
        "interpretation": _Rule("interpretation", _How.LISTED),
        "valueAttachment": _GONE,
        "related": _GONE,
    },
    "DiagnosticReport": {
        **_ENCOUNTER,
        "category": _Rule("category", _How.LISTED),
        "codedDiagnosis": _Rule("conclusionCode"),
        "image": _Rule("media"),
    },
    "ImagingStudy": {
        **_ENCOUNTER,
        "patient": _Rule("subject"),
        "modalityList": _Rule("modality"),
        "procedureReference": _Rule("procedureReference", _How.FIRST),
        "reason": _Rule("reasonCode", _How.LISTED),
    },
    "ProcedureRequest": _REQUEST,
    "ReferralRequest": {
        **_REQUEST,
        "type": _Rule("category", _How.LISTED),
        "serviceRequested": _Rule("code", _How.FIRST),
        "groupIdentifier": _Rule("requisition"),
        "specialty": _Rule("performerType"),
        "recipient": _Rule("performer"),
        "description": _GONE,
    },
    "MedicationAdministration": {
        "reasonNotGiven": _Rule("statusReason"),
        "prescription": _Rule("request"),
        "definition": _GONE,
    },
    "MedicationRequest": {**_ENCOUNTER, "category": _Rule("category", _How.LISTED), "definition": _GONE},
    "Medication": {"isBrand": _GONE, "isOverTheCounter": _GONE, "package": _GONE, "image": _GONE},
    "QuestionnaireResponse": {**_ENCOUNTER, "parent": _Rule("partOf")},
    "Location": {"type": _Rule("type", _How.LISTED)},
}

_EVENT = {"aborted": "stopped", "suspended": "on-hold"}
_ORDER = {"suspended": "on-hold", "cancelled": "revoked"}
_STATUS: Mapping[str, Mapping[str, str]] = {
    "Procedure": _EVENT,
    "ProcedureRequest": _ORDER,
    "ReferralRequest": _ORDER,
}
_WITHOUT_WORD = {"unknown"}
"""Verification of a Condition: R4 has no word for it, so it says nothing."""
_AVAILABILITY = {"ONLINE": "available", "NEARLINE": "available", "OFFLINE": "registered"}
"""UNAVAILABLE says that the pictures cannot be got, not that the examination was cancelled, as the official map has it:
a film that was taken must not vanish. It becomes unknown."""
_TYPES = {"ProcedureRequest": "ServiceRequest", "ReferralRequest": "ServiceRequest"}


class _Names:
    """Names of systems, extensions and types that R4 writes otherwise."""

    _V2 = re.compile(r"http://hl7\.org/fhir/v2/(\w+)")
    _V3 = re.compile(r"http://hl7\.org/fhir/v3/(\w+)")
    _MOVED = re.compile(
        r"http://hl7\.org/fhir/(observation-category|condition-category|condition-clinical|condition-ver-status|"
        r"data-absent-reason|admit-source|discharge-disposition|diagnosis-role|location-physical-type|"
        r"referencerange-meaning|encounter-type|encounter-special-arrangements|diet|service-type)"
    )
    _CARE_CONNECT = re.compile(
        r"https://fhir\.hl7\.org\.uk/(?:STU3/)?(StructureDefinition/Extension-|CodeSystem/)?CareConnect-(\w+)-\d+"
    )
    _REFERENCE = re.compile(
        r"(?P<base>.*/)?(?P<type>ProcedureRequest|ReferralRequest)/(?P<id>[A-Za-z0-9.\-]{1,64})(?=/|$)"
    )

    _OF_ENGLAND = frozenset(
        {
            "AdmissionMethod",
            "DischargeDestination",
            "DischargeMethod",
            "EthnicCategory",
            "NHSNumberVerificationStatus",
            "SourceOfAdmission",
        }
    )
    """Code systems that UK Core has for each nation; those of CareConnect are England's."""

    def of_system(self, system: str) -> str:
        if system == "http://hl7.org/fhir/identifier-type":  # its codes are those of table 0203
            return f"{_TERMINOLOGY}v2-0203"
        if (found := self._V2.fullmatch(system)) is not None:
            return f"{_TERMINOLOGY}v2-{found[1]}"
        if (found := self._V3.fullmatch(system)) is not None:
            return f"{_TERMINOLOGY}v3-{found[1]}"
        if (found := self._MOVED.fullmatch(system)) is not None:
            return _TERMINOLOGY + found[1]
        name = self.of_extension(system)
        return f"{name}England" if name != system and name.rpartition("UKCore-")[2] in self._OF_ENGLAND else name

    def of_extension(self, url: str) -> str:
        found = self._CARE_CONNECT.fullmatch(url)
        return f"https://fhir.hl7.org.uk/{found[1] or 'CodeSystem/'}UKCore-{found[2]}" if found else url

    def of_reference(self, reference: str) -> str:
        """A referral keeps its type in its id: a server may have a procedure request of the same id."""
        found = self._REFERENCE.match(reference)
        if found is None:
            return reference
        name = id_of(found["type"], found["id"])
        return f"{found['base'] or ''}ServiceRequest/{name}{reference[found.end() :]}"


NAMES = _Names()


def id_of(kind: str, identity: str) -> str:
    """The id of a resource among those of its type in R4."""
    return f"ReferralRequest-{identity}" if kind == "ReferralRequest" else identity


class Rewriter:
    """Writes one resource anew; what was received is never changed."""

    def __init__(self, received: Resource) -> None:
        self._received = received
        self._kind = str(received.get("resourceType", ""))
        self._made: Resource = {}
        self.moved: dict[str, str] = {}

    def made(self) -> Resource:
        """In the form of R4."""
        rules = _RULES.get(self._kind, {})
        for name, value in self._received.items():
            rule = rules.get(name.removeprefix("_"))
            if name == "contained":
                self._contained(value)
            elif name == "id" and isinstance(value, str):
                self._made["id"] = id_of(self._kind, value)
            elif rule is None:
                self._made[name] = _renamed(value)
            elif not name.startswith("_"):
                self._apply(rule, name, _renamed(value))
            elif rule.how is _How.AS_IS:  # the extensions of a primitive stand under its name
                self._put(f"_{rule.name}", name, _renamed(value))
        self._made["resourceType"] = _TYPES.get(self._kind, self._kind)
        self._status()
        special = _SPECIAL.get(self._kind)
        if special is not None:
            special(self)
        return self._made

    def _put(self, name: str, before: str, value: Any) -> None:
        self._made[name] = value
        if name != before:
            self.moved[name] = before

    def _apply(self, rule: _Rule, before: str, value: Any) -> None:
        if rule.how is _How.AS_IS:
            self._put(rule.name, before, value)
        elif rule.how is _How.LISTED:
            is_list = isinstance(value, list)
            self._put(rule.name, before, value if is_list else [value])
            if not is_list:
                self.moved[f"{rule.name}[0]"] = before
        elif rule.how is _How.FIRST:
            is_list = isinstance(value, list)
            if not is_list or value:
                self._put(rule.name, before, value[0] if is_list else value)
                self.moved[rule.name] = f"{before}[0]" if is_list else before
        elif rule.how is _How.CONCEPT:
            self._concept(rule, before, value)

    def _concept(self, rule: _Rule, before: str, value: Any) -> None:
        if not isinstance(value, str):  # already the form of R4, or none at all: its own check tells
            self._made[rule.name] = value
        elif value not in _WITHOUT_WORD:
            self._made[rule.name] = {"coding": [{"system": rule.system, "code": value}]}
            self.moved[f"{rule.name}.coding[0].code"] = before
            self.moved[f"{rule.name}.coding[0].system"] = ""

    def _contained(self, value: Any) -> None:
        inside = value if isinstance(value, list) else []
        made: list[Any] = []
        for number, each in enumerate(inside):
            if not isinstance(each, dict):
                made.append(each)
                continue
            inner = Rewriter(each)
            # References inside the resource (`#1`) name ids as they are.
            made.append({**inner.made(), **({"id": each["id"]} if "id" in each else {})})
            at = f"contained[{number}]"
            self.moved |= {f"{at}.{new}": old and f"{at}.{old}" for new, old in inner.moved.items()}
        self._made["contained"] = made if isinstance(value, list) else value

    def _status(self) -> None:
        words = _STATUS.get(self._kind)
        status = self._made.get("status")
        if words is not None and isinstance(status, str):
            self._made["status"] = words.get(status, status)

    def not_done(self, *, said_by: str) -> None:
        """A flag then, a status now. The official map of MedicationAdministration forgets it: the dose would count."""
        if self._made.pop(said_by, None) is True:
            self._made["status"] = "not-done"
            self.moved["status"] = said_by

    def as_actor(self, name: str, *, inner: str) -> None:
        """Who did it stood one level deeper."""
        value = self._made.get(name)
        if isinstance(value, list) and any(isinstance(each, dict) and inner in each for each in value):
            kept = [(n, each[inner]) for n, each in enumerate(value) if isinstance(each, dict) and inner in each]
            self._made[name] = [actor for _, actor in kept]
            self.moved |= {f"{name}[{new}]": f"{name}[{n}].{inner}" for new, (n, _) in enumerate(kept)}
        elif isinstance(value, dict) and inner in value:
            self._made[name] = value[inner]
            self.moved[name] = f"{name}.{inner}"

    def comment(self) -> None:
        """A text then, notes now."""
        text = self._made.pop("comment", None)
        if isinstance(text, str):
            self._made["note"] = [{"text": text}]
            self.moved["note[0].text"] = "comment"

    def study(self) -> None:
        """UID and accession number are identifiers now; whether it can be got is a status."""
        own = self._made.get("identifier")
        if own is not None and not isinstance(own, list):
            return
        uid, accession = self._made.pop("uid", None), self._made.pop("accession", None)
        listed: list[Any] = list(own or ())
        before = 0
        if isinstance(uid, str):
            listed.insert(0, {"system": "urn:dicom:uid", "value": uid})
            self.moved |= {"identifier[0].value": "uid", "identifier[0].system": ""}
            before = 1
            self.moved |= {f"identifier[{n}]": f"identifier[{n - 1}]" for n in range(1, len(listed))}
        if isinstance(accession, dict):
            at = f"identifier[{len(listed)}]"
            self.moved[at] = "accession"
            if "type" not in accession:
                kind = {"system": _TERMINOLOGY + "v2-0203", "code": "ACSN"}
                accession = {"type": {"coding": [kind]}, **accession}
                self.moved[f"{at}.type"] = ""
            listed.append(accession)
        if listed or before:
            self._made["identifier"] = listed
        available = self._made.pop("availability", None)
        if "status" not in self._made:
            self._made["status"] = _AVAILABILITY.get(str(available), "unknown")
            self.moved["status"] = "availability" if available is not None else ""

    def answered_form(self) -> None:
        """A reference to the form then, its canonical address now."""
        form = self._made.get("questionnaire")
        if isinstance(form, dict):
            self._made["questionnaire"] = form.get("reference")
            self.moved["questionnaire"] = "questionnaire.reference"

    def doses(self) -> None:
        """Dose and rate stand in a list now."""
        for number, each in enumerate(self._made.get("dosageInstruction") or ()):
            amounts = [name for name in each if name in _AMOUNTS] if isinstance(each, dict) else []
            if amounts:
                each["doseAndRate"] = [{name: each.pop(name) for name in amounts}]
                at = f"dosageInstruction[{number}]"
                self.moved |= {f"{at}.doseAndRate[0].{name}": f"{at}.{name}" for name in amounts}

    def from_later(self, name: str) -> None:
        """An element that STU3 has not, in the extension that stands for it (hl7.org/fhir/versions.html#extensions)."""
        url = f"http://hl7.org/fhir/4.0/StructureDefinition/extension-{self._kind}.{name}"
        for number, each in enumerate(self._made.get("extension") or ()):
            if isinstance(each, dict) and each.get("url") == url and "valueCodeableConcept" in each:
                self._made.setdefault(name, each["valueCodeableConcept"])
                self.moved[name] = f"extension[{number}].valueCodeableConcept"

    def roles(self, name: str, *, now: str) -> None:
        """What somebody or something was there as."""
        for number, each in enumerate(self._made.get(name) or ()):
            if isinstance(each, dict) and "role" in each:
                each[now] = each.pop("role")
                self.moved[f"{name}[{number}].{now}"] = f"{name}[{number}].role"


_AMOUNTS = ("doseRange", "doseQuantity", "rateRatio", "rateRange", "rateQuantity")


def _of_procedure(rewriter: Rewriter) -> None:
    rewriter.not_done(said_by="notDone")
    rewriter.roles("performer", now="function")


def _of_visit(rewriter: Rewriter) -> None:
    rewriter.roles("diagnosis", now="use")
    rewriter.from_later("serviceType")


def _of_prescription(rewriter: Rewriter) -> None:
    rewriter.as_actor("requester", inner="agent")
    rewriter.doses()


_SPECIAL: Mapping[str, Callable[[Rewriter], None]] = {
    "Procedure": _of_procedure,
    "MedicationAdministration": lambda rewriter: rewriter.not_done(said_by="notGiven"),
    "MedicationRequest": _of_prescription,
    "Observation": Rewriter.comment,
    "DiagnosticReport": lambda rewriter: rewriter.as_actor("performer", inner="actor"),
    "ImagingStudy": Rewriter.study,
    "QuestionnaireResponse": Rewriter.answered_form,
    "ProcedureRequest": lambda rewriter: rewriter.as_actor("requester", inner="agent"),
    "ReferralRequest": lambda rewriter: rewriter.as_actor("requester", inner="agent"),
    "Encounter": _of_visit,
}


def _renamed(value: Any) -> Any:
    """A copy with the names of R4; texts that are no names stay as they are."""
    if isinstance(value, dict):
        return {key: _name(key, child) if isinstance(child, str) else _renamed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    return value


def _name(key: str, text: str) -> str:
    if key == "system":
        return NAMES.of_system(text)
    if key == "reference":
        return NAMES.of_reference(text)
    return NAMES.of_extension(text) if key == "url" else text
