"""The rows as they stand inside the trust: every field, what it means, and in which form it may leave.

The hot path builds plain dicts; these models are the definition (JSON Schema, dictionary, checks), not a container.
Field names follow the data dictionary of CSOR; a field that is null is not known. Times are ISO 8601 text with their
offset; a time known only to the day is a date.
"""

from typing import Any, Literal

from pydantic import BaseModel

from adapter.csor.fields import (
    FEEDS,
    Analyte,
    Availability,
    CaseState,
    Codes,
    Comparator,
    Condition,
    Flag,
    Interference,
    Leaves,
    NationalId,
    Number,
    Precision,
    ResultStatus,
    Role,
    Row,
    Sex,
    SpecimenType,
    Text,
    Time,
    Verification,
    VisitClass,
    VisitStatus,
    field,
    required,
)
from adapter.csor.record_course import MedicationCourse, MotherBabyLink, OutcomeEvent, WardStay
from adapter.csor.record_imaging import ImagingReport, ImagingStudy
from adapter.csor.record_notes import OperationNote
from adapter.csor.record_vitals import VitalSign


class Infant(Row):
    """The child: one row per person."""

    birth_datetime: Time = field("When the child was born, as precisely as known.", Leaves.MONTH_ONCE)
    birth_precision: Precision | None = field("How precisely the birth is known.", Leaves.AS_IS)
    sex: Sex | None = field("Phenotypic or administrative sex as recorded.", Leaves.AS_IS)
    ethnic_category: Text = field("Ethnic category, in the code of the nation's list.", Leaves.AS_IS)
    nhs_number_status: Text = field("How far the NHS number has been traced, 01 to 08; 01 is verified.", Leaves.AS_IS)
    national_id_type: NationalId | None = field("Which nation's number identifies the child.", Leaves.AS_IS)
    multiple_birth: bool | None = field("Whether the child is one of twins or more.", Leaves.AS_IS)
    birth_order: int | None = field("Which of the twins or more the child is, from 1.", Leaves.AS_IS)
    gestation_days: int | None = field(
        "Gestation at birth in whole days.", Leaves.AS_IS, available=(*FEEDS, Availability.BADGERNET)
    )
    birth_weight_g: Number = field(
        "Weight at birth in grams.", Leaves.AS_IS, available=(*FEEDS, Availability.BADGERNET)
    )
    apgar_1: int | None = field("Apgar score at one minute.", Leaves.AS_IS, available=(*FEEDS, Availability.BADGERNET))
    apgar_5: int | None = field(
        "Apgar score at five minutes.", Leaves.AS_IS, available=(*FEEDS, Availability.BADGERNET)
    )
    deceased: bool | None = field("Whether the child is recorded as dead.", Leaves.AS_IS)
    death_datetime: Time = field("When the child died, as precisely as known.", Leaves.MINUTES_FROM_BIRTH)


class Admission(Row):
    """One hospital spell."""

    spell_id: Text = field("The visit number inside the trust.", Leaves.WITHHELD)
    visit_class: VisitClass | None = field("Inpatient, outpatient or emergency.", Leaves.AS_IS, alias="class")
    status: VisitStatus | None = field("Whether the stay goes on or is over.", Leaves.AS_IS)
    admit_dt: Time = field("When the stay began.", Leaves.MINUTES_FROM_BIRTH)
    discharge_dt: Time = field("When the stay ended; null while it goes on.", Leaves.MINUTES_FROM_BIRTH)
    admission_method: Text = field("How the child came to be admitted, in the national code.", Leaves.AS_IS)
    source_of_admission: Text = field("Where the child came from, in the national code.", Leaves.AS_IS)
    discharge_method: Text = field("How the stay ended, in the national code; 4 is death.", Leaves.AS_IS)
    discharge_destination: Text = field("Where the child went, in the national code.", Leaves.AS_IS)
    treatment_function: Text = field("Treatment function of the stay, such as 171 paediatric surgery.", Leaves.AS_IS)
    ward_code: Text = field("The ward last recorded for the stay, in the trust's own code.", Leaves.WITHHELD)


class Diagnosis(Row):
    """One diagnosis as it was coded."""

    code: Text = required("The diagnosis, in ICD-10 where the EPR has it, else SNOMED CT.", Leaves.LISTED_CODE)
    code_system: Text = field("The system of `code`.", Leaves.AS_IS)
    codes: Codes = field("Every coding that was sent.", Leaves.LISTED_CODE)
    system_inferred: bool | None = field("The sender named no system; it was inferred from the segment.", Leaves.AS_IS)
    role: Role | None = field("Problem list, diagnosis of the visit, admitting or working diagnosis.", Leaves.AS_IS)
    verification: Verification | None = field("How sure the source is; null where it does not say.", Leaves.AS_IS)
    clinical_status: Text = field("Whether the condition is active.", Leaves.AS_IS)
    onset_dt: Time = field("When the condition began or was diagnosed.", Leaves.MINUTES_FROM_BIRTH)
    recorded_dt: Time = field("When it was recorded.", Leaves.MINUTES_FROM_BIRTH)


class Operation(Row):
    """One procedure of a theatre visit."""

    procedure_code: Text = required("What was done, in OPCS-4 where the EPR has it, else SNOMED.", Leaves.LISTED_CODE)
    procedure_system: Text = field("The system of `procedure_code`.", Leaves.AS_IS)
    codes: Codes = field("Every coding that was sent.", Leaves.LISTED_CODE)
    system_inferred: bool | None = field("The sender named no system; it was inferred from the segment.", Leaves.AS_IS)
    status: Literal["completed"] | None = field("Only completed operations make a row.", Leaves.AS_IS)
    knife_to_skin: Time = field("When the operation began; never the time it was typed in.", Leaves.MINUTES_FROM_BIRTH)
    knife_end: Time = field("When the operation ended.", Leaves.MINUTES_FROM_BIRTH)
    index_for: list[Condition] | None = field(
        "Conditions whose index operation it is: the first definitive one (ruling R17).", Leaves.AS_IS
    )


class LabResult(Row):
    """One laboratory value."""

    analyte: Analyte = required("What was measured; `unmapped` where code, name or specimen do not say.", Leaves.AS_IS)
    codes: Codes = field("Every coding of the test that was sent.", Leaves.LISTED_CODE)
    value_num: Number = field("The number as it was sent, in the unit as it was sent.", Leaves.AS_IS)
    comparator: Comparator | None = field("Below or above the measuring range.", Leaves.AS_IS)
    value_original: Text = field("The value as it was sent, comparator included.", Leaves.NUMERIC_TEXT)
    unit_original: Text = field("The unit as it was sent.", Leaves.WITHHELD)
    unit_inferred: bool | None = field("The sender sent no unit; the table of the laboratory states it.", Leaves.AS_IS)
    value_canonical: Number = field(
        "The number in the unit of `unit_ucum`; null where the unit is unknown.", Leaves.AS_IS
    )
    unit_ucum: Text = field("The unit of `value_canonical` in UCUM: the one unit used for this analyte.", Leaves.AS_IS)
    absent_reason: Text = field("Why there is no value, in the FHIR code.", Leaves.AS_IS)
    implausible: bool | None = field("Outside the wide plausible range of the analyte; kept and flagged.", Leaves.AS_IS)
    specimen_type: SpecimenType | None = field("What was sampled, from where.", Leaves.AS_IS)
    interference: Interference | None = field("What was wrong with the sample, where the result says so.", Leaves.AS_IS)
    collected_dt: Time = field("When the sample was taken.", Leaves.MINUTES_FROM_BIRTH)
    issued_dt: Time = field("When the laboratory released the result.", Leaves.WITHHELD)
    status: ResultStatus | None = field("Preliminary, final, amended or corrected.", Leaves.AS_IS)
    source_status: Text = field("The status word of the source.", Leaves.WITHHELD)
    abnormal_flag: Text = field("The laboratory's flag, such as H or LL.", Leaves.AS_IS)
    ref_low: Number = field("Lower end of the laboratory's reference range, in the unit as sent.", Leaves.AS_IS)
    ref_high: Number = field("Upper end of the laboratory's reference range, in the unit as sent.", Leaves.AS_IS)


class ConditionCase(Row):
    """One condition of a child, with its state recomputed from all live evidence."""

    condition: Condition = required("Which of the conditions of the register.", Leaves.AS_IS)
    state: CaseState = required("How far the evidence goes.", Leaves.AS_IS)
    because: Text = field("Why, in one sentence for a person of the trust.", Leaves.WITHHELD)
    first_evidence: Time = field("The time of the first evidence.", Leaves.MINUTES_FROM_BIRTH)
    evidence: Codes = field("The codes that count.", Leaves.LISTED_CODE)
    flags: list[Flag] | None = field("What a person should look at.", Leaves.AS_IS)


KINDS: dict[str, type[BaseModel]] = {
    "infant": Infant,
    "mother_baby_link": MotherBabyLink,
    "admission": Admission,
    "ward_stay": WardStay,
    "diagnosis": Diagnosis,
    "operation": Operation,
    "operation_note": OperationNote,
    "lab_result": LabResult,
    "vital_sign": VitalSign,
    "imaging_study": ImagingStudy,
    "imaging_report": ImagingReport,
    "medication_course": MedicationCourse,
    "outcome_event": OutcomeEvent,
    "condition_case": ConditionCase,
}


def field_leaves(kind: str) -> dict[str, Leaves]:
    """For every field of a kind, by its name in the row, in which form it may leave."""
    leaves: dict[str, Leaves] = {}
    for name, info in KINDS[kind].model_fields.items():
        extra = info.json_schema_extra
        if not isinstance(extra, dict):
            raise TypeError(f"{kind}.{name} does not say how it leaves")
        leaves[info.alias or name] = Leaves(str(extra["leaves"]))
    return leaves


def field_availability(kind: str) -> dict[str, tuple[Availability, ...]]:
    """For every field of a kind, by its name in the row, which kinds of source can say it at all (ruling R19)."""
    found: dict[str, tuple[Availability, ...]] = {}
    for name, info in KINDS[kind].model_fields.items():
        extra = info.json_schema_extra
        said = extra.get("availability") if isinstance(extra, dict) else None
        if not isinstance(said, list):
            raise TypeError(f"{kind}.{name} does not say who can supply it")
        found[info.alias or name] = tuple(Availability(str(each)) for each in said)
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema of each kind of row inside the trust."""
    return {kind: model.model_json_schema(by_alias=True) for kind, model in KINDS.items()}
