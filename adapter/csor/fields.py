"""What a field of a row is made of: its type, what it means, in which form it may leave, and who can supply it.

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


class Availability(StrEnum):
    """Which kind of source can say a field at all (ruling R19); completeness counts only what a connected one can."""

    V2 = "v2"
    FHIR = "fhir"
    OPERATIVE_RECORD = "operative-record"
    BADGERNET = "badgernet"
    MATERNITY = "maternity"
    HES_ONS = "hes-ons"
    PARENT = "parent"
    NONE = "none"


FEEDS = (Availability.V2, Availability.FHIR)


def field(means: str, leaves: Leaves, *, available: tuple[Availability, ...] = FEEDS, alias: str | None = None) -> Any:
    """A field of a row: null unless a source says otherwise."""
    return Field(default=None, alias=alias, description=means, json_schema_extra=_said(leaves, available))


def required(means: str, leaves: Leaves, *, available: tuple[Availability, ...] = FEEDS) -> Any:
    """A field without which there is no row."""
    return Field(description=means, json_schema_extra=_said(leaves, available))


def _said(leaves: Leaves, available: tuple[Availability, ...]) -> dict[str, Any]:
    return {"leaves": leaves.value, "availability": [each.value for each in available]}


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
Interference = Literal["haemolysed", "icteric", "lipaemic", "clotted", "insufficient"]
SpecimenType = Literal[
    "venous", "arterial", "capillary", "serum", "plasma", "blood",
    "cord", "csf", "urine", "gastric", "stoma", "other", "unknown",
]  # fmt: skip
Analyte = Literal[
    "crp", "procalcitonin", "lactate", "creatinine", "urea", "urea_nitrogen", "sodium", "potassium", "chloride",
    "bicarbonate", "bilirubin_total", "bilirubin_conjugated", "albumin", "alt", "ast", "alp", "ggt",
    "platelets", "wcc", "neutrophils", "lymphocytes", "haemoglobin", "haematocrit",
    "ph", "hydrogen_ion", "pco2", "po2", "base_excess", "glucose", "triglycerides", "calcium_total",
    "calcium_ionised", "magnesium", "phosphate", "inr", "prothrombin_time", "aptt", "fibrinogen", "ammonia",
    "cystatin_c", "unmapped",
]  # fmt: skip
"""Of a sample of the infant's blood."""
Measure = Literal[
    "birth_weight", "body_weight", "body_length", "head_circumference", "gestational_age_birth",
    "apgar_1min", "apgar_5min", "fio2", "spo2", "temperature", "heart_rate",
]  # fmt: skip
"""Of the infant, without a sample."""
Condition = Literal["hirschsprung", "gastroschisis", "cdh", "oesophageal_atresia", "nec", "puv"]
CaseState = Literal["suspected", "probable", "confirmed", "refuted"]
Flag = Literal[
    "first_seen_late", "late_presenting", "held_for_person", "exomphalos_and_gastroschisis", "sex_contradicts",
]  # fmt: skip
WardKind = Literal["nicu", "picu", "hdu", "surgical", "pn", "theatre", "other", "unknown"]
Modality = Literal["CR", "DX", "US", "RF", "CT", "MR", "NM", "XA", "OT"]
"""DICOM modalities (PS3.3, C.7.3.1.1.1)."""
Study = Literal[
    "abdominal_xray", "chest_xray", "chest_abdominal_xray", "abdominal_ultrasound", "renal_ultrasound",
    "cranial_ultrasound", "upper_gi_contrast", "lower_gi_contrast", "mcug", "renal_nuclear", "echocardiogram",
    "mr_head", "other",
]  # fmt: skip
Sign = Literal[
    "pneumatosis", "portal_venous_gas", "pneumoperitoneum", "fixed_loop", "gasless", "dilated_loops", "free_fluid",
    "transition_zone", "leak", "stricture", "keyhole_bladder", "vesicoureteric_reflux", "coiled_tube",
    "bowel_in_chest", "dilated_posterior_urethra",
]  # fmt: skip
DrugClass = Literal["parenteral_nutrition", "antibiotic", "inotrope", "unmapped"]
OutcomeType = Literal[
    "death", "discharge_home", "transfer_in", "transfer_out", "stoma_formation", "stoma_closure", "stoma_revision",
    "reoperation",
]  # fmt: skip


class Row(BaseModel):
    """Base of every kind of row: closed, and its fields are what leaves, or does not."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)
