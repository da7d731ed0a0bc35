"""Builders of rows as plain fields, and the lists of outcomes as the tests need them."""

from decimal import Decimal
from typing import Any

from adapter.csor.derive import OutcomeRules, Stated

RULES = OutcomeRules(
    definitive={
        "gastroschisis": frozenset({("opcs-4", "T28.1")}),
        "oesophageal_atresia": frozenset({("opcs-4", "G07.3"), ("opcs-4", "G07.1")}),
        "nec": frozenset({("opcs-4", "G69.3"), ("opcs-4", "T46.2")}),
    },
    stoma={
        "stoma_formation": frozenset({("opcs-4", "G74.2"), ("opcs-4", "H15.1")}),
        "stoma_closure": frozenset({("opcs-4", "G75.3")}),
        "stoma_revision": frozenset({("opcs-4", "G75.1")}),
    },
    no_theatre=frozenset({("opcs-4", "E85.1")}),
    no_theatre_chapters=(("opcs-4", "U"),),
    home=frozenset({"19"}),
    to_hospital=frozenset({"51", "52"}),
    from_hospital=frozenset({"51", "52"}),
    died=frozenset({"4"}),
    stays=frozenset({"inpatient"}),
)


def at(day: int, hour: int = 9, minute: int = 0) -> str:
    """A moment of March 2026."""
    return f"2026-03-{day:02d}T{hour:02d}:{minute:02d}:00+00:00"


def a_dose(key: str, start: str | None, **more: Any) -> Stated:
    fields = {"drug_class": "antibiotic", "drug_name": "Gentamicin", "basis": "administered", "start_dt": start}
    return Stated(key, {**fields, "end_dt": None, **more})


def an_order(key: str, start: str, end: str | None = None) -> Stated:
    return a_dose(key, start, basis="ordered", end_dt=end)


def a_move(key: str, ward: str | None, start: str | None, end: str | None = None) -> Stated:
    return Stated(key, {"spell_id": "V1", "ward_code": ward, "ward_type": "nicu", "start_dt": start, "end_dt": end})


def an_operation(key: str, when: str | None, *codes: str, index_for: list[str] | None = None, **more: Any) -> Stated:
    coded = [{"system": "opcs-4", "code": code, "display": None, "listed": True} for code in codes]
    return Stated(key, {"codes": coded, "knife_to_skin": when, "knife_end": None, "index_for": index_for, **more})


def a_measure(key: str, measure: str, value: str | None, **more: Any) -> Stated:
    number = None if value is None else Decimal(value)
    return Stated(key, {"measure": measure, "value_canonical": number, "status": "final", "measured_dt": at(1), **more})


def an_admission(key: str, **fields: Any) -> Stated:
    return Stated(key, {"class": "inpatient", "admit_dt": at(1), "discharge_dt": at(20), **fields})
