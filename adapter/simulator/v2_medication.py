"""The segments of drugs: orders (RDE^O11) and what was given (RAS^O17)."""

from adapter.simulator.prescriptions import Dose, Prescription
from adapter.simulator.v2_dialect import Dialect
from adapter.simulator.v2_text import coded, segment

_ROUTES = {"IV": "Intravenous", "PO": "Oral", "IM": "Intramuscular"}


def order_segments(dialect: Dialect, prescription: Prescription) -> list[str]:
    """ORC, RXE and RXR; the times stand in TQ1 since v2.5 and in RXE-1 before."""
    drug = prescription.drug
    begins, ends = dialect.minute(prescription.begins_at), dialect.minute(prescription.ends_at)
    is_epic = dialect.site.dialect == "epic"
    orc = {1: "NW", 2: prescription.number, 9: dialect.minute(prescription.ordered_at)}
    rxe = {
        1: "" if is_epic else f"^^^{begins}^{ends}",
        2: coded(drug.code, drug.words, drug.system),
        3: str(prescription.doses[0].amount),
        5: drug.dose_unit,
    }
    timing = [segment("TQ1", {1: "1", 7: begins, 8: ends})] if is_epic else []
    return [segment("ORC", orc), segment("RXE", rxe), *timing, _route(drug.route)]


def given_segments(dialect: Dialect, prescription: Prescription, doses: tuple[Dose, ...]) -> list[str]:
    """ORC, and RXA of each dose."""
    given = [_given(dialect, prescription, dose) for dose in doses]
    return [segment("ORC", {1: "RE", 2: prescription.number}), *given, _route(prescription.drug.route)]


def _given(dialect: Dialect, prescription: Prescription, dose: Dose) -> str:
    drug = prescription.drug
    return segment(
        "RXA",
        {
            1: "0",
            2: str(dose.number),
            3: dialect.minute(dose.at),
            4: dialect.minute(dose.until),
            5: coded(drug.code, drug.words, drug.system),
            6: str(dose.amount) if dose.was_given else "0",
            7: drug.dose_unit if dose.was_given else "",
            20: "CP" if dose.was_given else "NA",
        },
    )


def _route(code: str) -> str:
    return segment("RXR", {1: coded(code, _ROUTES[code], "HL70162")})
