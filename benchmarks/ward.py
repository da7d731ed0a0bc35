"""The messages the benchmarks send: confirmed infants, laboratory reports of twenty results, and the trust they are in.

Invented throughout; NHS numbers are of the 999 test range. Every analyte is mapped and every unit converted, so that no
result takes a shorter way than in a hospital.
"""

import shutil
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from adapter import config
from adapter.config import TrustSettings
from adapter.hl7v2.framing import frame

RESULTS = 20
BORN = datetime(2026, 1, 1, 11, 30)
_LABS = (
    ("CRPB", "C-reactive protein", "crp", "mg/L", "<5", "BLDV"),
    ("FBPL", "Platelet count", "platelets", "10\\S\\9/L", "150-450", "BLDV"),
    ("UECR", "Creatinine", "creatinine", "umol/L", "20-75", "BLDV"),
    ("FBHB", "Haemoglobin", "haemoglobin", "g/dL", "14.0-20.0", "BLDV"),
    ("LACT", "Lactate", "lactate", "mmol/L", "0.5-2.0", "BLDV"),
)
_CODES_HEAD = "system,sender,code,display,analyte,unit,default_specimen,valid_from,valid_to,source"
_PID = (
    "PID|1||{mrn}^^^RXX^MR~{nhs}^^^NHS^NH||TESTER^INVENTED^BABY^^^^L||202601011130|F||A|1 Invented Street^^Nowhere^^"
    "ZZ99 3VZ^GBR^H||01632 960000|||||||||||||||||||01\r"
)
_VISIT = (
    "PV1|1|I|NICU^BAY1^COT3^RXX01|21|||C9999901^CONSULTANT^INVENTED^^^DR|||422||||19|||||V{child:06}|||||||||||||||||||"
    "||||||202601011200\r"
)
_ADMISSION = (
    "MSH|^~\\&|PAS|RXX|CSOR|RXX|20260101121000||ADT^A01^ADT_A01|P{child:06}|P|2.4|||||GBR|UNICODE UTF-8\r"
    "EVN|A01|20260101121000||||202601011200\r"
)
_DIAGNOSIS = "DG1|1||Q79.3^Gastroschisis^I10||202601011200|F\r"
_REPORT = "MSH|^~\\&|LIMS|RXX|CSOR|RXX|{stamp}||ORU^R01^ORU_R01|L{child:04}{number:05}|P|2.4|||||GBR|UNICODE UTF-8\r"
_ORDER = (
    "ORC|RE|P{number:06}|{order}||CM\r"
    "OBR|1|P{number:06}^EPR|{order}^WINPATH|PROF^Profile^WINPATH|||{taken}|||||||{taken}|BLDV&Venous blood&HL70070|"
    "C9999901^CONSULTANT^INVENTED^^^DR||||||{stamp}||CH|F\r"
)
_RESULT = "OBX|{nth}|NM|{code}^{name}^WINPATH|{sub}|{value}|{unit}|{range}|{flag}|||F|||{taken}\r"


def nhs_number(serial: int) -> str:
    """The serial-th number of the 999 test range whose check digit (mod 11) exists."""
    return _numbers()[serial]


@cache
def _numbers() -> tuple[str, ...]:
    """Ninety thousand of them."""
    found = []
    for body in range(999_200_000, 999_300_000):
        check = 11 - sum(int(digit) * weight for digit, weight in zip(str(body), range(10, 1, -1), strict=True)) % 11
        if check != 10:
            found.append(f"{body}{check % 11}")
    return tuple(found)


class Infant:
    """One child with gastroschisis, by its number in the ward."""

    def __init__(self, child: int) -> None:
        self.child = child
        self._pid = _PID.format(mrn=f"{4_000_000 + child}", nhs=nhs_number(child))
        self._visit = _VISIT.format(child=child)

    def admission(self) -> bytes:
        """The ADT^A01 that confirms the case."""
        return (_ADMISSION.format(child=self.child) + self._pid + self._visit + _DIAGNOSIS).encode()

    def report(self, number: int, *, results: int = RESULTS) -> bytes:
        """The number-th ORU^R01 of this child: an order of its own, values of its own."""
        taken = BORN + timedelta(hours=3, minutes=15 * number)
        stamp = (taken + timedelta(minutes=50)).strftime("%Y%m%d%H%M%S")
        order = f"26L{self.child:04}{number:05}"
        moment = taken.strftime("%Y%m%d%H%M")
        head = _REPORT.format(stamp=stamp, child=self.child, number=number) + self._pid + self._visit
        segments = [head, _ORDER.format(number=number, order=order, taken=moment, stamp=stamp)]
        for at in range(results):
            code, name, _analyte, unit, reference_range, _specimen = _LABS[at % len(_LABS)]
            value = f"{1 + (number * 7 + self.child * 3 + at * 13) % 190}.{at % 10}"
            segments.append(
                _RESULT.format(
                    nth=at + 1,
                    code=code,
                    name=name,
                    sub=1 + at // len(_LABS),
                    value=value,
                    unit=unit,
                    range=reference_range,
                    flag="H" if at % 3 else "N",
                    taken=moment,
                )
            )
        return "".join(segments).encode()

    def framed(self, number: int) -> bytes:
        """The report as it goes over the wire."""
        return frame(self.report(number))


def a_trust(folder: Path, *, port: int = 0, sink: Path | None = None) -> TrustSettings:
    """A trust file with our laboratory's codes; `port` 0 for none. Its path is `folder / "trust.yaml"`."""
    mappings = folder / "mappings"
    shutil.copytree(config.packaged("mappings"), mappings)
    codes = [f"WINPATH,,{code},{name},{analyte},,,,,benchmark" for code, name, analyte, *_ in _LABS]
    (mappings / "concepts" / "benchmark.csv").write_text("\n".join([_CODES_HEAD, *codes]) + "\n")
    (folder / "key").write_text("ab" * 32)
    lines = [
        "vendor: uk-generic",
        "site: {ods_code: RXX, name: Benchmark}",
        "test_mode: yes",
        "data_folder: data",
        "sealing: {master_key: {file: key}}",
        "wards: [{code: NICU, type: nicu}]",
        "identity: {hospital_numbers: [{authority: RXX}]}",
        "mappings: mappings",
        "settle: {debounce_s: 0}",
    ]
    if port:
        lines.append(f"sources: [{{name: lab, kind: mllp, bind: 127.0.0.1, port: {port}}}]")
    if sink is not None:
        lines.append(f"sink: {{kind: folder, path: {sink}}}")
    (folder / "trust.yaml").write_text("\n".join(lines) + "\n")
    return config.load_trust(folder / "trust.yaml")
