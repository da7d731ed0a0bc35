"""Builders of the v2 messages of invented babies: 999 numbers, names nobody has, local times without offset."""

from dataclasses import dataclass, replace
from itertools import count

TRUST = "RXX"
NICU, SURGERY, POSTNATAL, RADIOLOGY = "NICU^422", "PSW^171", "PNW^424", "XRAY^"
GASTROSCHISIS = "Q79.3^Gastroschisis^I10"
EXOMPHALOS = "Q79.2^Exomphalos^I10"
NEC = "P77.X^Necrotizing enterocolitis^I10"
CLOSURE = "T28.1^Closure of gastroschisis^OPCS4"
RESECTION = "G69.3^Ileectomy and anastomosis of ileum to ileum^OPCS4"
_CONTROL = count(1)


def nhs(number: int) -> str:
    """The n-th NHS number of the 999 range with a right check digit."""
    for body in range(999_100_000 + number * 10, 999_100_010 + number * 10):
        check = -sum(int(digit) * (10 - place) for place, digit in enumerate(str(body))) % 11
        if check < 10:
            return f"{body}{check}"
    raise AssertionError("no number")


@dataclass(frozen=True, kw_only=True)
class Baby:
    """As one message knows it."""

    number: str
    nhs: str = ""
    trace: str = ""
    """PID-32; by default 01 where there is a number."""
    born: str = "202609010230"
    sex: str = "F"
    birth_order: str = ""
    mother: str = ""
    """PID-21 as sent."""
    died: str = ""
    family: str = "MARROWSIDE"

    def but(self, **changes: str) -> "Baby":
        return replace(self, **changes)

    def pid(self) -> str:
        fields = [""] * 33
        fields[1] = "1"
        own = f"{self.number}^^^{TRUST}^MR"
        fields[3] = "~".join([own, *(f"{each}^^^NHS^NH" for each in self.nhs.split() if each)])
        fields[5] = f"{self.family}^BABY^^^^^L"
        fields[7], fields[8] = self.born, self.sex
        fields[21] = self.mother
        fields[24], fields[25] = "Y" if self.birth_order else "", self.birth_order
        fields[29] = self.died
        fields[30] = "Y" if self.died else ""
        fields[32] = self.trace or ("01" if self.nhs else "08")
        return "PID|" + "|".join(fields[1:]).rstrip("|")


def a_baby(number: int, **changes: str) -> Baby:
    """The n-th invented baby, with a traced number of its own."""
    return Baby(number=f"{700000 + number}", nhs=nhs(number)).but(**changes)


def an_adt(
    event: str,
    baby: Baby,
    *,
    at: str,
    ward: str = NICU,
    visit: str = "",
    admitted: str = "202609010300",
    discharged: str = "",
    codes: list[str] | None = None,
    operations: list[tuple[str, str]] | None = None,
    prior: str = "",
    control: str = "",
) -> bytes:
    """One ADT message. `codes`: the DG1 list, None for none; `visit`: PV1-19, by default the baby's, "-": absent."""
    lines = [_msh("ADT", event, at, control), f"EVN|{event}|{_seconds(at)}||||{at}", baby.pid()]
    if prior:
        lines.append(f"MRG|{prior}^^^{TRUST}^MR")
    elif event not in ("A28", "A31"):
        lines.append(_pv1(ward, visit or f"V{baby.number}", admitted, discharged))
    for nth, code in enumerate(codes or (), start=1):
        lines.append(f"DG1|{nth}||{code}||{at}|F")
    for nth, (code, done) in enumerate(operations or (), start=1):
        lines.append(f"PR1|{nth}||{code}||{done}|P")
    if codes == []:
        lines.append('DG1|1||""||""')
    return _wire(lines)


def an_oru(
    baby: Baby,
    *,
    order: str,
    value: str,
    at: str = "202609020900",
    reported: str = "",
    test: str = "CRPB^C-reactive protein^WINPATH",
    unit: str = "mg/L",
    status: str = "F",
    ward: str = NICU,
    control: str = "",
) -> bytes:
    """One laboratory message of one result."""
    reported = reported or at
    obr = f"OBR|1||{order}^WINPATH|BIO^Biochemistry^WINPATH|||{at}||||||||BLDV&Venous blood&HL70070|||||||"
    return _wire(
        [
            _msh("ORU", "R01", reported, control),
            baby.pid(),
            _pv1(ward, f"V{baby.number}", "", ""),
            f"ORC|RE||{order}^WINPATH",
            f"{obr}{_seconds(reported)}|||{status}",
            f"OBX|1|NM|{test}||{value}|{unit}|||||{status}",
        ]
    )


def _msh(kind: str, event: str, at: str, control: str) -> str:
    control = control or f"T{next(_CONTROL):06d}"
    return f"MSH|^~\\&|PAS|{TRUST}|CSOR|{TRUST}|{_seconds(at)}||{kind}^{event}|{control}|P|2.4|||||GBR|UNICODE UTF-8"


def _pv1(ward: str, visit: str, admitted: str, discharged: str) -> str:
    code, _, function = ward.partition("^")
    fields = [""] * 46
    fields[1], fields[2], fields[3], fields[10] = "1", "I", f"{code}^BAY1^B1^{TRUST}", function
    fields[19] = "" if visit == "-" else visit
    fields[44], fields[45] = admitted, discharged
    return "PV1|" + "|".join(fields[1:]).rstrip("|")


def _seconds(minute: str) -> str:
    return minute + "00" if len(minute) == 12 else minute


def _wire(lines: list[str]) -> bytes:
    return ("\r".join(lines) + "\r").encode()


def a_message(kind: str, baby: Baby, *segments: str, at: str, ward: str = NICU, control: str = "") -> bytes:
    """A message of any type: of this baby, on this ward, with these segments; PV1 is left out with ward ``""``."""
    code, _, event = kind.partition("^")
    visit = [_pv1(ward, f"V{baby.number}", "", "")] if ward else []
    return _wire([_msh(code, event, at, control), baby.pid(), *visit, *segments])
