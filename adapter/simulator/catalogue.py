"""The catalogues of two laboratories: local codes, the unit as each writes it, and the register's unit.

The sites measure the same things and share no code. The first prints pH, the second hydrogen ion; the second's theatre
analyser was bought abroad and prints pressures in mmHg and haemoglobin in g/dL.
"""

from decimal import Decimal

from adapter.simulator.course import LabTest

EPIC_LABORATORY = "WINPATH"
CAREFLOW_LABORATORY = "TPATH"

CONCEPT_COLUMNS = (
    *("system", "sender", "code", "display", "analyte"),
    *("unit", "default_specimen", "valid_from", "valid_to", "source"),
)

# analyte: register's unit, decimals, LOINC of UK units, reference range of a newborn
_ANALYTES: dict[str, tuple[str, int, str, str]] = {
    "haemoglobin": ("g/L", 0, "718-7", "140-200"),
    "haematocrit": ("L/L", 2, "4544-3", "0.42-0.65"),
    "platelets": ("10*9/L", 0, "777-3", "150-450"),
    "wcc": ("10*9/L", 1, "6690-2", "9.0-30.0"),
    "neutrophils": ("10*9/L", 1, "751-8", "2.0-10.0"),
    "lymphocytes": ("10*9/L", 1, "731-0", "2.0-8.0"),
    "crp": ("mg/L", 0, "1988-5", "<5"),
    "procalcitonin": ("ug/L", 2, "33959-8", "<0.50"),
    "sodium": ("mmol/L", 0, "2951-2", "133-146"),
    "potassium": ("mmol/L", 1, "2823-3", "3.5-6.0"),
    "chloride": ("mmol/L", 0, "2075-0", "95-108"),
    "urea": ("mmol/L", 1, "22664-7", "0.8-5.5"),
    "creatinine": ("umol/L", 0, "14682-9", "14-81"),
    "bicarbonate": ("mmol/L", 0, "1963-8", "18-26"),
    "bilirubin_total": ("umol/L", 0, "14631-6", "<21"),
    "bilirubin_conjugated": ("umol/L", 0, "29760-6", "<20"),
    "albumin": ("g/L", 0, "1751-7", "30-45"),
    "alt": ("U/L", 0, "1742-6", "5-60"),
    "ast": ("U/L", 0, "1920-8", "10-90"),
    "alp": ("U/L", 0, "6768-6", "70-425"),
    "ggt": ("U/L", 0, "2324-2", "8-178"),
    "calcium_total": ("mmol/L", 2, "2000-8", "2.00-2.70"),
    "phosphate": ("mmol/L", 2, "14879-1", "1.30-2.60"),
    "magnesium": ("mmol/L", 2, "2601-3", "0.60-1.00"),
    "triglycerides": ("mmol/L", 2, "14927-8", "<2.50"),
    "glucose": ("mmol/L", 1, "14749-6", "2.6-8.0"),
    "lactate": ("mmol/L", 1, "2524-7", "0.5-2.2"),
    "ph": ("[pH]", 2, "11558-4", "7.35-7.45"),
    "hydrogen_ion": ("nmol/L", 0, "", "35-45"),
    "pco2": ("kPa", 2, "11557-6", "4.60-6.00"),
    "po2": ("kPa", 2, "11556-8", ""),
    "base_excess": ("mmol/L", 1, "11555-0", ""),
    "calcium_ionised": ("mmol/L", 2, "1994-3", "1.10-1.35"),
    "inr": ("{INR}", 1, "6301-6", "0.9-1.4"),
    "prothrombin_time": ("s", 1, "5902-2", "10.0-16.0"),
    "aptt": ("s", 1, "14979-9", "27.0-55.0"),
    "fibrinogen": ("g/L", 1, "3255-7", "1.5-3.7"),
    "ammonia": ("umol/L", 0, "16362-6", "<100"),
    "cystatin_c": ("mg/L", 2, "33863-2", ""),
}
_WORDS = {
    "haemoglobin": "Haemoglobin", "haematocrit": "Haematocrit", "platelets": "Platelet count",
    "wcc": "White cell count", "neutrophils": "Neutrophils", "lymphocytes": "Lymphocytes",
    "crp": "C-reactive protein", "procalcitonin": "Procalcitonin", "sodium": "Sodium", "potassium": "Potassium",
    "chloride": "Chloride", "urea": "Urea", "creatinine": "Creatinine", "bicarbonate": "Bicarbonate",
    "bilirubin_total": "Total bilirubin", "bilirubin_conjugated": "Conjugated bilirubin", "albumin": "Albumin",
    "alt": "Alanine aminotransferase", "ast": "Aspartate aminotransferase", "alp": "Alkaline phosphatase",
    "ggt": "Gamma GT", "calcium_total": "Calcium", "phosphate": "Phosphate", "magnesium": "Magnesium",
    "triglycerides": "Triglycerides", "glucose": "Glucose", "lactate": "Lactate", "ph": "pH",
    "hydrogen_ion": "Hydrogen ion", "pco2": "pCO2", "po2": "pO2", "base_excess": "Base excess",
    "calcium_ionised": "Ionised calcium", "inr": "INR", "prothrombin_time": "Prothrombin time", "aptt": "APTT",
    "fibrinogen": "Fibrinogen", "ammonia": "Ammonia", "cystatin_c": "Cystatin C",
}  # fmt: skip

_EPIC_UNITS = {"{INR}": "", "[pH]": "", "10*9/L": "10^9/L", "umol/L": "µmol/L", "ug/L": "ug/L"}
_CAREFLOW_UNITS = {
    "{INR}": "ratio", "[pH]": "", "10*9/L": "x10*9/L", "mmol/L": "mmol/l", "umol/L": "umol/l", "U/L": "iu/L",
    "g/L": "g/l", "nmol/L": "nmol/l",
}  # fmt: skip

_EPIC_CODES = {
    "FBC": ("haemoglobin", "haematocrit", "platelets", "wcc", "neutrophils", "lymphocytes"),
    "CRP": ("crp",),
    "PCT": ("procalcitonin",),
    "UE": ("sodium", "potassium", "chloride", "urea", "creatinine", "bicarbonate"),
    "LFT": ("bilirubin_total", "bilirubin_conjugated", "albumin", "alt", "alp", "ggt"),
    "BONE": ("calcium_total", "phosphate", "magnesium"),
    "TRIG": ("triglycerides",),
    "COAG": ("inr", "prothrombin_time", "aptt", "fibrinogen"),
    "AMM": ("ammonia",),
    "CYSC": ("cystatin_c",),
    "GAS": ("ph", "pco2", "po2", "base_excess", "lactate", "glucose", "calcium_ionised"),
}
_CAREFLOW_CODES = {
    **_EPIC_CODES,
    "LFT": ("bilirubin_total", "bilirubin_conjugated", "albumin", "alt", "ast", "alp", "ggt"),
    "COAG": ("prothrombin_time", "aptt", "fibrinogen"),
    "GAS": ("hydrogen_ion", "pco2", "po2", "bicarbonate", "lactate", "glucose"),
}
PANEL_WORDS = {
    "FBC": "Full blood count", "CRP": "C-reactive protein", "PCT": "Procalcitonin", "UE": "Urea and electrolytes",
    "LFT": "Liver function tests", "BONE": "Bone profile", "TRIG": "Triglycerides", "COAG": "Coagulation screen",
    "AMM": "Ammonia", "CYSC": "Cystatin C", "GAS": "Blood gas", "GASH": "Blood gas, theatre analyser",
    "UCRE": "Urine creatinine", "CSFB": "CSF biochemistry", "GENT": "Gentamicin level",
}  # fmt: skip


def _test(system: str, code: str, analyte: str, units: dict[str, str]) -> LabTest:
    ucum, decimals, loinc, reference = _ANALYTES[analyte]
    return LabTest(
        code=code,
        words=_WORDS[analyte],
        unit=units.get(ucum, ucum),
        decimals=decimals,
        analyte=analyte,
        unit_ucum=ucum,
        reference=reference,
        loinc=loinc,
        system=system,
    )


def _other(system: str, code: str, words: str, unit: str) -> LabTest:
    return LabTest(code=code, words=words, unit=unit, decimals=1, analyte=None, system=system)


def _theatre(code: str, analyte: str, unit: str, decimals: int, factor: str) -> LabTest:
    ucum = _ANALYTES[analyte][0]
    return LabTest(
        code=code,
        words=f"{_WORDS[analyte]} (theatre)",
        unit=unit,
        decimals=decimals,
        analyte=analyte,
        unit_ucum=ucum,
        factor=Decimal(factor),
        system=CAREFLOW_LABORATORY,
    )


def _epic() -> dict[str, tuple[LabTest, ...]]:
    panels = {
        panel: tuple(
            _test(EPIC_LABORATORY, f"{panel}{number}", analyte, _EPIC_UNITS)
            for number, analyte in enumerate(analytes, start=1)
        )
        for panel, analytes in _EPIC_CODES.items()
    }
    creatinine = next(test for test in panels["UE"] if test.analyte == "creatinine")
    glucose = next(test for test in panels["GAS"] if test.analyte == "glucose")
    return {
        **panels,
        "UCRE": (creatinine,),
        "CSFB": (glucose,),
        "GENT": (_other(EPIC_LABORATORY, "GENTL", "Gentamicin", "mg/L"),),
    }


def _careflow() -> dict[str, tuple[LabTest, ...]]:
    number = iter(range(4101, 4999))
    panels = {
        panel: tuple(
            _test(CAREFLOW_LABORATORY, str(next(number)), analyte, _CAREFLOW_UNITS) for analyte in analytes
        )
        for panel, analytes in _CAREFLOW_CODES.items()
    }  # fmt: skip
    creatinine = next(test for test in panels["UE"] if test.analyte == "creatinine")
    glucose = next(test for test in panels["GAS"] if test.analyte == "glucose")
    return {
        **panels,
        "GASH": (
            _theatre("GEM01", "ph", "", 2, "1"),
            _theatre("GEM02", "pco2", "mmHg", 0, "0.133322"),
            _theatre("GEM03", "haemoglobin", "g/dL", 1, "10"),
            _theatre("GEM04", "haematocrit", "%", 0, "0.01"),
            _theatre("GEM05", "lactate", "mmol/L", 1, "1"),
        ),
        "UCRE": (creatinine,),
        "CSFB": (glucose,),
        "GENT": (_other(CAREFLOW_LABORATORY, "7719", "Gentamicin assay", "mg/L"),),
    }


PANELS: dict[str, dict[str, tuple[LabTest, ...]]] = {"epic": _epic(), "careflow": _careflow()}
"""By dialect of the site, then by panel."""
SAMPLED = {
    "FBC": "blood", "COAG": "plasma", "CRP": "serum", "PCT": "serum", "UE": "serum", "LFT": "serum", "BONE": "serum",
    "TRIG": "serum", "AMM": "plasma", "CYSC": "serum", "GENT": "serum", "UCRE": "urine", "CSFB": "csf",
}  # fmt: skip
"""What each panel is done on; a gas is named by where it was drawn."""


def catalogue() -> tuple[LabTest, ...]:
    """Every test of both laboratories once."""
    tests = {
        (test.system, test.code): test for panels in PANELS.values() for panel in panels.values() for test in panel
    }
    return tuple(tests.values())
