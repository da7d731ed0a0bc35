"""The rows as they stand inside the trust: every field, what it means, and in which form it may leave.

The hot path builds plain dicts; these models are the definition (JSON Schema, dictionary, checks), not a container.
Field names follow the data dictionary of CSOR; a field that is null is not known. Times are ISO 8601 text with their
offset; a time known only to the day is a date.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Leaves(StrEnum):
    """In which form a field may leave the trust (ruling R21)."""

    AS_IS = "as-is"
    MINUTES_FROM_BIRTH = "minutes-from-birth"
    """As whole minutes from birth; as whole days where one of the two times is known only to the day."""
    MONTH_ONCE = "month-once"
    """Only the year and month of birth, once per child."""
    LISTED_CODE = "listed-code"
    """System and code only, and only codes marked `listed`; never the display that was sent."""
    NUMERIC_TEXT = "numeric-text"
    """Only where the text matches the numeric grammar, such as `<5`."""
    WITHHELD = "withheld"


def _field(means: str, leaves: Leaves) -> Any:
    """A field of a row: null unless a source says otherwise."""
    return Field(default=None, description=means, json_schema_extra={"leaves": leaves.value})


def _required(means: str, leaves: Leaves) -> Any:
    return Field(description=means, json_schema_extra={"leaves": leaves.value})


class Code(BaseModel):
    """One coding as kept in a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str | None = Field(
        default=None, description="Short name of a known system (`icd-10`), else as it was sent."
    )
    code: str | None = Field(default=None, description="In the normal form of its system, else as it was sent.")
    display: str | None = Field(default=None, description="As it was sent; never leaves the trust.")
    listed: bool = Field(
        default=False,
        description="On a code list, or well formed in a national system: only such codes may leave.",
    )


Text = str | None
Time = Annotated[str | None, Field(pattern=r"^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?[+-]\d\d:\d\d)?)?)?$")]
Number = Decimal | None
Codes = list[Code] | None

Sex = Literal["male", "female", "indeterminate", "unknown"]
Precision = Literal["year", "month", "day", "minute"]
NationalId = Literal["nhs", "chi", "hcn"]
VisitClass = Literal["inpatient", "outpatient", "emergency", "critical"]
VisitStatus = Literal["arrived", "in-progress", "finished"]
Verification = Literal["confirmed", "provisional", "differential", "unconfirmed", "refuted"]
Role = Literal["problem", "encounter-dx", "coded-FCE", "admitting", "working"]
ResultStatus = Literal["preliminary", "final", "amended", "corrected"]
Comparator = Literal["<", "<=", ">", ">="]
SpecimenType = Literal[
    "venous", "arterial", "capillary", "serum", "plasma", "blood",
    "cord", "csf", "urine", "gastric", "stoma", "other", "unknown",
]  # fmt: skip
Analyte = Literal[
    "crp", "platelets", "lactate", "creatinine", "bilirubin_conjugated", "ph", "hydrogen_ion", "haemoglobin",
    "unmapped",
]  # fmt: skip
Condition = Literal["gastroschisis", "nec"]
CaseState = Literal["suspected", "probable", "confirmed", "refuted"]
Flag = Literal["first_seen_late", "held_for_person", "exomphalos_and_gastroschisis"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class Infant(_Row):
    """The child: one row per person."""

    birth_datetime: Time = _field("When the child was born, as precisely as known.", Leaves.MONTH_ONCE)
    birth_precision: Precision | None = _field("How precisely the birth is known.", Leaves.AS_IS)
    sex: Sex | None = _field("Phenotypic or administrative sex as recorded.", Leaves.AS_IS)
    ethnic_category: Text = _field("Ethnic category, in the code of the nation's list.", Leaves.AS_IS)
    nhs_number_status: Text = _field("How far the NHS number has been traced, 01 to 08; 01 is verified.", Leaves.AS_IS)
    national_id_type: NationalId | None = _field("Which nation's number identifies the child.", Leaves.AS_IS)
    multiple_birth: bool | None = _field("Whether the child is one of twins or more.", Leaves.AS_IS)
    birth_order: int | None = _field("Which of the twins or more the child is, from 1.", Leaves.AS_IS)
    deceased: bool | None = _field("Whether the child is recorded as dead.", Leaves.AS_IS)
    death_datetime: Time = _field("When the child died, as precisely as known.", Leaves.MINUTES_FROM_BIRTH)


class Admission(_Row):
    """One hospital spell."""

    spell_id: Text = _field("The visit number inside the trust.", Leaves.WITHHELD)
    visit_class: VisitClass | None = Field(
        default=None,
        alias="class",
        description="Inpatient, outpatient or emergency.",
        json_schema_extra={"leaves": Leaves.AS_IS.value},
    )
    status: VisitStatus | None = _field("Whether the stay goes on or is over.", Leaves.AS_IS)
    admit_dt: Time = _field("When the stay began.", Leaves.MINUTES_FROM_BIRTH)
    discharge_dt: Time = _field("When the stay ended; null while it goes on.", Leaves.MINUTES_FROM_BIRTH)
    admission_method: Text = _field("How the child came to be admitted, in the national code.", Leaves.AS_IS)
    source_of_admission: Text = _field("Where the child came from, in the national code.", Leaves.AS_IS)
    discharge_method: Text = _field("How the stay ended, in the national code; 4 is death.", Leaves.AS_IS)
    discharge_destination: Text = _field("Where the child went, in the national code.", Leaves.AS_IS)
    treatment_function: Text = _field("Treatment function of the stay, such as 171 paediatric surgery.", Leaves.AS_IS)
    ward_code: Text = _field("The ward last recorded for the stay, in the trust's own code.", Leaves.WITHHELD)


class Diagnosis(_Row):
    """One diagnosis as it was coded."""

    code: Text = _required("The diagnosis, in ICD-10 where the EPR has it, else SNOMED CT.", Leaves.LISTED_CODE)
    code_system: Text = _field("The system of `code`.", Leaves.AS_IS)
    codes: Codes = _field("Every coding that was sent.", Leaves.LISTED_CODE)
    system_inferred: bool | None = _field("The sender named no system; it was inferred from the segment.", Leaves.AS_IS)
    role: Role | None = _field("Problem list, diagnosis of the visit, admitting or working diagnosis.", Leaves.AS_IS)
    verification: Verification | None = _field("How sure the source is; null where it does not say.", Leaves.AS_IS)
    clinical_status: Text = _field("Whether the condition is active.", Leaves.AS_IS)
    onset_dt: Time = _field("When the condition began or was diagnosed.", Leaves.MINUTES_FROM_BIRTH)
    recorded_dt: Time = _field("When it was recorded.", Leaves.MINUTES_FROM_BIRTH)


class Operation(_Row):
    """One procedure of a theatre visit."""

    procedure_code: Text = _required("What was done, in OPCS-4 where the EPR has it, else SNOMED.", Leaves.LISTED_CODE)
    procedure_system: Text = _field("The system of `procedure_code`.", Leaves.AS_IS)
    codes: Codes = _field("Every coding that was sent.", Leaves.LISTED_CODE)
    system_inferred: bool | None = _field("The sender named no system; it was inferred from the segment.", Leaves.AS_IS)
    status: Literal["completed"] | None = _field("Only completed operations make a row.", Leaves.AS_IS)
    knife_to_skin: Time = _field("When the operation began; never the time it was typed in.", Leaves.MINUTES_FROM_BIRTH)
    knife_end: Time = _field("When the operation ended.", Leaves.MINUTES_FROM_BIRTH)


class LabResult(_Row):
    """One laboratory value."""

    analyte: Analyte = _required("What was measured; `unmapped` where code, name or specimen do not say.", Leaves.AS_IS)
    codes: Codes = _field("Every coding of the test that was sent.", Leaves.LISTED_CODE)
    value_num: Number = _field("The number as it was sent, in the unit as it was sent.", Leaves.AS_IS)
    comparator: Comparator | None = _field("Below or above the measuring range.", Leaves.AS_IS)
    value_original: Text = _field("The value as it was sent, comparator included.", Leaves.NUMERIC_TEXT)
    unit_original: Text = _field("The unit as it was sent.", Leaves.WITHHELD)
    value_canonical: Number = _field(
        "The number in the unit of `unit_ucum`; null where the unit is unknown.", Leaves.AS_IS
    )
    unit_ucum: Text = _field("The unit of `value_canonical` in UCUM: the one unit used for this analyte.", Leaves.AS_IS)
    absent_reason: Text = _field("Why there is no value, in the FHIR code.", Leaves.AS_IS)
    implausible: bool | None = _field(
        "Outside the wide plausible range of the analyte; kept and flagged.", Leaves.AS_IS
    )
    specimen_type: SpecimenType | None = _field("What was sampled, from where.", Leaves.AS_IS)
    collected_dt: Time = _field("When the sample was taken.", Leaves.MINUTES_FROM_BIRTH)
    issued_dt: Time = _field("When the laboratory released the result.", Leaves.WITHHELD)
    status: ResultStatus | None = _field("Preliminary, final, amended or corrected.", Leaves.AS_IS)
    source_status: Text = _field("The status word of the source.", Leaves.WITHHELD)
    abnormal_flag: Text = _field("The laboratory's flag, such as H or LL.", Leaves.AS_IS)
    ref_low: Number = _field("Lower end of the laboratory's reference range, in the unit as sent.", Leaves.AS_IS)
    ref_high: Number = _field("Upper end of the laboratory's reference range, in the unit as sent.", Leaves.AS_IS)


class ConditionCase(_Row):
    """One condition of a child, with its state recomputed from all live evidence."""

    condition: Condition = _required("Which of the conditions of the register.", Leaves.AS_IS)
    state: CaseState = _required("How far the evidence goes.", Leaves.AS_IS)
    because: Text = _field("Why, in one sentence for a person of the trust.", Leaves.WITHHELD)
    first_evidence: Time = _field("The time of the first evidence.", Leaves.MINUTES_FROM_BIRTH)
    evidence: Codes = _field("The codes that count.", Leaves.LISTED_CODE)
    flags: list[Flag] | None = _field("What a person should look at.", Leaves.AS_IS)


KINDS: dict[str, type[BaseModel]] = {
    "infant": Infant,
    "admission": Admission,
    "diagnosis": Diagnosis,
    "operation": Operation,
    "lab_result": LabResult,
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


def json_schema() -> dict[str, Any]:
    """The JSON Schema of each kind of row inside the trust."""
    return {kind: model.model_json_schema(by_alias=True) for kind, model in KINDS.items()}
