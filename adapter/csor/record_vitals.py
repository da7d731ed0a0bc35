"""Rows of what is measured of the child without a sample."""

from adapter.csor.fields import Codes, Leaves, Measure, Number, ResultStatus, Row, Text, Time, field, required


class VitalSign(Row):
    """One measurement: growth, gestation, Apgar score."""

    measure: Measure = required("What was measured.", Leaves.AS_IS)
    codes: Codes = field("Every coding that was sent.", Leaves.LISTED_CODE)
    value_num: Number = field("The number as it was sent, in the unit as it was sent.", Leaves.AS_IS)
    unit_original: Text = field("The unit as it was sent.", Leaves.WITHHELD)
    value_canonical: Number = field("The number in the unit of `unit_ucum`; null if the unit is unknown.", Leaves.AS_IS)
    unit_ucum: Text = field("The unit of `value_canonical` in UCUM.", Leaves.AS_IS)
    implausible: bool | None = field("Outside the wide plausible range; kept and flagged.", Leaves.AS_IS)
    measured_dt: Time = field("When it was measured.", Leaves.MINUTES_FROM_BIRTH)
    status: ResultStatus | None = field("Preliminary, final, amended or corrected.", Leaves.AS_IS)
