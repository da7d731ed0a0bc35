"""Builders of v2 messages with invented patients."""

from functools import cache
from zoneinfo import ZoneInfo

from adapter import config, mapping
from adapter.assertion import Item, ItemKind, Resource
from adapter.hl7v2 import Message
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.statement import Statement

LONDON = ZoneInfo("Europe/London")
PID = "PID|1||100200^^^RXX^MR~9990000042^^^NHS^NH||TESTER^BABY^^^^^L||20260101|F"
PV1 = "PV1|1|I|NICU^BAY1^BED3^RXX|||||||422|||||||||V7001^^^RXX^VN|||||||||||||||||||||||||20260101103000"
OBR = "OBR|1|P1|F1|FBC^Full blood count^LAB|||20260103110000|||||||20260103113000||||||||20260103121000|||F"


@cache
def state_maps(vendor: str | None = None) -> mapping.V2Maps:
    return mapping.load_v2_maps(config.packaged("mappings"), vendor=vendor, wanted=mapping.STATE_TYPES)


@cache
def all_maps() -> mapping.V2Maps:
    return mapping.load_v2_maps(config.packaged("mappings"))


def a_message(kind: str, *segments: str, time: str = "20260103121500") -> Message:
    header = f"MSH|^~\\&|EPR|RXX|ADAPTER|RXX|{time}||{kind}|M1|P|2.4"
    return Message.parse(("\r".join([header, *segments]) + "\r").encode())


def adt(event: str, *segments: str, recorded: str = "20260103120000", occurred: str = "") -> Statement:
    evn = f"EVN|{event}|{recorded}||||{occurred}"
    return stated(a_message(f"ADT^{event}", evn, PID, *segments))


def oru(*segments: str) -> Statement:
    return stated(a_message("ORU^R01", PID, PV1, *segments))


def stated(message: Message, *, rules: FeedRules = STANDARD) -> Statement:
    return mapping.state(message, state_maps(), timezone=LONDON, rules=rules)


def items(statement: Statement, kind: ItemKind) -> list[Item]:
    return [item for item in statement.items if item.kind is kind]


def observations(statement: Statement) -> list[Resource]:
    return [item.resources[0] for item in items(statement, ItemKind.OBSERVATION)]


def the_value(kind: str, sent: str, unit: str = "mg/L") -> tuple[Resource, Statement]:
    statement = oru(OBR, f"OBX|1|{kind}|CRP^C reactive protein^LAB||{sent}|{unit}|||||F")
    return observations(statement)[0], statement
