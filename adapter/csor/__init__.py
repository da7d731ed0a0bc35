"""Language 3, pure: the rows of the CSOR record and the payload that may leave. Knows neither HL7 v2 nor FHIR."""

from adapter.csor.fields import Availability, Code, Leaves
from adapter.csor.record import (
    KINDS,
    Admission,
    ConditionCase,
    Diagnosis,
    Infant,
    LabResult,
    Operation,
    field_availability,
    field_leaves,
    json_schema,
)

__all__ = [
    "KINDS",
    "Admission",
    "Availability",
    "Code",
    "ConditionCase",
    "Diagnosis",
    "Infant",
    "LabResult",
    "Leaves",
    "Operation",
    "field_availability",
    "field_leaves",
    "json_schema",
]
