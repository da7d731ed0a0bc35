"""May anything about this child leave for this peer? Rulings R21, R24 and R25: no legal basis, no send.

Fails shut: what is not known counts against sending. Sees no patient data, only of what kind the child's number is.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


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
    FOLDER_WITHOUT_TEST_MODE = "folder-without-test-mode"
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
    raise NotImplementedError
