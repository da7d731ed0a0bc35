"""Peers, children and rows of invented infants."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from adapter.disclosure import (
    Allowed,
    Birth,
    Child,
    GateSettings,
    LegalBasis,
    Nation,
    NumberClass,
    Objection,
    Peer,
    PeerKind,
    Reason,
    gate,
)

TODAY = date(2026, 11, 22)
LONDON = ZoneInfo("Europe/London")
LOOPBACK = Peer(kind=PeerKind.HOST, addresses=("127.0.0.1",))
REMOTE = Peer(kind=PeerKind.HOST, addresses=("203.0.113.7",))
FOLDER = Peer(kind=PeerKind.FOLDER)
BASIS = LegalBasis(reference="26/CAG/0001", valid_from=date(2026, 1, 1), valid_to=date(2027, 1, 1))


def a_child(**changes: Any) -> Child:
    base: dict[str, Any] = {"number": NumberClass.TEST, "nation": Nation.ENGLAND, "objection": Objection.UNKNOWN}
    return Child(**(base | changes))


def a_real_child(**changes: Any) -> Child:
    return a_child(**({"number": NumberClass.REAL, "objection": Objection.CLEAR} | changes))


def settings(**changes: Any) -> GateSettings:
    return GateSettings(**({"test_mode": True, "legal_basis": None} | changes))


def verdict(child: Child, peer: Peer, chosen: GateSettings | None) -> Reason | None:
    """None is allowed."""
    found = gate(child, peer=peer, settings=chosen, today=TODAY)
    return None if isinstance(found, Allowed) else found.reason


def born(text: str | None = "2026-03-01T04:05:30+00:00") -> Birth:
    return Birth.read(text, timezone=LONDON)
