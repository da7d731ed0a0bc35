"""What an objection to the use of a child's data means for what is sent (rulings R24 and R25)."""

from enum import StrEnum
from typing import assert_never


class OptOut(StrEnum):
    """What is known of objections."""

    UNKNOWN = "unknown"
    """Not asked, or the answer is too old."""
    CLEAR = "clear"
    NATIONAL = "national"
    """National Data Opt-Out."""
    LOCAL = "local"
    """The parents have told the trust."""
    STUDY = "study"
    """The parents have told the study."""


class Consequence(StrEnum):
    """What follows for sending."""

    MAY_GO = "may-go"
    WAIT = "wait"
    STOP_SILENTLY = "stop-silently"
    WITHDRAW = "withdraw"
    """Stop, and send a withdrawal of what has been sent."""


def consequence(opt_out: OptOut) -> Consequence:
    """The national opt-out is not retrospective, and telling it on would disclose it; a withdrawal is told."""
    match opt_out:
        case OptOut.CLEAR:
            return Consequence.MAY_GO
        case OptOut.UNKNOWN:
            return Consequence.WAIT
        case OptOut.NATIONAL:
            return Consequence.STOP_SILENTLY
        case OptOut.LOCAL | OptOut.STUDY:
            return Consequence.WITHDRAW
        case _:
            assert_never(opt_out)
