"""The trust's own table of the laboratory's local codes."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

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


def lab_codes_csv(codes: Iterable[LabCode]) -> str:
    """The same as the text of a concept table of the trust, valid for every sender and time."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CONCEPT_COLUMNS)
    for code in codes:
        table.writerow((code.system, "", code.code, code.words, code.analyte, code.unit, "", "", "", "simulated"))
    return text.getvalue()
