"""The simulated laboratory: its catalogue of local codes, and the results of an infant's stay.

Ranges are those a neonatal ward sees; they need to be plausible, not predictive.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from adapter.simulator.course import LabTest, Order, OrderReport, Report, Value
from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook

LABORATORY = "WINPATH"
CONCEPT_COLUMNS = (
    *("system", "sender", "code", "display", "analyte"),
    *("unit", "default_specimen", "valid_from", "valid_to", "source"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCode:
    """One line of the trust's table of local codes."""

    code: str
    words: str
    system: str
    analyte: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Mean and spread of a test, well and ill, and the least value that the method can tell."""

    well: float
    ill: float
    spread: float
    least: float = 0.0


CATALOGUE = {
    test.code: test
    for test in (
        LabTest(code="FBHB", words="Haemoglobin", unit="g/L", decimals=0, analyte="haemoglobin", unit_ucum="g/L",
             reference="140-200"),
        LabTest(code="FBPL", words="Platelet count", unit="10^9/L", decimals=0, analyte="platelets", unit_ucum="10*9/L",
             reference="150-450"),
        LabTest(code="FBWC", words="White cell count", unit="10^9/L", decimals=1, analyte="wcc",
             unit_ucum="10*9/L"),
        LabTest(code="CRPB", words="C-reactive protein", unit="mg/L", decimals=0, analyte="crp", unit_ucum="mg/L",
             reference="<5"),
        LabTest(code="UECR", words="Creatinine", unit="µmol/L", decimals=0, analyte="creatinine", unit_ucum="umol/L",
             reference="14-81"),
        LabTest(code="UENA", words="Sodium", unit="mmol/L", decimals=0, analyte="sodium", unit_ucum="mmol/L",
             reference="133-146"),
        LabTest(code="LFCB", words="Conjugated bilirubin", unit="umol/L", decimals=0, analyte="bilirubin_conjugated",
             unit_ucum="umol/L", reference="<20"),
        LabTest(code="LFAL", words="Albumin", unit="g/L", decimals=0, analyte="albumin", unit_ucum="g/L",
             reference="30-45"),
        LabTest(code="BGPH", words="pH", unit="", decimals=2, analyte="ph", unit_ucum="[pH]", reference="7.35-7.45"),
        LabTest(code="BGLA", words="Lactate", unit="mmol/L", decimals=1, analyte="lactate", unit_ucum="mmol/L",
             reference="0.5-2.2"),
        LabTest(code="BHHY", words="Hydrogen ion", unit="nmol/L", decimals=0, analyte="hydrogen_ion",
             unit_ucum="nmol/L", reference="35-45"),
        LabTest(code="BHLA", words="Lactate (theatre analyser)", unit="mmol/L", decimals=2, analyte="lactate",
             unit_ucum="mmol/L", reference="0.5-2.2"),
        LabTest(code="BHHB", words="Haemoglobin (theatre analyser)", unit="g/dL", decimals=1, analyte="haemoglobin",
             unit_ucum="g/L", factor=10, reference="14.0-20.0"),
    )
}  # fmt: skip

_RANGES = {
    "FBHB": _Range(well=155, ill=110, spread=15, least=1),
    "FBPL": _Range(well=260, ill=55, spread=30, least=5),
    "FBWC": _Range(well=11, ill=3.5, spread=2, least=0.1),
    "CRPB": _Range(well=1.5, ill=120, spread=2.5, least=1),
    "UECR": _Range(well=42, ill=95, spread=9, least=4),
    "UENA": _Range(well=138, ill=131, spread=2.5, least=1),
    "LFCB": _Range(well=9, ill=55, spread=5, least=2),
    "LFAL": _Range(well=33, ill=22, spread=2, least=1),
    "BGPH": _Range(well=7.36, ill=7.14, spread=0.03, least=6.5),
    "BGLA": _Range(well=1.6, ill=7.5, spread=0.5, least=0.3),
    "BHHY": _Range(well=42, ill=70, spread=3, least=10),
    "BHLA": _Range(well=1.6, ill=7.5, spread=0.5, least=0.3),
    "BHHB": _Range(well=15.5, ill=11, spread=1.2, least=0.5),
}

PANELS = {
    "FBC": ("Full blood count", ("FBHB", "FBPL", "FBWC")),
    "CRP": ("C-reactive protein", ("CRPB",)),
    "UE": ("Urea and electrolytes", ("UECR", "UENA")),
    "LFT": ("Liver function tests", ("LFCB", "LFAL")),
    "GAS": ("Blood gas, ward analyser", ("BGPH", "BGLA")),
    "GASH": ("Blood gas, theatre analyser", ("BHHY", "BHLA", "BHHB")),
    "UCRE": ("Urine creatinine", ("UECR",)),
}


def lab_codes() -> tuple[LabCode, ...]:
    """The local codes that the trust has mapped."""
    return tuple(
        LabCode(code=test.code, words=test.words, system=LABORATORY, analyte=test.analyte, unit=test.unit)
        for test in CATALOGUE.values()
        if test.analyte is not None
    )


def lab_codes_csv(codes: Iterable[LabCode]) -> str:
    """The same as the text of a concept table of the trust, valid for every sender and time."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CONCEPT_COLUMNS)
    for code in codes:
        table.writerow((code.system, "", code.code, code.words, code.analyte, code.unit, "", "", "", "simulated"))
    return text.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Illness:
    """When results are those of a very ill infant."""

    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        """Whether the infant is ill then."""
        return self.since <= moment <= self.until


class Bench:
    """Runs the samples of one patient."""

    def __init__(self, book: NumberBook, rng: Random, *, illness: Illness | None = None) -> None:
        self._book = book
        self._rng = rng
        self._illness = illness

    def stay(self, begins: datetime, ends: datetime, *, is_birth: bool) -> tuple[Report, ...]:
        """All reports of an infant's stay, in order of time; with the cord gas where it begins with the birth."""
        reports = [
            *(self.sample(begins, specimen="cord", panels=("GAS",)) if is_birth else ()),
            *self.sample(after(begins, days=1.2), specimen="urine", panels=("UCRE",)),
        ]
        for at in self._times(begins, ends, every_days=2.3):
            specimen = self._rng.choice(("venous", "venous", "capillary"))
            reports += self.sample(at, specimen=specimen, panels=("FBC", "CRP", "UE"))
        for at in self._times(begins, min(ends, after(begins, days=14)), every_days=1.1):
            gas = "GASH" if self._rng.random() < 0.25 else "GAS"
            reports += self.sample(at, specimen="venous" if gas == "GASH" else "capillary", panels=(gas,))
        for at in self._times(after(begins, days=4), ends, every_days=6):
            reports += self.sample(at, specimen="venous", panels=("LFT",))
        return tuple(sorted(reports, key=lambda report: report.at))

    def sample(self, at: datetime, *, specimen: str, panels: tuple[str, ...]) -> Iterator[Report]:
        """One sample: perhaps a preliminary report, the final one, and perhaps a correction."""
        done = tuple(self._order(at, specimen=specimen, panel=panel) for panel in panels)
        ready = after(at, minutes=self._rng.uniform(12, 200))
        if self._rng.random() < 0.2:
            early = tuple(_as_status(self._measure_again(order), "P") for order in done[:1])
            yield Report(at=ready, orders=early)
            ready = after(ready, minutes=self._rng.uniform(10, 90))
        note = "Sample slightly haemolysed; repeat if indicated, NEC" if self._rng.random() < 0.1 else ""
        yield Report(at=ready, orders=done, note=note)
        if self._rng.random() < 0.08:
            wrong = self._measure_again(self._rng.choice(done))
            # Only the value that was wrong is sent again.
            corrected = replace(wrong, status="C", values=wrong.values[:1])
            yield Report(at=after(ready, hours=self._rng.uniform(1, 20)), orders=(corrected,))

    def _order(self, at: datetime, *, specimen: str, panel: str) -> OrderReport:
        words, codes = PANELS[panel]
        order = Order(
            number=self._book.order_number(), panel=panel, panel_words=words, specimen=specimen, collected_at=at
        )
        values = tuple(self._value(CATALOGUE[code], at) for code in codes)
        return OrderReport(order=order, status="F", values=values)

    def _measure_again(self, report: OrderReport) -> OrderReport:
        values = tuple(self._value(value.test, report.order.collected_at) for value in report.values)
        return replace(report, values=values)

    def _value(self, test: LabTest, at: datetime) -> Value:
        expected = _RANGES[test.code]
        mean = expected.ill if self._illness and self._illness.covers(at) else expected.well
        drawn = self._rng.gauss(mean, expected.spread)
        if drawn < expected.least:
            return Value(test=test, number=f"{expected.least:.{test.decimals}f}", comparator="<")
        return Value(test=test, number=f"{drawn:.{test.decimals}f}")

    def _times(self, begins: datetime, ends: datetime, *, every_days: float) -> Iterator[datetime]:
        at = after(begins, hours=self._rng.uniform(1, 12))
        while at < ends:
            yield at
            at = after(at, days=every_days * self._rng.uniform(0.8, 1.2))


def _as_status(report: OrderReport, status: str) -> OrderReport:
    return replace(report, status=status)
