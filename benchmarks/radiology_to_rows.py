"""Radiology reports from the bytes of an ORU^R01 to rows, against hl7v2-fhir-bridge that converts and validates them.

Ours: parse, translate, and from that the row of the study and the row of the report, with the signs its text speaks of.
The bridge: `convert` to a FHIR transaction Bundle and `validate_bundle`, as its own command line does with one message.
It is installed once from `requirements/hl7v2-fhir-bridge.txt` (versions and hashes) into an environment of its own and
runs there as a process that is asked over a pipe; it measures itself. Both take turns over the same messages, in
processor time, and medians count. Run: `python -m benchmarks.radiology_to_rows`.
"""

import base64
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from adapter import config, mapping
from adapter.assertion import ItemKind
from adapter.hl7v2.message import Message
from adapter.mapping.own_tables import OwnTables
from benchmarks.ward import nhs_number

REPORTS = 100
"""A turn; of a few, the first would count, for which each side comes back to a processor that did something else."""
ROUNDS = 9
FLOOR = 8
_HERE = Path(__file__).parent
_LOCK = _HERE.parent / "requirements" / "hl7v2-fhir-bridge.txt"
_KEPT = _HERE.parent / ".third-party"
_CODES = "code,system,study,modality\nXABDO,,abdominal_xray,DX\nXCHES,,chest_xray,DX\n"
_HEAD = (
    "MSH|^~\\&|CRIS|RXX|CSOR|RXX|20260420{minute}00||ORU^R01|CR{number:06}|P|2.3\r"
    "PID|1||UX{patient:06}^^^RXX^MR~{nhs}^^^NHS^NH||TESTER^INVENTED^BABY^^^^L||202604020115|F||||||||||||||||||||||||01\r"
    "ORC|RE|R{number:06}^EPR|XR{number:06}^CRIS||CM\r"
    "OBR|1|R{number:06}^EPR|XR{number:06}^CRIS|{code}^{name}^CRIS|||202604200830|||||||||||XR{number:06}||||"
    "20260420{minute}00||RAD|F|||||||C9999993&CONSULTANT&INVENTED&&&DR\r"
)
_LINE = "OBX|{nth}|TX|{code}^Report^CRIS||{text}||||||F\r"
_FINDINGS = (
    "Pneumatosis intestinalis is present in the right lower quadrant.",
    "No free gas. No portal venous gas.",
    "Dilated loops of bowel, similar to the film of the {day}th.",
    "The nasogastric tube projects over the stomach, tip {tip} mm below the diaphragm.",
    "The lungs are clear.",
    "Long line tip at the level of T{level}, seen at {clock}.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Medians of one run, microseconds of processor time a report."""

    ours_us: float
    bridge_us: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many reports become rows in the time in which one is converted and validated."""
        return statistics.median(self.ratios)


class NotInstalled(Exception):
    """The bridge cannot be had: the registry does not answer, or the lock does not fit this machine."""


def a_report(number: int) -> bytes:
    """A film of an infant: a clinical question, six findings, a conclusion; words and numbers differ."""
    code, name = (("XABDO", "XR Abdomen"), ("XCHES", "XR Chest"))[number % 2]
    values: dict[str, object] = {"day": 3 + number % 25, "tip": 5 + number % 31, "level": 3 + number % 9}
    values["clock"] = f"{number * 7 % 24:02}:{number * 11 % 60:02}"
    told = [f"Clinical details: day {number % 60}, distended abdomen, bilious aspirates.", "", "Findings:"]
    told += [_FINDINGS[(number + at) % len(_FINDINGS)].format(**values) for at in range(len(_FINDINGS))]
    told += ["", f"Conclusion: Necrotising enterocolitis to be considered. Film {number} of this admission."]
    patient = number % 40
    head = _HEAD.format(
        minute=f"{9 + number % 12:02}{number % 60:02}", number=number, patient=patient, nhs=nhs_number(patient),
        code=code, name=name,
    )  # fmt: skip
    return (head + "".join(_LINE.format(nth=nth, code=code, text=text) for nth, text in enumerate(told, 1))).encode()


class _Ours:
    """From bytes to rows, with everything loaded as the service has it."""

    def __init__(self, folder: Path) -> None:
        table = folder / "imaging.csv"
        table.write_text(_CODES)
        mappings = config.packaged("mappings")
        own = OwnTables(imaging=(table,))
        self._csor = mapping.load_csor_maps(mappings, own=own)
        self._v2 = mapping.load_v2_maps(
            mappings,
            wanted=mapping.STATE_TYPES,
            own_codes={"imaging-exams": sorted(self._csor.examination_codes)},
            is_measure=self._csor.is_measure,
        )
        self._zone = ZoneInfo("Europe/London")

    def rows(self, message: bytes) -> int:
        """How many rows it made."""
        made = 0
        statement = mapping.state(Message.parse(message), self._v2, timezone=self._zone)
        for item in statement.items:
            if item.kind is ItemKind.IMAGING:
                resource = item.resources[0]
                made += self._csor.project("imaging_study", resource, statement.context) is not None
                if resource["resourceType"] == "DiagnosticReport":
                    report = self._csor.project("imaging_report", resource, statement.context)
                    made += report is not None and bool(report.fields)
        return made


class _Bridge:
    """The other converter, in its own process."""

    def __init__(self) -> None:
        command = [str(_environment() / "bin" / "python"), "-I", str(_HERE / "bridge_side.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, messages: Sequence[bytes]) -> float:
        """What it took for all of them."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([base64.b64encode(each).decode() for each in messages]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if answer["reports"] != 1:
            raise RuntimeError("the bridge made no report of the last message")
        return float(answer["seconds"])

    def close(self) -> None:
        """It ends when nobody asks."""
        self._process.communicate()


def _environment() -> Path:
    """Its own virtual environment, made once for this lock and this Python."""
    name = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = _KEPT / f"bridge-{name}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True, symlinks=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        done = subprocess.run([*install, "-r", str(_LOCK)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(f"hl7v2-fhir-bridge could not be installed: {done.stderr.strip()[-300:]}")
        (folder / "done").touch()
    return folder


def measure(*, rounds: int = ROUNDS) -> Found:
    """Both sides on the same reports, in turn. NotInstalled where the bridge cannot be had."""
    bridge = _Bridge()
    ours, bridged = [], []
    with TemporaryDirectory(prefix="radiology-") as name:
        mine = _Ours(Path(name))
        for number in range(rounds + 1):
            reports = [a_report(number * REPORTS + nth) for nth in range(REPORTS)]
            begun = time.process_time()
            counts = {mine.rows(each) for each in reports}
            took = time.process_time() - begun
            theirs = bridge.seconds(reports)
            if counts != {2}:
                raise RuntimeError(f"a report should be a row of the study and one of the report, not {counts}")
            if number:  # the first round warms both
                ours.append(took / REPORTS * 1e6)
                bridged.append(theirs / REPORTS * 1e6)
    bridge.close()
    return Found(
        ours_us=statistics.median(ours),
        bridge_us=statistics.median(bridged),
        ratios=tuple(theirs / mine for mine, theirs in zip(ours, bridged, strict=True)),
    )


def main() -> int:
    """Print the run; exit 1 where the floor is missed."""
    found = measure()
    print(f"{found.ours_us:.0f} µs to rows, {found.bridge_us:.0f} µs converted and validated by hl7v2-fhir-bridge")
    print(f"ratio {found.ratio:.1f} (floor {FLOOR})")
    return int(found.ratio < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
