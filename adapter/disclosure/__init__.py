"""WHAT MAY LEAVE: the gate before every delivery, and the form in which a row leaves. Pure; fails shut."""

from adapter.disclosure.birth import Birth, Minutes
from adapter.disclosure.gate import (
    Allowed,
    Child,
    GateSettings,
    LegalBasis,
    Nation,
    NumberClass,
    Objection,
    Peer,
    PeerKind,
    Reason,
    Withheld,
    gate,
)
from adapter.disclosure.payload import disclose

__all__ = [
    "Allowed",
    "Birth",
    "Child",
    "GateSettings",
    "LegalBasis",
    "Minutes",
    "Nation",
    "NumberClass",
    "Objection",
    "Peer",
    "PeerKind",
    "Reason",
    "Withheld",
    "disclose",
    "gate",
]
