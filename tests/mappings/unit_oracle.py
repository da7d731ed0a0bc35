"""What a unit string means, written by hand and computed by ucumvert, without our unit tables.

SPELLINGS was written from the traps of the domain specification and from what laboratories print. A spelling that the
tables accept and that does not stand here fails the tests: nobody has checked it.
"""

from decimal import Decimal
from functools import cache
from typing import Any

from ucumvert import PintUcumRegistry

# g/mol, from the standard atomic weights of IUPAC (2021, abridged) and the formula given; proteins as stated.
MOLAR_MASS = {
    "lactate": 90.08,  # lactic acid, C3H6O3
    "creatinine": 113.12,  # C4H7N3O
    "urea": 60.06,  # CH4N2O
    "urea_nitrogen": 28.014,  # two N to each urea
    "bilirubin_total": 584.67,  # C33H36N4O6, also for the conjugated: reported as bilirubin
    "bilirubin_conjugated": 584.67,
    "glucose": 180.16,  # C6H12O6
    "triglycerides": 885.4,  # triolein, C57H104O6
    "calcium_total": 40.078,
    "calcium_ionised": 40.078,
    "magnesium": 24.305,
    "phosphate": 30.974,  # as P, the convention of clinical chemistry
    "ammonia": 17.031,  # NH3
    "haemoglobin": 16114,  # one chain with its haem; HiCN method, ICSH 1995 (64,458 for the tetramer)
}
MONOVALENT = {"sodium", "potassium", "chloride", "bicarbonate", "base_excess"}

# UCUM unit → how it is also written, apart from blanks; µ and μ are tried for every `u` that means micro.
SPELLINGS = {
    "mg/L": "mg/l mg/litre mgs/L mgs/l mg.L-1 mg/L. milligrams/L",
    "mg/dL": "mg/dl mg% mg/100mL mg/100ml mgs/dL",
    "ug/mL": "ug/ml mcg/mL mcg/ml ugm/mL",
    "ug/L": "ug/l mcg/L mcg/l ugm/L microg/L ug/litre ug.L-1",
    "ng/mL": "ng/ml",
    "ug/dL": "ug/dl mcg/dL mcg/dl ug/100mL",
    "10*9/L": (
        "10^9/L 10^9/l 10*9/l x10*9/L x10^9/L x10^9/l X10^9/L x10*9/l 10e9/L 10E9/L E9/L x10E9/L x10E9/l 10**9/L 109/L"
        " x109/L 10^9/litre x10^9/litre x10(9)/L 10(9)/L *10^9/L *10*9/L 10^9.L-1 bil/L G/L"
    ),
    "10*3/uL": (
        "10^3/uL x10^3/uL x10*3/uL 10^3/ul K/uL k/uL K/ul k/ul 10*3/ul Thou/uL x10E3/uL 10E3/uL K/mm3 K/cumm 10*3/mm3"
        " x10*3/ul x10^3/ul x10(3)/uL 10(3)/uL 10^3/mm3 x10^3/mm3 thou/uL thou/mm3 K/mcL 10^3/mcL x1000/uL"
    ),
    "/nL": "/nl /nanoL",
    "10*6/L": "10^6/L x10^6/L x10*6/L 10*6/l 10^6/l E6/L 10E6/L x10E6/L 10e6/L",
    "/uL": "/ul cells/uL cells/ul /mcL /mm3 /cumm cells/mm3 cells/cumm",
    "mmol/L": "mmol/l mmol/litre mM mmols/L mmol.L-1 millimol/L mmoles/L",
    "meq/L": "mEq/L mEq/l meq/l mequiv/L mEquiv/L meq.L-1",
    "umol/L": (
        "umol/l umol/litre umols/L micromol/L micromol/l mcmol/L mcmol/l micromol/litre micromoles/L uM umol.L-1"
    ),
    "nmol/L": "nmol/l nM nmol.L-1 nmols/L nmol/litre nanomol/L",
    "g/L": "g/l g/litre gm/L g.L-1 gms/L grams/L",
    "g/dL": "g/dl gm/dL gm/dl gms/dL gms/dl grams/dL g/100mL g% gm%",
    "U/L": "IU/L iu/L u/L U/l IU/l u/l iu/l units/L unit/L U/litre IU/litre U.L-1 IU.L-1",
    "ukat/L": "ukat/l mckat/L microkat/L",
    "L/L": "l/l L/l",
    "%": "percent percent pct",
    "[pH]": "ph pH pHunits units",
    "kPa": "kpa KPa kPa. kilopascal",
    "mm[Hg]": "mmHg mmhg mmHG mm(Hg) Torr torr",
    "s": "sec secs second seconds sec. secs.",
    "g": "gm gms gram grams gr",
    "kg": "kgs Kg KG kilo kilos kilogram kilograms",
    "[lb_av]": "lb lbs pound pounds",
    "[oz_av]": "oz ounce ounces",
    "cm": "cms centimetre centimetres centimeter centimeters",
    "mm": "mms millimetre millimetres",
    "m": "metre metres meter meters",
    "[in_i]": "in inch inches",
    "d": "day days",
    "wk": "w week weeks wks weeksgestation completedweeks",
    "Cel": "C oC °C ºC degC Celsius degreesC degreesCelsius",
    "[degF]": "F oF °F degF Fahrenheit degreesF",
    "/min": "bpm beats/min beats/minute beatsperminute {beats}/min /minute perminute min-1 1/min",
    "{INR}": "INR inr",
    "{score}": "score Score /10 points",
}
MEANS = {written: unit for unit, also in SPELLINGS.items() for written in (unit, *also.split())}
# What only the analyte tells: a plain number is a fraction here, a ratio there; "" means that no unit was sent.
MEANS_FOR = {
    "ph": {"": "[pH]", "1": "[pH]"},
    "inr": {"": "{INR}", "1": "{INR}", "ratio": "{INR}", "Ratio": "{INR}", "{ratio}": "{INR}"},
    "haematocrit": {"1": "1", "ratio": "1", "fraction": "1", "v/v": "1"},
    "fio2": {"": "", "1": "1", "ratio": "1", "fraction": "1", "%O2": "%"},
    "spo2": {"1": "1", "ratio": "1", "fraction": "1", "%O2": "%", "%SpO2": "%"},
    "apgar_1min": {"": "{score}", "1": "{score}"},
    "apgar_5min": {"": "{score}", "1": "{score}"},
    "gestational_age_birth": {"": ""},
}


def meaning(name: str, written: str) -> str:
    """The UCUM unit of a spelling; KeyError where nobody has written it down."""
    text = written.replace("µ", "u").replace("μ", "u")
    special = MEANS_FOR.get(name, {})
    return special[text] if text in special else MEANS[text]


@cache
def _registry() -> Any:
    return PintUcumRegistry()


def converted(name: str, value: str | Decimal, *, unit: str, canonical: str) -> float:
    """The value in the canonical unit, by ucumvert; between mass and substance by the molar mass."""
    if unit == canonical or {unit, canonical} <= {"{INR}", "[pH]", "{score}"}:
        return float(value)
    if unit in ("Cel", "[degF]"):
        registry = _registry()
        source, target = registry.from_ucum(unit), registry.from_ucum(canonical)
        return float(registry.Quantity(float(value), source.units).to(target.units).magnitude)
    return float(value) * _factor(name, unit, canonical)


@cache
def _factor(name: str, unit: str, canonical: str) -> float:
    registry = _registry()
    if name in MONOVALENT:
        unit, canonical = unit.replace("meq", "mmol"), canonical.replace("meq", "mmol")
    source, target = registry.from_ucum(unit), registry.from_ucum(canonical)
    if source.dimensionality != target.dimensionality and "[substance]" in source.dimensionality:
        source = source * registry.from_ucum("g/mol") * MOLAR_MASS[name]
    elif source.dimensionality != target.dimensionality and "[substance]" in target.dimensionality:
        source = source / (registry.from_ucum("g/mol") * MOLAR_MASS[name])
    return float(source.to(target.units).magnitude / target.magnitude)
