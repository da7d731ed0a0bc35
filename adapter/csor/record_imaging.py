"""Rows of imaging: the study, and what its report says of the signs that matter."""

from typing import Literal

from adapter.csor.fields import Codes, Leaves, Modality, ResultStatus, Row, Sign, Study, Text, Time, field, required

Signs = list[Sign] | None


class ImagingStudy(Row):
    """One examination."""

    accession: Text = field("The accession number inside the trust.", Leaves.WITHHELD)
    study_uid: Text = field("The DICOM Study Instance UID.", Leaves.WITHHELD)
    study: Study = required("What was examined and how, in the register's words; `other` if unlisted.", Leaves.AS_IS)
    modality: list[Modality] | None = field("DICOM modalities.", Leaves.AS_IS)
    codes: Codes = field("Every coding of the examination that was sent.", Leaves.LISTED_CODE)
    requested_dt: Time = field("When it was requested.", Leaves.MINUTES_FROM_BIRTH)
    performed_dt: Time = field("When it was done; never when it was reported.", Leaves.MINUTES_FROM_BIRTH)
    n_series: int | None = field("Number of series.", Leaves.AS_IS)
    n_instances: int | None = field("Number of images.", Leaves.AS_IS)


class ImagingReport(Row):
    """The report of an examination. Its text stays inside the trust."""

    accession: Text = field("The accession number inside the trust.", Leaves.WITHHELD)
    study: Study = required("What was examined and how, in the register's words; `other` if unlisted.", Leaves.AS_IS)
    status: ResultStatus | None = field("Preliminary, final, amended or corrected.", Leaves.AS_IS)
    performed_dt: Time = field("When the examination was done.", Leaves.MINUTES_FROM_BIRTH)
    reported_dt: Time = field("When the report was issued.", Leaves.MINUTES_FROM_BIRTH)
    text: Text = field("The report as it was sent; never leaves the trust.", Leaves.WITHHELD)
    signs_present: Signs = field("Signs that the report asserts.", Leaves.AS_IS)
    signs_absent: Signs = field("Signs that the report denies.", Leaves.AS_IS)
    signs_uncertain: Signs = field("Signs that the report leaves open.", Leaves.AS_IS)
    method: Literal["coded", "text", "none"] | None = field(
        "Whether the signs were coded by the reporter, read from the text by rule, or none was found.", Leaves.AS_IS
    )
