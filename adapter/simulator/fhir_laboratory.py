"""Laboratory results: request, specimen, report and one Observation for each value, from preliminary to corrected.

The laboratory's own codes and unit texts are sent as they are; some tests have a LOINC code beside, as in UK hospitals.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from zlib import crc32

from adapter.simulator.course import Course, LabTest, Order, Value
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    HL7,
    LOINC,
    ORDER_NUMBER,
    SNOMED,
    UCUM,
    Json,
    coding,
    concept,
    identifier,
    reference,
    resource,
    system_uri,
    time,
    versions,
    without_empty,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.fhir_visits import visit_at
from adapter.simulator.moments import after

STATUSES = {"P": "preliminary", "F": "final", "C": "corrected"}
_LABORATORY = concept(coding(f"{HL7}observation-category", "laboratory", "Laboratory"))
_SECTION = concept(coding(f"{HL7}v2-0074", "LAB", "Laboratory"))
_REQUEST = concept(coding(SNOMED, "108252007", "Laboratory procedure"))
_SPECIMENS: Mapping[str, tuple[str, str]] = {
    "venous": ("BLDV", "Blood venous"),
    "arterial": ("BLDA", "Blood arterial"),
    "capillary": ("BLDC", "Blood capillary"),
    "cord": ("BLDCO", "Blood cord"),
    "blood": ("BLD", "Whole blood"),
    "serum": ("SER", "Serum"),
    "plasma": ("PLAS", "Plasma"),
    "urine": ("UR", "Urine"),
    "csf": ("CSF", "Cerebral spinal fluid"),
    "gastric": ("GAST", "Fluid, gastric"),
}
"""HL7 table 0487."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """What is known of one order after one report."""

    at: datetime
    status: str
    values: Mapping[str, tuple[Value, str, datetime]]
    """By test: the value, its status, and when it was issued."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worked:
    """One order, and what was known of it after each of its reports."""

    order: Order
    history: list[_Stated] = field(default_factory=list)

    def stated_at(self, moment: datetime) -> _Stated | None:
        """The last report by then."""
        return next((stated for stated in reversed(self.history) if stated.at <= moment), None)

    @property
    def values(self) -> Iterator[Value]:
        """The last of each test."""
        return (value for value, _, _ in self.history[-1].values.values())


def laboratory(course: Course) -> Iterator[Change]:
    """All of the laboratory's resources of a patient."""
    for worked in _orders(course):
        collected_at = worked.order.collected_at
        reported = [stated.at for stated in worked.history]
        moved = [moment for moment in merged_at(course.person) if moment > collected_at]
        yield from versions(partial(_request, course, worked), [collected_at, reported[-1], *moved])
        yield from versions(partial(_specimen, course, worked), [after(collected_at, minutes=9), *moved])
        for value in worked.values:
            yield from versions(partial(_observation, course, worked, value.test.code), [*reported, *moved])
        yield from versions(partial(_report, course, worked), [*reported, *moved])


def _orders(course: Course) -> Iterable[_Worked]:
    orders: dict[str, _Worked] = {}
    for report in course.reports:
        for part in report.orders:
            history = orders.setdefault(part.order.number, _Worked(order=part.order)).history
            before = history[-1].values if history else {}
            fresh = {value.test.code: (value, part.status, report.at) for value in part.values}
            history.append(_Stated(at=report.at, status=part.status, values={**before, **fresh}, note=report.note))
    return orders.values()


def _request(course: Course, worked: _Worked, at: datetime) -> Json:
    order = worked.order
    return resource(
        "ServiceRequest",
        order.number,
        identifier=[identifier(ORDER_NUMBER, order.number, type_code="FILL")],
        status="completed" if worked.history[-1].at <= at else "active",
        intent="order",
        category=[_REQUEST],
        code=_panel(worked),
        subject=subject(course.person, at),
        encounter=visit_at(course, order.collected_at),
        authoredOn=time(order.collected_at),
    )


def _specimen(course: Course, worked: _Worked, at: datetime) -> Json:
    order = worked.order
    code, words = _SPECIMENS.get(order.specimen, ("", order.specimen))
    return resource(
        "Specimen",
        order.number,
        accessionIdentifier=identifier(ORDER_NUMBER, order.number),
        status="available",
        type=concept(coding(f"{HL7}v2-0487", code, words) if code else {}, text=words),
        subject=subject(course.person, at),
        receivedTime=time(after(order.collected_at, minutes=9)),
        collection={"collectedDateTime": time(order.collected_at)},
    )


def _report(course: Course, worked: _Worked, at: datetime) -> Json | None:
    order, stated = worked.order, worked.stated_at(at)
    if stated is None:
        return None
    return resource(
        "DiagnosticReport",
        order.number,
        identifier=[identifier(ORDER_NUMBER, order.number, type_code="FILL")],
        basedOn=[_based_on(order)],
        status=STATUSES[stated.status],
        category=[_SECTION],
        code=_panel(worked),
        subject=subject(course.person, at),
        encounter=visit_at(course, order.collected_at),
        effectiveDateTime=time(order.collected_at),
        issued=time(stated.at),
        specimen=[reference("Specimen", order.number)],
        result=[reference("Observation", order.number, test) for test in stated.values],
        conclusion=stated.note,
    )


def _observation(course: Course, worked: _Worked, test: str, at: datetime) -> Json | None:
    order, stated = worked.order, worked.stated_at(at)
    if stated is None or test not in stated.values:
        return None
    value, status, issued_at = stated.values[test]
    return resource(
        "Observation",
        order.number,
        test,
        basedOn=[_based_on(order)],
        status=STATUSES[status],
        category=[_LABORATORY],
        code=_test(value.test),
        subject=subject(course.person, at),
        encounter=visit_at(course, order.collected_at),
        effectiveDateTime=time(order.collected_at),
        issued=time(issued_at),
        valueQuantity=_quantity(value),
        specimen=reference("Specimen", order.number),
        referenceRange=list(_range(value.test)),
    )


def _based_on(order: Order) -> Json:
    """By reference, and by the number under which HL7 v2 knows the order (OBR-3)."""
    number = identifier(ORDER_NUMBER, order.number, type_code="FILL")
    return {**reference("ServiceRequest", order.number), "identifier": number}


def _panel(worked: _Worked) -> Json:
    order = worked.order
    system = next((value.test.system for value in worked.values), "")
    return concept(coding(system_uri(system), order.panel, order.panel_words), text=order.panel_words)


def _test(test: LabTest) -> Json:
    own = coding(system_uri(test.system), test.code, test.words)
    # A third of the tests, always the same ones, were given their LOINC code when the interface was built.
    has_loinc = test.loinc and test.analyte is not None and crc32(test.code.encode()) % 3 == 0
    return concept(*([coding(LOINC, test.loinc)] if has_loinc else []), own, text=test.words)


def _quantity(value: Value) -> Json:
    """The unit as the laboratory writes it; its UCUM code where the interface knows one."""
    test = value.test
    code = test.unit_ucum if test.unit_ucum and test.factor == 1 and crc32(test.code.encode()) % 2 else None
    return without_empty(
        {
            "value": Decimal(value.number),
            "comparator": value.comparator,
            "unit": test.unit,
            "system": UCUM if code else None,
            "code": code,
        }
    )


def _range(test: LabTest) -> Iterator[Json]:
    """`low-high`, or `<high`."""
    if test.reference.startswith("<"):
        yield {"high": _bound(test.reference[1:], test), "text": test.reference}
    elif test.reference:
        low, _, high = test.reference.rpartition("-")
        yield {"low": _bound(low, test), "high": _bound(high, test), "text": test.reference}


def _bound(number: str, test: LabTest) -> Json:
    return without_empty({"value": Decimal(number), "unit": test.unit})
