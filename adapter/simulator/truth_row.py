"""One row that the register should end up with; field names are those of the data dictionary."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

Field = str | Decimal | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """One expected row of a confirmed child."""

    kind: str
    child: str
    """The hospital number that the child ends up with."""
    key: tuple[str, ...]
    """infant: none; admission: visit; diagnosis: visit, code; operation: visit, code, time; lab_result: order, test;
    condition_case: condition; ward_stay: visit, start; vital_sign: record, measure; imaging: accession;
    medication_course: drug, start; operation_note: record; outcome_event: type, time; mother_baby_link: source."""
    fields: Mapping[str, Field]
