"""What an objection means for what is sent."""

import pytest

from adapter.cohort import Consequence, OptOut, consequence


@pytest.mark.parametrize(
    ("opt_out", "follows"),
    [
        (OptOut.CLEAR, Consequence.MAY_GO),
        (OptOut.UNKNOWN, Consequence.WAIT),
        (OptOut.NATIONAL, Consequence.STOP_SILENTLY),
        (OptOut.LOCAL, Consequence.WITHDRAW),
        (OptOut.STUDY, Consequence.WITHDRAW),
    ],
)
def test_the_national_opt_out_is_silent_and_a_withdrawal_is_told(opt_out: OptOut, follows: Consequence) -> None:
    assert consequence(opt_out) is follows
