"""Two pharmacies' lists, and how nutrition, antibiotics and inotropes are given on a neonatal unit.

Doses of one course are never more than two days apart, and two courses of one drug never less than eight: whatever gap
the register takes as the end of a course, the truth is the same.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random

from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook
from adapter.simulator.prescriptions import Dose, Drug, DrugClass, Prescription
from adapter.simulator.wards import Site

EPIC_PHARMACY = "WILLOW"
CAREFLOW_PHARMACY = "CFMEDS"

# name: class, unit of a dose, words, code of either pharmacy
_LIST: dict[str, tuple[DrugClass | None, str, str, str, str]] = {
    "nutrition": ("parenteral_nutrition", "mL", "Neonatal PN aqueous bag (Numeta-like)", "PN1001", "51001"),
    "lipid": ("parenteral_nutrition", "mL", "Lipid 20% emulsion infusion", "PN1002", "51002"),
    "gentamicin": ("antibiotic", "mg", "Gentamicin injection", "AB2001", "62011"),
    "benzylpenicillin": ("antibiotic", "mg", "Benzylpenicillin injection", "AB2002", "62012"),
    "cefotaxime": ("antibiotic", "mg", "Cefotaxime injection", "AB2003", "62013"),
    "metronidazole": ("antibiotic", "mg", "Metronidazole infusion", "AB2004", "62014"),
    "vancomycin": ("antibiotic", "mg", "Vancomycin infusion", "AB2005", "62015"),
    "trimethoprim": ("antibiotic", "mg", "Trimethoprim oral suspension", "AB2006", "62016"),
    "dopamine": ("inotrope", "mg", "Dopamine infusion", "IN3001", "73001"),
    "noradrenaline": ("inotrope", "mg", "Noradrenaline infusion", "IN3002", "73002"),
    "vitamin_k": (None, "mg", "Phytomenadione injection", "VT4001", "84001"),
}
_HOURS_BETWEEN = {
    "gentamicin": 36, "benzylpenicillin": 12, "cefotaxime": 12, "metronidazole": 12, "vancomycin": 12,
    "trimethoprim": 24,
}  # fmt: skip


def _drugs(*, is_epic: bool) -> dict[str, Drug]:
    return {
        name: Drug(
            code=epic if is_epic else careflow,
            words=words,
            system=EPIC_PHARMACY if is_epic else CAREFLOW_PHARMACY,
            drug_class=drug_class,
            dose_unit=unit,
            route="PO" if name == "trimethoprim" else "IM" if name == "vitamin_k" else "IV",
        )
        for name, (drug_class, unit, words, epic, careflow) in _LIST.items()
    }


DRUGS: dict[str, dict[str, Drug]] = {"epic": _drugs(is_epic=True), "careflow": _drugs(is_epic=False)}
"""By dialect of the site, then by name."""


def drugs() -> tuple[Drug, ...]:
    """Both lists."""
    return tuple(drug for each in DRUGS.values() for drug in each.values())


def drugs_csv(listed: Iterable[Drug]) -> str:
    """The same as the text of the trust's table of drugs; vitamin K is not on it."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("code", "name", "class"))
    table.writerows((drug.code, drug.words, drug.drug_class) for drug in listed if drug.drug_class is not None)
    return text.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pharmacy:
    """Writes the prescriptions of one site."""

    book: NumberBook
    rng: Random
    site: Site

    def nutrition(self, begins: datetime, ends: datetime) -> Iterator[Prescription]:
        """A bag a day, prescribed a week at a time, until full feeds."""
        at = begins
        while at < ends:
            until = min(after(at, days=7), ends)
            yield self._prescription("nutrition", tuple(self._bags(at, until)), ordered_at=after(at, hours=-3))
            at = until

    def antibiotic(self, name: str, begins: datetime, *, days: float) -> Prescription:
        """So many days of doses."""
        return self._prescription(name, tuple(self._doses(name, begins, days)), ordered_at=after(begins, minutes=-25))

    def inotrope(self, begins: datetime, *, days: float, name: str = "dopamine") -> Prescription:
        """A syringe every twelve hours, without interruption."""
        count = max(2, round(days * 2))
        doses = tuple(
            Dose(
                number=number + 1,
                at=after(begins, hours=12 * number),
                until=after(begins, hours=12 * (number + 1)),
                amount=self._amount(20, 60),
            )
            for number in range(count)
        )
        return self._prescription(name, doses, ordered_at=after(begins, minutes=-10))

    def once(self, name: str, at: datetime) -> Prescription:
        """One dose."""
        dose = Dose(number=1, at=at, until=after(at, minutes=1), amount=Decimal(1))
        return self._prescription(name, (dose,), ordered_at=after(at, minutes=-5))

    def _bags(self, begins: datetime, ends: datetime) -> Iterator[Dose]:
        at, number = begins, 1
        while at < ends:
            until = min(after(at, hours=24), ends)
            yield Dose(number=number, at=at, until=until, amount=self._amount(90, 420))
            at, number = until, number + 1

    def _doses(self, name: str, begins: datetime, days: float) -> Iterator[Dose]:
        between = _HOURS_BETWEEN[name]
        count = max(2, round(days * 24 / between))
        # The first and the last are always given, so that a dose left out never moves an end of the course.
        is_left_out = count > 4 and between < 24 and self.rng.random() < 0.25
        left_out = self.rng.randrange(1, count - 1) if is_left_out else None
        for number in range(count):
            at = after(begins, hours=between * number, minutes=self.rng.uniform(-20, 40) if number else 0)
            yield Dose(
                number=number + 1,
                at=at,
                until=after(at, minutes=30),
                amount=self._amount(5, 60),
                was_given=number != left_out,
            )

    def _prescription(self, name: str, doses: tuple[Dose, ...], *, ordered_at: datetime) -> Prescription:
        return Prescription(
            number=self.book.prescription_number(),
            drug=DRUGS[self.site.dialect][name],
            ordered_at=ordered_at,
            begins_at=doses[0].at,
            ends_at=doses[-1].until,
            doses=doses,
        )

    def _amount(self, least: float, most: float) -> Decimal:
        return Decimal(f"{self.rng.uniform(least, most):.1f}")
