"""What a FHIR-to-CSOR mapping file may say: the closed vocabulary, as models. Whatever is not named here is an error.

A path is a FHIR path (`performedPeriod.start`); `specimen>collection.collectedDateTime` goes on in the resource that
the first reference points at, `location.location>partOf>name` in the one that that refers to. Several paths mean: the
first that has a value. There are no expressions and no templates.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, StringConstraints, model_validator

from adapter.csor.record import KINDS, field_leaves
from adapter.datafile import Positioned, hyphenated
from adapter.fhir.path import parse_path


def _checked_path(text: str) -> str:
    for path in text.split(">"):
        parse_path(path)
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


FhirPath = Annotated[str, AfterValidator(_checked_path)]
Paths = Annotated[tuple[FhirPath, ...], BeforeValidator(_as_list)]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Sentence = Annotated[str, StringConstraints(min_length=10, pattern=r"\.$")]


class As(StrEnum):
    """The named conversions. The modules of the conversions say in words what each one does."""

    WORD = "word"
    FLAG = "flag"
    INTEGER = "integer"
    NUMBER = "number"
    INSTANT = "instant"
    PRECISION = "precision"
    TABLE = "table"
    FIRST_IN_TABLE = "first-in-table"
    LISTED_CODE = "listed-code"
    PATTERN_CODE = "pattern-code"
    CODES = "codes"
    PREFERRED_CODE = "preferred-code"
    PREFERRED_SYSTEM = "preferred-system"
    SYSTEM_INFERRED = "system-inferred"
    NUMBER_OF_TYPE = "number-of-type"
    WARD_TYPE = "ward-type"
    LATEST_WARD = "latest-ward"
    STUDY = "study"
    MODALITY = "modality"
    # of one laboratory value: decided together, because code, specimen and unit decide together
    ANALYTE = "analyte"
    TEST_CODES = "test-codes"
    VALUE_NUMBER = "value-number"
    VALUE_COMPARATOR = "value-comparator"
    VALUE_ORIGINAL = "value-original"
    UNIT_ORIGINAL = "unit-original"
    VALUE_CANONICAL = "value-canonical"
    UNIT_CANONICAL = "unit-canonical"
    IMPLAUSIBLE = "implausible"
    SPECIMEN_TYPE = "specimen-type"
    UNIT_INFERRED = "unit-inferred"
    # of one measurement, besides those above
    MEASURE = "measure"
    # of one report of an examination: what is coded, and what the text says, decide together
    REPORT_TEXT = "report-text"
    SIGNS_PRESENT = "signs-present"
    SIGNS_ABSENT = "signs-absent"
    SIGNS_UNCERTAIN = "signs-uncertain"
    SIGNS_METHOD = "signs-method"
    # of one drug; what is known to be of no class gives no row
    DRUG_CLASS = "drug-class"
    # of one operation note: the question is found by the table of the questionnaire
    ANSWER = "answer"


LABORATORY = (
    As.ANALYTE,
    As.TEST_CODES,
    As.VALUE_NUMBER,
    As.VALUE_COMPARATOR,
    As.VALUE_ORIGINAL,
    As.UNIT_ORIGINAL,
    As.VALUE_CANONICAL,
    As.UNIT_CANONICAL,
    As.IMPLAUSIBLE,
    As.SPECIMEN_TYPE,
    As.UNIT_INFERRED,
)
"""In the order of `laboratory.Measured`."""

MEASUREMENT = (
    As.MEASURE,
    As.TEST_CODES,
    As.VALUE_NUMBER,
    As.UNIT_ORIGINAL,
    As.VALUE_CANONICAL,
    As.UNIT_CANONICAL,
    As.IMPLAUSIBLE,
)
"""In the order of `measures.MeasuredSign`."""

REPORT = (As.REPORT_TEXT, As.SIGNS_PRESENT, As.SIGNS_ABSENT, As.SIGNS_UNCERTAIN, As.SIGNS_METHOD)
"""In the order of `signs.ReadReport`."""

DECIDED = frozenset({*LABORATORY, *MEASUREMENT, *REPORT, As.DRUG_CLASS, As.ANSWER})
"""Fields that are decided together with others of the same resource, not each by a conversion of its own."""

ALL_VALUES = frozenset(
    {As.FIRST_IN_TABLE, As.LISTED_CODE, As.CODES, As.PREFERRED_CODE, As.PREFERRED_SYSTEM, As.SYSTEM_INFERRED}
    | {As.NUMBER_OF_TYPE, As.STUDY, As.MODALITY, As.LATEST_WARD}
)
"""Conversions that look at every value of the path, not only at the first."""

_NEEDS_TABLE = frozenset({As.TABLE, As.FIRST_IN_TABLE})
_NEEDS_SYSTEMS = frozenset({As.PREFERRED_CODE, As.PREFERRED_SYSTEM, As.SYSTEM_INFERRED})


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Condition(_Rule):
    """One test; all of a file's `include-if` must hold. Any value of the path may satisfy it; `true` means yes."""

    path: FhirPath
    is_one_of: Words = ()
    is_none_of: Words = ()
    or_absent: bool = False
    """`is-one-of` holds also where the path has no value."""

    @model_validator(mode="after")
    def _one_question(self) -> "Condition":
        if bool(self.is_one_of) == bool(self.is_none_of):
            raise ValueError("a condition has one of is-one-of, is-none-of")
        return self


class FieldRule(_Rule):
    """One field of the row: where it is read and how."""

    name: str
    means: Sentence
    """Where it comes from and what to beware of, in plain English."""
    path: Paths
    as_: As
    table: dict[str, str] = {}
    code_list: Words = ()
    """The lists a code must be on; the first that has it wins."""
    also_systems: Words = ()
    """Systems under which senders send codes of that list."""
    prefer_system: Words = ()
    pattern: str = ""
    number_type: str = ""
    """The type of an identifier (HL7 table 0203), such as ACSN."""
    unit: str = ""
    required: bool = False

    @model_validator(mode="after")
    def _complete(self) -> "FieldRule":
        for needed, given, key in (
            (self.as_ in _NEEDS_TABLE, bool(self.table), "table"),
            (self.as_ is As.LISTED_CODE, bool(self.code_list), "code-list"),
            (self.as_ in _NEEDS_SYSTEMS, bool(self.prefer_system), "prefer-system"),
            (self.as_ is As.PATTERN_CODE, bool(self.pattern), "pattern"),
            (self.as_ is As.NUMBER_OF_TYPE, bool(self.number_type), "number-type"),
        ):
            if needed != given:
                raise ValueError(f"`as: {self.as_}` {'needs' if needed else 'has no'} `{key}`")
        return self


Record = Literal[
    "infant", "mother_baby_link", "admission", "ward_stay", "diagnosis", "operation", "operation_note", "lab_result",
    "vital_sign", "imaging_study", "imaging_report", "medication_course",
]  # fmt: skip
ResourceType = Literal[
    "Patient", "RelatedPerson", "Encounter", "Condition", "Procedure", "QuestionnaireResponse", "Observation",
    "ImagingStudy", "DiagnosticReport", "ServiceRequest", "MedicationAdministration", "MedicationRequest",
]  # fmt: skip


class CsorMap(_Rule):
    """One file: how one kind of row is made from one resource of one of these types."""

    kind: Literal["fhir-to-csor"]
    record: Record
    from_: Annotated[tuple[ResourceType, ...], BeforeValidator(_as_list)]
    means: Sentence
    include_if: tuple[Condition, ...] = ()
    fields: tuple[FieldRule, ...]

    @property
    def record_fields(self) -> tuple[str, ...]:
        """The names this kind of row has, in the order of the record."""
        assert self.record in KINDS  # noqa: S101 - the Literal above says so
        return tuple(field_leaves(self.record))
