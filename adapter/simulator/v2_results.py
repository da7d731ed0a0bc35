"""The segments of results: laboratory values, measurements, examinations and their reports."""

from datetime import datetime

from adapter.simulator.births import Measured, Measurements
from adapter.simulator.course import OrderReport, Value
from adapter.simulator.examinations import Examination, Reading
from adapter.simulator.moments import after
from adapter.simulator.v2_dialect import Dialect
from adapter.simulator.v2_text import coded, escaped, segment

_SPECIMENS = {
    "venous": ("BLDV", "Venous blood"), "capillary": ("BLDC", "Capillary blood"),
    "arterial": ("BLDA", "Arterial blood"), "cord": ("BLDCO", "Cord blood"), "urine": ("UR", "Urine"),
    "csf": ("CSF", "Cerebrospinal fluid"),
    "serum": ("SER", "Serum"), "plasma": ("PLAS", "Plasma"), "blood": ("BLD", "Whole blood"),
}  # fmt: skip
_READING_STATUS = {"preliminary": "P", "final": "F", "corrected": "C"}
_MEASURES = {
    "birth_weight": ("BW", "Birth weight"), "gestational_age_birth": ("GEST", "Gestation at birth"),
    "apgar_1min": ("APG1", "Apgar 1"), "apgar_5min": ("APG5", "Apgar 5"), "body_weight": ("WT", "Weight"),
    "body_length": ("LEN", "Length"), "head_circumference": ("OFC", "Head circumference"),
}  # fmt: skip


def order_group(dialect: Dialect, part: OrderReport, *, number: int, reported: datetime) -> list[str]:
    """ORC, OBR and the OBX of one order."""
    order, laboratory = part.order, part.values[0].test.system
    filler = f"{order.number}^{laboratory}"
    code, words = _SPECIMENS[order.specimen]
    specimen = f"{code}&{words}&HL70070" if dialect.site.dialect == "epic" else code
    obr = {
        1: str(number),
        3: filler,
        4: coded(order.panel, order.panel_words, laboratory),
        7: dialect.minute(order.collected_at),
        14: dialect.minute(after(order.collected_at, minutes=9)),
        15: specimen,
        22: dialect.second(reported),
        24: "" if dialect.site.dialect == "epic" else "LAB",
        25: part.status,
    }
    values = [_value(dialect, value, number=place, status=part.status) for place, value in enumerate(part.values, 1)]
    return [segment("ORC", {1: "RE", 3: filler}), segment("OBR", obr), *values]


def nte(words: str) -> str:
    """A comment below the result before it."""
    return segment("NTE", {1: "1", 2: "L", 3: escaped(words)})


def measurement_group(dialect: Dialect, measurements: Measurements, *, reported: datetime) -> list[str]:
    """OBR and the OBX of one set of measurements."""
    system = "EPIC" if dialect.site.dialect == "epic" else "CAREFLOW"
    obr = {
        1: "1",
        3: f"{measurements.number}^{system}",
        4: coded("OBS", "Observations", system),
        7: dialect.minute(measurements.at),
        22: dialect.second(reported),
        25: "F",
    }
    written = [
        segment("OBX", {1: str(place), **_measured(dialect, each), 3: coded(*_MEASURES[each.measure], system), 11: "F"})
        for place, each in enumerate(measurements.values, 1)
    ]
    return [segment("OBR", obr), *written]


def imaging_order(dialect: Dialect, examination: Examination) -> list[str]:
    """ORC and OBR of a request; the accession number is given when it is booked."""
    orc = {
        1: "NW",
        2: examination.placer,
        3: examination.accession,
        5: "SC",
        9: dialect.minute(examination.requested_at),
    }
    return [segment("ORC", orc), segment("OBR", _examination(dialect, examination))]


def imaging_report(dialect: Dialect, examination: Examination, reading: Reading) -> list[str]:
    """ORC, OBR and the text: a line an OBX, or all in one with line breaks."""
    status = _READING_STATUS[reading.status]
    obr = _examination(dialect, examination) | {
        7: dialect.minute(examination.performed_at),
        22: dialect.second(reading.at),
        25: status,
    }
    orc = segment("ORC", {1: "RE", 2: examination.placer, 3: examination.accession})
    return [orc, segment("OBR", obr), *_text(dialect, examination, reading, status=status)]


def _value(dialect: Dialect, value: Value, *, number: int, status: str) -> str:
    kind, written = _written(dialect, value)
    test = value.test
    return segment(
        "OBX",
        {
            1: str(number),
            2: kind,
            3: coded(test.code, test.words, test.system),
            5: written,
            6: escaped(test.unit),
            7: escaped(test.reference),
            11: status,
        },
    )


def _written(dialect: Dialect, value: Value) -> tuple[str, str]:
    """Each bench writes "below" in its own way: `<^5` as SN, `<1` as NM against the standard, `<0.3` as ST."""
    if not value.comparator:
        return "NM", value.number
    if dialect.site.dialect == "epic" and value.test.code.startswith("FBC"):
        return "SN", f"{value.comparator}^{value.number}"
    return ("NM" if value.test.analyte == "crp" else "ST"), value.comparator + value.number


def _measured(dialect: Dialect, each: Measured) -> dict[int, str]:
    """Gestation as weeks and days, or in days; weights in the unit that the ward's scales print."""
    is_epic = dialect.site.dialect == "epic"
    if each.measure == "gestational_age_birth" and is_epic:
        return {2: "ST", 5: f"{int(each.value) // 7}+{int(each.value) % 7}", 6: "weeks"}
    if each.measure == "body_weight" and not is_epic:
        return {2: "NM", 5: str(int(each.value * 1000)), 6: "g"}
    return {2: "NM", 5: str(each.value), 6: "" if each.unit.startswith("{") else each.unit}


def _examination(dialect: Dialect, examination: Examination) -> dict[int, str]:
    code = examination.code
    is_epic = dialect.site.dialect == "epic"
    return {
        1: "1",
        2: examination.placer,
        3: examination.accession,
        4: coded(code.code, code.words, code.system),
        13: escaped(examination.indication),
        18: "" if is_epic else examination.accession,
        24: "RAD" if is_epic else code.modality,
    }


def _text(dialect: Dialect, examination: Examination, reading: Reading, *, status: str) -> list[str]:
    if dialect.site.dialect == "epic":
        return [
            segment("OBX", {1: str(place), 2: "TX", 3: "GDT^Report text^RADIANT", 5: escaped(line), 11: status})
            for place, line in enumerate(reading.lines, 1)
        ]
    whole = "\\.br\\".join(escaped(line) for line in reading.lines)
    named = coded(examination.code.code, examination.code.words, examination.code.system)
    return [segment("OBX", {1: "1", 2: "FT", 3: named, 5: whole, 11: status})]
