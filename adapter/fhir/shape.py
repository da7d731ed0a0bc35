"""Whether what the mappings read of a resource has the form FHIR gives it. Unknown elements are not looked at.

A text where an object belongs is one bad resource, told by its JSON pointer; it never reaches identity or mapping.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from adapter.errors import Problem, ProblemCode
from adapter.fhir.resource import decode_tolerant, encode

Text = str | None
Number = int | float | None
Objects = list[dict[str, Any]] | None


class _Extension(msgspec.Struct):
    url: Text = None
    valueCodeableConcept: "_Concept | None" = None
    valueDateTime: Text = None
    valueCode: Text = None


class _Primitive(msgspec.Struct):
    """What stands beside a primitive, under its name with `_` before it."""

    extension: list[_Extension] | None = None


class _Coding(msgspec.Struct):
    system: Text = None
    code: Text = None
    display: Text = None


class _Concept(msgspec.Struct):
    coding: list[_Coding] | None = None
    text: Text = None


class _Identifier(msgspec.Struct):
    use: Text = None
    type: _Concept | None = None
    system: Text = None
    value: Text = None
    assigner: "_Reference | None" = None
    extension: list[_Extension] | None = None


class _Reference(msgspec.Struct):
    reference: Text = None
    type: Text = None
    identifier: _Identifier | None = None
    display: Text = None


class _Period(msgspec.Struct):
    start: Text = None
    end: Text = None


class _Quantity(msgspec.Struct):
    value: Number = None
    comparator: Text = None
    unit: Text = None
    system: Text = None
    code: Text = None


class _Range(msgspec.Struct):
    low: _Quantity | None = None
    high: _Quantity | None = None
    text: Text = None


class _Meta(msgspec.Struct):
    lastUpdated: Text = None
    versionId: Text = None


class _Resource(msgspec.Struct):
    id: Text = None
    meta: _Meta | None = None
    contained: Objects = None
    extension: Objects = None
    identifier: list[_Identifier] | None = None


class _Patient(_Resource):
    gender: Text = None
    birthDate: Text = None
    _birthDate: _Primitive | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: Text = None
    multipleBirthBoolean: bool | None = None
    multipleBirthInteger: int | None = None
    name: Objects = None
    address: Objects = None


class _RelatedPerson(_Resource):
    patient: _Reference | None = None
    relationship: list[_Concept] | None = None


class _Place(msgspec.Struct):
    location: _Reference | None = None
    period: _Period | None = None


class _Stay(msgspec.Struct):
    admitSource: _Concept | None = None
    dischargeDisposition: _Concept | None = None
    origin: _Reference | None = None
    destination: _Reference | None = None


class _Encounter(_Resource, rename={"class_": "class"}):
    subject: _Reference | None = None
    status: Text = None
    class_: _Coding | None = None
    type: list[_Concept] | None = None
    serviceType: _Concept | None = None
    period: _Period | None = None
    location: list[_Place] | None = None
    hospitalization: _Stay | None = None


class _Condition(_Resource):
    subject: _Reference | None = None
    encounter: _Reference | None = None
    code: _Concept | None = None
    clinicalStatus: _Concept | None = None
    verificationStatus: _Concept | None = None
    category: list[_Concept] | None = None
    onsetDateTime: Text = None
    onsetPeriod: _Period | None = None
    recordedDate: Text = None
    abatementDateTime: Text = None


class _Procedure(_Resource):
    subject: _Reference | None = None
    encounter: _Reference | None = None
    status: Text = None
    code: _Concept | None = None
    category: _Concept | None = None
    performedDateTime: Text = None
    performedPeriod: _Period | None = None


class _Observation(_Resource):
    subject: _Reference | None = None
    encounter: _Reference | None = None
    specimen: _Reference | None = None
    basedOn: list[_Reference] | None = None
    status: Text = None
    code: _Concept | None = None
    category: list[_Concept] | None = None
    effectiveDateTime: Text = None
    effectivePeriod: _Period | None = None
    issued: Text = None
    valueQuantity: _Quantity | None = None
    valueString: Text = None
    valueCodeableConcept: _Concept | None = None
    valueRange: _Range | None = None
    dataAbsentReason: _Concept | None = None
    interpretation: list[_Concept] | None = None
    referenceRange: list[_Range] | None = None
    note: Objects = None


class _Collection(msgspec.Struct):
    collectedDateTime: Text = None
    collectedPeriod: _Period | None = None
    bodySite: _Concept | None = None


class _Specimen(_Resource):
    subject: _Reference | None = None
    type: _Concept | None = None
    collection: _Collection | None = None
    receivedTime: Text = None


class _ServiceRequest(_Resource):
    subject: _Reference | None = None
    status: Text = None
    intent: Text = None
    code: _Concept | None = None
    category: list[_Concept] | None = None
    basedOn: list[_Reference] | None = None
    authoredOn: Text = None
    occurrenceDateTime: Text = None


class _DiagnosticReport(_Resource):
    subject: _Reference | None = None
    status: Text = None
    code: _Concept | None = None
    category: list[_Concept] | None = None
    basedOn: list[_Reference] | None = None
    result: list[_Reference] | None = None
    imagingStudy: list[_Reference] | None = None
    effectiveDateTime: Text = None
    effectivePeriod: _Period | None = None
    issued: Text = None
    conclusion: Text = None
    conclusionCode: list[_Concept] | None = None
    presentedForm: Objects = None


class _Series(msgspec.Struct):
    modality: _Coding | None = None


class _ImagingStudy(_Resource):
    subject: _Reference | None = None
    status: Text = None
    modality: list[_Coding] | None = None
    basedOn: list[_Reference] | None = None
    procedureCode: list[_Concept] | None = None
    description: Text = None
    started: Text = None
    numberOfSeries: int | None = None
    numberOfInstances: int | None = None
    series: list[_Series] | None = None


class _Medication(_Resource):
    code: _Concept | None = None


class _MedicationAdministration(_Resource):
    subject: _Reference | None = None
    status: Text = None
    medicationCodeableConcept: _Concept | None = None
    medicationReference: _Reference | None = None
    effectiveDateTime: Text = None
    effectivePeriod: _Period | None = None
    dosage: dict[str, Any] | None = None


class _MedicationRequest(_Resource):
    subject: _Reference | None = None
    status: Text = None
    intent: Text = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: _Concept | None = None
    medicationReference: _Reference | None = None
    authoredOn: Text = None
    dosageInstruction: Objects = None
    dispenseRequest: dict[str, Any] | None = None


class _QuestionnaireResponse(_Resource):
    identifier: _Identifier | None = None  # type: ignore[assignment]  # R4: one, where other resources have a list
    subject: _Reference | None = None
    questionnaire: Text = None
    status: Text = None
    authored: Text = None
    item: Objects = None


class _Location(_Resource):
    name: Text = None
    partOf: _Reference | None = None


_FORMS: Mapping[str, type[_Resource]] = {
    form.__name__.removeprefix("_"): form
    for form in (
        _Patient,
        _RelatedPerson,
        _Encounter,
        _Condition,
        _Procedure,
        _Observation,
        _Specimen,
        _ServiceRequest,
        _DiagnosticReport,
        _ImagingStudy,
        _Medication,
        _MedicationAdministration,
        _MedicationRequest,
        _QuestionnaireResponse,
        _Location,
    )
}
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(form) for kind, form in _FORMS.items()}


class _Kind(msgspec.Struct):
    resourceType: Text = None


_CONTAINED = msgspec.json.Decoder(list[msgspec.Raw])
_KIND = msgspec.json.Decoder(_Kind)

ELEMENTS: Mapping[tuple[str, str], msgspec.json.Decoder[Any]] = {
    (kind, field.encode_name): msgspec.json.Decoder(field.type)
    for kind, form in _FORMS.items()
    for field in msgspec.structs.fields(form)
}
"""The same element by element: what decodes has the form of the element of that kind of resource."""

TEXTS = frozenset(
    (kind, field.encode_name)
    for kind, form in _FORMS.items()
    for field in msgspec.structs.fields(form)
    if field.type == Text
)
"""Those that are a text."""


def check_contained(raw: bytes) -> None:
    """Raises an error of msgspec where one of a list of contained resources has not the form of its kind."""
    for one in _CONTAINED.decode(raw):
        decoder = _DECODERS.get(_KIND.decode(one).resourceType or "")
        if decoder is not None:
            decoder.decode(one)


def fault(raw: bytes, *, kind: str, at: str) -> Problem | None:
    """The first element that has another form than FHIR gives it, by its pointer."""
    found = decode_tolerant(raw, at=at)
    problem = _fault(encode(found), kind=kind, at=at)
    contained = found.get("contained")
    if problem is None and isinstance(contained, list):
        for number, one in enumerate(contained):
            kind, place = str(one.get("resourceType")), f"{at}/contained/{number}"
            problem = problem or _fault(encode(one), kind=kind, at=place)
    return problem


def _fault(raw: bytes, *, kind: str, at: str) -> Problem | None:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        return None
    try:
        decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        text, _, path = str(error).rpartition(" - at `$")
        expected = re.match(r"Expected `([^`]*)`", text)
        what = f"not a valid {kind}: " + (
            f"{_named(expected[1])} is expected here" if expected else "it cannot be read"
        )
        return Problem(
            code=ProblemCode.BAD_RESOURCE, text=what, at=at + re.sub(r"[.\[]", "/", re.sub(r"[\]`]", "", path))
        )
    return None


def _named(expected: str) -> str:
    """msgspec's name of a type in the words of JSON."""
    names = {"str": "a text", "object": "an object", "array": "a list", "bool": "yes or no"}
    first = expected.split(" | ")[0]
    return names.get(first, "a number")
