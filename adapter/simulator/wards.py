"""The wards of the simulated hospital and the national treatment functions they work under."""

from dataclasses import dataclass
from typing import Literal

WardType = Literal["nicu", "picu", "hdu", "surgical", "pn", "theatre", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """One ward; the trust file lists the same codes with the same types."""

    code: str
    type: WardType
    treatment_function: str
    """NHS Data Dictionary: 422 neonatal critical care, 171 paediatric surgery, 424 well babies, 501 obstetrics."""


NICU = Ward(code="NICU", type="nicu", treatment_function="422")
SURGICAL = Ward(code="PSW", type="surgical", treatment_function="171")
THEATRE = Ward(code="TH1", type="theatre", treatment_function="171")
POSTNATAL = Ward(code="PNW", type="other", treatment_function="424")
MATERNITY = Ward(code="MAT", type="other", treatment_function="501")
ADULT_SURGERY = Ward(code="ASW", type="other", treatment_function="100")
ADULT_MEDICINE = Ward(code="AMU", type="other", treatment_function="300")

WARDS = (NICU, SURGICAL, THEATRE, POSTNATAL, MATERNITY, ADULT_SURGERY, ADULT_MEDICINE)
