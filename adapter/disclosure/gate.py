"""May anything about this child leave for this peer? Rulings R21, R24 and R25: no legal basis, no send.

Fails shut: what is not known counts against sending. Sees no patient data, only of what kind the child's number is.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import assert_never


class NumberClass(StrEnum):
    """What stands in for the child's number: the gate need not see it."""

    NONE = "none"
    TEST = "test"
    """A valid number of the 999 range."""
    REAL = "real"


class Nation(StrEnum):
    ENGLAND = "england"
    WALES = "wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern-ireland"
    UNKNOWN = "unknown"


class Objection(StrEnum):
    """What the opt-out checks say."""

    UNKNOWN = "unknown"
    CLEAR = "clear"
    RAISED = "raised"


class PeerKind(StrEnum):
    HOST = "host"
    FOLDER = "folder"


class Reason(StrEnum):
    """Why nothing leaves; safe to log and to count."""

    NOT_CONFIGURED = "gate-not-configured"
    NO_NUMBER = "no-number"
    TEST_NUMBER_OUTSIDE_TEST_MODE = "test-number-outside-test-mode"
    REAL_NUMBER_IN_TEST_MODE = "real-number-in-test-mode"
    NO_LEGAL_BASIS = "no-legal-basis"
    NOT_LOOPBACK = "not-loopback"
    THROUGH_A_PROXY = "through-a-proxy"
    OBJECTION = "objection"
    OBJECTION_UNKNOWN = "objection-unknown"
    NATION_NOT_CONFIGURED = "nation-not-configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """What permits sending real children's data, such as a Confidentiality Advisory Group reference."""

    reference: str
    valid_from: date | None
    valid_to: date | None
    """The last day it holds; None is not open-ended but unknown, and fails."""

    def holds_on(self, day: date) -> bool:
        if not self.reference.strip() or self.valid_from is None or self.valid_to is None:
            return False
        return self.valid_from <= day <= self.valid_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What the gate must know of a child."""

    number: NumberClass
    nation: Nation
    objection: Objection


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where it would go."""

    kind: PeerKind
    addresses: tuple[str, ...] = ()
    """Every IP address the host name stands for, resolved by the caller; the connection must use one of these."""
    proxied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """What the trust's file says about sending."""

    test_mode: bool
    legal_basis: LegalBasis | None
    nations: frozenset[Nation] = frozenset({Nation.ENGLAND})


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may leave."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """It may not."""

    reason: Reason


def gate(child: Child, *, peer: Peer, settings: GateSettings | None, today: date) -> Allowed | Withheld:
    """Asked for each child and each delivery, just before the bytes are frozen."""
    if settings is None:
        return Withheld(Reason.NOT_CONFIGURED)
    has_basis = settings.legal_basis is not None and settings.legal_basis.holds_on(today)
    by_basis = _with_basis(child, settings=settings) if has_basis else _without_basis(child, peer=peer)
    reason = _about_child(child, settings=settings) or by_basis
    return Allowed() if reason is None else Withheld(reason)


def _about_child(child: Child, *, settings: GateSettings) -> Reason | None:
    """What holds with and without a legal basis."""
    if child.objection is Objection.RAISED:
        return Reason.OBJECTION
    match child.number:
        case NumberClass.NONE:
            return Reason.NO_NUMBER
        case NumberClass.TEST:
            return None if settings.test_mode else Reason.TEST_NUMBER_OUTSIDE_TEST_MODE
        case NumberClass.REAL:
            return Reason.REAL_NUMBER_IN_TEST_MODE if settings.test_mode else None
        case _:
            assert_never(child.number)


def _with_basis(child: Child, *, settings: GateSettings) -> Reason | None:
    """Real numbers also need the checks of R24: objections, and the nation's own approval."""
    if child.number is NumberClass.TEST:
        return None
    if child.objection is not Objection.CLEAR:
        return Reason.OBJECTION_UNKNOWN
    if child.nation is Nation.UNKNOWN or child.nation not in settings.nations:
        return Reason.NATION_NOT_CONFIGURED
    return None


def _without_basis(child: Child, *, peer: Peer) -> Reason | None:
    """Invented children may go to this very machine, directly; a folder only in test mode, which they imply."""
    if child.number is not NumberClass.TEST:
        return Reason.NO_LEGAL_BASIS
    if peer.kind is PeerKind.FOLDER:
        return None
    if peer.proxied:
        return Reason.THROUGH_A_PROXY
    return None if _is_loopback(peer.addresses) else Reason.NOT_LOOPBACK


def _is_loopback(addresses: tuple[str, ...]) -> bool:
    """Every one of them, and at least one: a name that also leads elsewhere is elsewhere."""
    return bool(addresses) and all(map(_is_loopback_address, addresses))


def _is_loopback_address(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
