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


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One hospital of the trust, with an EPR, a laboratory and ward codes of its own."""

    code: str
    """ODS site code."""
    dialect: Literal["epic", "careflow"]
    """How its v2 is written."""
    authority: str
    """Assigning authority of its hospital numbers (CX-4)."""
    feed: str
    """The v2 feed of its engine."""
    nicu: Ward
    picu: Ward
    surgical: Ward
    theatre: Ward
    paediatric: Ward
    postnatal: Ward
    maternity: Ward
    adult_surgery: Ward
    adult_medicine: Ward

    @property
    def wards(self) -> tuple[Ward, ...]:
        """All of them."""
        return (
            *(self.nicu, self.picu, self.surgical, self.theatre, self.paediatric),
            *(self.postnatal, self.maternity, self.adult_surgery, self.adult_medicine),
        )


RXX01 = Site(
    code="RXX01",
    dialect="epic",
    authority="RXX",
    feed="epic",
    nicu=NICU,
    picu=Ward(code="PICU", type="picu", treatment_function="242"),
    surgical=SURGICAL,
    theatre=THEATRE,
    paediatric=Ward(code="PAED", type="other", treatment_function="420"),
    postnatal=POSTNATAL,
    maternity=MATERNITY,
    adult_surgery=ADULT_SURGERY,
    adult_medicine=ADULT_MEDICINE,
)
"""The children's hospital: the larger site, whose EPR also answers FHIR."""
RXX02 = Site(
    code="RXX02",
    dialect="careflow",
    authority="RXX02",
    feed="careflow",
    nicu=Ward(code="W31NNU", type="nicu", treatment_function="422"),
    picu=Ward(code="W08PIC", type="picu", treatment_function="242"),
    surgical=Ward(code="W12CHS", type="surgical", treatment_function="171"),
    theatre=Ward(code="THTR4", type="theatre", treatment_function="171"),
    paediatric=Ward(code="W14CHM", type="other", treatment_function="420"),
    postnatal=Ward(code="W22PN", type="other", treatment_function="424"),
    maternity=Ward(code="W21DEL", type="other", treatment_function="501"),
    adult_surgery=Ward(code="W05GS", type="other", treatment_function="100"),
    adult_medicine=Ward(code="W01AMU", type="other", treatment_function="300"),
)
"""The general hospital with a neonatal surgical unit, joined to the trust with systems of its own."""
SITES = (RXX01, RXX02)
