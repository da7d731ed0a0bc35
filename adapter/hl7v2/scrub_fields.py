"""What each field of HL7 v2 may hold, for scrubbing: the allow-list. A field that is not named here is masked whole.

Positions are those of HL7 v2.3 to v2.8 chapters 2, 3, 4, 6, 7, 9 and 10, which agree on them. Z segments have none.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType


class Holds(Enum):
    """What a field or one of its components holds, and so what becomes of it."""

    ID = auto()
    """A number or name of one person, visit, order or document: replaced, the same everywhere in the sample."""
    NAME = auto()
    """Part of a person's name: replaced."""
    STREET = auto()
    """Part of an address: replaced; a postcode by one of an area that does not exist."""
    PHONE = auto()
    """Digits of a telephone: replaced; mail addresses, too."""
    TIME = auto()
    """Moved by the patient's span of days."""
    CODE = auto()
    """A code or its words: kept where it is no one person's, else replaced."""
    NUMBER = auto()
    """Kept where it is a short plain number."""
    TEXT = auto()
    """Letters become x and digits 9, unless it is a plain result or range."""
    MESSAGE_TYPE = auto()
    """MSH-9."""
    DATA = auto()
    """A document in base64: every letter the same, but for the beginning that tells its kind."""
    MASKED = auto()
    """Letters become x, digits 9."""


class Form(Enum):
    """How the components of a field are divided among these."""

    IDENTIFIER = auto()
    """CX, EI, ST: the number; then authority and type."""
    PAIR = auto()
    """EIP: two identifiers, their parts one level down."""
    PERSON = auto()
    """XPN, PN."""
    STAFF = auto()
    """XCN, CN, PPN: an identifier and a name."""
    STAFF_INSIDE = auto()
    """NDL: staff one level down, times and a place."""
    ADDRESS = auto()
    TELEPHONE = auto()
    PLACE = auto()
    """PL: point of care, room, bed."""
    ORGANISATION = auto()
    """XON, HD."""
    CODED = auto()
    """CE, CWE, ID, IS, and what mixes codes with times and numbers."""
    TIMES = auto()
    NUMBERS = auto()
    TEXTS = auto()
    RESULT = auto()
    """OBX-5: by what OBX-2 says it is, else text."""
    DOCUMENT = auto()
    """ED."""
    MESSAGE = auto()


_C, _I, _N, _T = Holds.CODE, Holds.ID, Holds.NAME, Holds.TIME

PARTS: Mapping[Form, tuple[tuple[Holds, ...], Holds]] = MappingProxyType(
    {
        # The parts by number, and what any further part holds.
        Form.IDENTIFIER: ((_I, _C, _C, _C, _C, _C, _T, _T, _C, _C), Holds.MASKED),
        Form.PAIR: ((_I, _I), Holds.MASKED),
        Form.PERSON: ((_N, _N, _N, _N, _N, _N, _C, _C, Holds.MASKED, _T, _C, _T, _T), Holds.MASKED),
        Form.STAFF: ((_I, _N, _N, _N, _N, _N, _N, _C, _C, _C, _C, _C, _C, _C, _C, _C, _T), Holds.MASKED),
        Form.STAFF_INSIDE: ((_I, _T, _T, _C, _C, _C, _C), Holds.MASKED),
        Form.ADDRESS: ((*[Holds.STREET] * 5, _C, _C, Holds.STREET, _C, _C, _C, _T, _T), Holds.MASKED),
        Form.TELEPHONE: ((Holds.PHONE, _C, _C, *[Holds.PHONE] * 5, Holds.TEXT), Holds.PHONE),
        Form.PLACE: (tuple([_C] * 8), Holds.CODE),
        Form.ORGANISATION: ((_C,), _C),
        Form.CODED: ((_C,), _C),
        Form.TIMES: ((_T,), _T),
        Form.NUMBERS: ((Holds.NUMBER,), Holds.NUMBER),
        Form.TEXTS: ((Holds.TEXT,), Holds.TEXT),
        Form.RESULT: ((Holds.TEXT,), Holds.TEXT),
        Form.DOCUMENT: ((_C, _C, _C, _C), Holds.DATA),
        Form.MESSAGE: ((Holds.MESSAGE_TYPE,), Holds.MESSAGE_TYPE),
    }
)

VALUE_TYPES: Mapping[str, Form] = MappingProxyType(
    {
        **dict.fromkeys(("CE", "CWE", "CNE", "CF", "ID", "IS", "CQ"), Form.CODED),
        **dict.fromkeys(("NM", "SN", "SI", "NR", "MO"), Form.NUMBERS),
        **dict.fromkeys(("DT", "TM", "TS", "DTM", "DR"), Form.TIMES),
        **dict.fromkeys(("CX", "CK", "EI"), Form.IDENTIFIER),
        **dict.fromkeys(("XPN", "PN"), Form.PERSON),
        **dict.fromkeys(("XCN", "CN"), Form.STAFF),
        **dict.fromkeys(("XAD", "AD"), Form.ADDRESS),
        **dict.fromkeys(("XTN", "TN"), Form.TELEPHONE),
        "ED": Form.DOCUMENT,
    }
)
"""OBX-2; any other, or none, is text."""

_KINDS = {
    "id": Form.IDENTIFIER,
    "pair": Form.PAIR,
    "name": Form.PERSON,
    "staff": Form.STAFF,
    "inside": Form.STAFF_INSIDE,
    "address": Form.ADDRESS,
    "phone": Form.TELEPHONE,
    "place": Form.PLACE,
    "org": Form.ORGANISATION,
    "code": Form.CODED,
    "time": Form.TIMES,
    "number": Form.NUMBERS,
    "text": Form.TEXTS,
    "value": Form.RESULT,
    "type": Form.MESSAGE,
}

_WRITTEN = """
FHS org:3-6 time:7 id:11,12
BHS org:3-6 time:7 id:11,12
BTS number:1
FTS number:1
MSH org:3-6 time:7 type:9 id:10,21 code:11,12,15-20 number:13
MSA code:1 id:2 number:4
EVN code:1,4 time:2,3,6 staff:5 org:7
PID number:1,25 id:2-4,18-21 name:5,6,9 time:7,29,33 code:8,10,12,15-17,22,24,26-28,30-32,35-39
PID address:11 phone:13,14,40 org:34
PD1 code:1,2,5-9,11,12,15,16,19-21 org:3,14 staff:4 id:10 time:13,17,18
NK1 number:1 name:2,26,30 code:3,7,11,14,15,17-25,27-29,34-36 address:4,32 phone:5,6,31 time:8,9,16 id:12,33,37 org:13
MRG id:1-6 name:7
PV1 number:1 code:2,4,10,12-16,18,20-24,28-31,36-38,40,41,51,53 place:3,6,11,42,43 id:5,19,50 staff:7-9,17,52
PV1 time:25,35,44,45 org:39 number:26,27,46-49
PV2 place:1 code:2-4,6,7,15,16,18,19,21,22,24,25,27,30-32,34-45,49 text:5,12 time:8,9,14,17,26,28,29,33,46-48
PV2 number:10,11,20 staff:13 org:23
DG1 number:1,11,12,14 code:2,3,6-10,15,17,18,21 text:4,13 time:5,19 staff:16 id:20,22
PR1 number:1,7,10 code:2,3,6,9,13-18,20 text:4 time:5 staff:8,11,12 id:19
AL1 code:1-4 text:5 time:6
DB1 number:1 code:2,4,5 id:3 time:6-8
ACC time:1 code:2,3,4,5,6
PDA code:1,4,5,7 place:2 time:3,6
RF1 code:1-5,10 id:6,11 time:7-9
IN1 number:1 code:2,15,17,47 id:3,36,49 org:4 address:5,19 name:6,16 phone:7 time:12,13,18
ORC code:1,5-7,16-18,20,25,26,28-33 id:2-4 pair:8 time:9,15,27 staff:10-12,19 place:13 phone:14,23 org:21 address:22,24
OBR number:1,9,37 id:2,3,18-21 code:4,5,11,12,15,24-27,30,31,38-50 time:6-8,14,22,36 staff:10,16,28 text:13 phone:17
OBR pair:29 inside:32-35
OBX number:1,9 code:2,3,6,8,10,11,15,17,20,22 id:4,18,21 value:5 text:7,13 time:12,14,19 staff:16,25 org:23 address:24
NTE number:1 code:2,4 text:3 staff:5 time:6,7
SPM number:1,12,13,25,26 pair:2,3 code:4-11,15,16,20-24,27-29 text:14 time:17-19 id:30,31
TXA number:1 code:2,3,17-20 time:4,6-8 staff:5,9-11,22,23 id:12-15 text:16,21
SCH id:1,2,4,23,24,26,27 number:3,9 code:5-8,10,11,25 staff:12,16,20 phone:13,17,21 address:14,18 place:15,19,22
RGS number:1 code:2,3
AIS number:1,5,7 code:2,3,6,8-12 time:4
AIG number:1,6,7,9,11 code:2-5,10,12-14 time:8
AIL number:1,7,9 code:2,4,5,8,10-12 place:3 time:6
AIP number:1,7,9 code:2,4,5,8,10-12 staff:3 time:6
RXO code:1,4-7,9,10,12,16,19,20,22,24 number:2,3,11,13,18,21,23 place:8 staff:14,15 text:17
RXE code:1,2,5-7,9,11,20,21,24,26,27,30,31 number:3,4,10,12,16,17,19,22,23,25 place:8 staff:13,14 id:15 time:18,29
RXR code:1-6
RXC code:1,2,4,5,6,7 number:3
RXA number:1,2,6,13 time:3,4,16,22 code:5,7-9,14,18-21 staff:10 place:11 text:12 id:15 org:17
TQ1 number:1,2,6,13,14 code:3-5,9,12 time:7,8 text:10,11
FT1 number:1,10-12,15,22 id:2,3,23 time:4,5 code:6,7,13,14,17-19,25,26 text:8,9 place:16 staff:20,21,24
"""


def _read(written: str) -> dict[str, dict[int, Form]]:
    fields: dict[str, dict[int, Form]] = {}
    for line in written.strip().splitlines():
        segment, *entries = line.split()
        for entry in entries:
            kind, _, numbers = entry.partition(":")
            for span in numbers.split(","):
                first, _, last = span.partition("-")
                for number in range(int(first), int(last or first) + 1):
                    fields.setdefault(segment, {})[number] = _KINDS[kind]
    return fields


FIELDS: Mapping[str, Mapping[int, Form]] = MappingProxyType(_read(_WRITTEN))
"""Segment → field → form."""

CODES = frozenset({Form.CODED, Form.PLACE})
"""Forms that are codes above all: what a survey of a sample lists."""

_NAMES_ALONE = """
ABS ADD AFF AIP APR ARV AUT BHS BLC BLG BPO BPX BTX BUI CDM CDO CER CM0 CM1 CM2 CNS CON CSP CSR CSS CTD CTI CTR DEV
DMI DON DPS DRG DSC DSP DST ECD ECR EDU EQP EQU ERR EVN FAC FTS GOL GP1 GP2 GT1 IAM IAR IIM ILT IN2 IN3 INV IPC IPR
ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MCP MFA MFE MFI NCK NDS NPU NSC NST ODS ODT OH1 OH2 OH3 OH4 OM1 OM2 OM3 OM4
OM5 OM6 OM7 OMC ORG OVR PAC PAC PCE PCR PDC PEO PES PKG PM1 PMT PRA PRB PRC PRD PRT PSG PSH PSL PSS PTH PYE QAK QID
QPD QRD QRF QRI RCP RDF RDT REL RFI RMI ROL RQ1 RQD SAC SCD SCP SDD SFT SGH SGT SHP SID SLT STF STZ TCC TCD TQ2 UAC
UB1 UB2 URD URS VAR VND VTQ
"""

KNOWN_SEGMENTS = frozenset(FIELDS) | frozenset(_NAMES_ALONE.split())
"""Names of segments of HL7 v2.8, by name alone; any other but a Z segment may be a line of somebody's text."""
