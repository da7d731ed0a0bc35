"""The numbers under which an order, an examination or a result is known, and the natural keys made of them.

The keys are those of version 2 (`mappings/v2-to-fhir/OBX.yaml`), so that both languages of one thing make one row.
"""

from collections.abc import Iterable, Mapping, Sequence

from adapter.assertion import Resource
from adapter.fhir.part import Part
from adapter.fhir.references import Index

# HL7 table 0203: filler, placer, accession and visit number.
_FILLER, _PLACER, _ACCESSION, _VISIT = "FILL", "PLAC", "ACSN", "VN"
_INTERNATIONAL = ("http://loinc.org", "http://snomed.info/sct")


def listing(parts: Iterable[Part], index: Index) -> Mapping[int, Part]:
    """The DiagnosticReport that lists an Observation, by the identity of the Observation's part."""
    listed: dict[int, Part] = {}
    for part in [part for part in parts if part.panel is None]:
        if part.resource["resourceType"] == "DiagnosticReport":
            for reference in _list(part.resource, "result"):
                found = index.find(_text(reference, "reference"))
                if found is not None:
                    listed.setdefault(id(found), part)
    return listed


class ObservationKeys:
    """The keys of the results of one body; what results share of theirs is worked out once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._orders: dict[tuple[int, int], str] = {}
        self._tests: dict[int, str] = {}

    def key(self, part: Part, *, report: Part | None) -> str:
        """`obs|order|battery|test|` where an order number is known, else the id."""
        resource = part.resource
        order = self.shared(resource, report=report)
        return order + self.test(resource) if order else self._index.key_of_part(part)

    def shared(self, resource: Resource, *, report: Part | None) -> str:
        """The key up to the test: the same for all results of an order and a report; empty where none is known."""
        based_on = resource.get("basedOn")
        if report is None and based_on is None:
            return ""
        # The resources of the body live as long as this does, so the identity of an element stands for its text.
        shared = (id(based_on), id(report))
        order = self._orders.get(shared)
        if order is None:
            order = self._orders[shared] = self._order(resource, report)
        return order

    def test(self, resource: Resource) -> str:
        """The end of the key: `test|`."""
        concept = resource.get("code")
        test = self._tests.get(id(concept))
        if test is None:
            test = self._tests[id(concept)] = test_key(resource)
        return test

    def _order(self, resource: Resource, report: Part | None) -> str:
        """`obs|order|battery|`; empty where no order number is known."""
        if report is None and (request := self._only_request(resource)) is not None:
            number = _number([request], _FILLER) or _number([request], _PLACER)
            return f"obs|{_plain(number)}|{self.test(request)}" if number else ""
        reports = [] if report is None else [report.resource]
        orders = _ordered(resource, self._index)
        if report is not None:
            orders += _ordered(report.resource, self._index)
        numbers = [*orders, *reports]
        order = _number(numbers, _FILLER) or _number(numbers, _PLACER)
        if not order:
            return ""
        for each in (*reports, *orders):
            if battery := _local_code(each):
                return f"obs|{_plain(order)}|{_plain(battery)}|"
        return f"obs|{_plain(order)}||"

    def _only_request(self, resource: Resource) -> Resource | None:
        """The request of the body that a result is based on, and on nothing else: as most are."""
        based_on = resource["basedOn"]
        if len(based_on) != 1 or "identifier" in based_on[0]:
            return None
        found = self._index.find(_text(based_on[0], "reference"))
        return found.resource if found is not None and found.resource["resourceType"] == "ServiceRequest" else None


def test_key(resource: Resource) -> str:
    """`test|`, by its code."""
    return f"{_plain(_local_code(resource))}|"


def imaging_key(part: Part, index: Index) -> str:
    """`imaging|accession`; without one that of the study a report is of, else the id."""
    accession = _number([part.resource, *_ordered(part.resource, index)], _ACCESSION)
    if accession:
        return f"imaging|{_plain(accession)}"
    is_report = part.resource["resourceType"] == "DiagnosticReport"
    for reference in _list(part.resource, "imagingStudy") if is_report else ():
        target = _text(reference, "reference")
        study = index.find(target)
        if study is not None and study.resource["resourceType"] == "ImagingStudy":
            return imaging_key(study, index)
        if target and not target.startswith("#"):
            return index.normal(target)
    return index.key_of_part(part)


def visit_key(part: Part, index: Index) -> str:
    """`visit|number`, as PV1-19 gives it; without a visit number the id."""
    number = _number([part.resource], _VISIT)
    return f"visit|{_plain(number)}" if number else index.key_of_part(part)


def _ordered(resource: Resource, index: Index) -> list[Resource]:
    """What a resource is based on, as far as it is known: a request of the body, or its identifier alone."""
    orders: list[Resource] = []
    for reference in _list(resource, "basedOn"):
        identifier = reference.get("identifier")
        if isinstance(identifier, dict):
            orders.append({"identifier": [identifier]})
        found = index.find(_text(reference, "reference"))
        if found is not None and found.resource["resourceType"] == "ServiceRequest":
            orders.append(found.resource)
    return orders


def _number(holders: Sequence[Resource], kind: str) -> str:
    for holder in holders:
        for identifier in _list(holder, "identifier"):
            for coding in _list(identifier.get("type") or {}, "coding"):
                if coding.get("code") == kind and (value := _text(identifier, "value").strip()):
                    return value
    return ""


def _local_code(resource: Resource) -> str:
    """The code as the laboratory writes it in OBR-4.1 and OBX-3.1: its own before an international one."""
    concept = resource.get("code")
    first = ""
    for coding in _list(concept, "coding") if isinstance(concept, dict) else ():
        code = _text(coding, "code").strip()
        if code and coding.get("system") not in _INTERNATIONAL:
            return code
        first = first or code
    return first


def _plain(text: str) -> str:
    """As version 2 keys write it: keys cannot be mixed up."""
    return text.replace("|", "\\F\\") if "|" in text else text


def _list(resource: Resource, element: str) -> list[Resource]:
    found = resource.get(element)
    if not isinstance(found, list):
        return []
    if len(found) == 1 and isinstance(found[0], dict):
        return found
    return [each for each in found if isinstance(each, dict)]


def _text(resource: Resource, element: str) -> str:
    found = resource.get(element)
    return found if isinstance(found, str) else ""
