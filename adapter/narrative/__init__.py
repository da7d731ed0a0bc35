"""Clinical prose: which of the named things a text speaks of, and whether it asserts them of this child, now. Pure.

What to look for is the caller's data; how English denies, doubts, plans and remembers stands in `cues`. Text may raise
suspicion or colour a report; no code display, order name or title is ever read here (ruling R1).
"""

from adapter.narrative.cues import Assertion, Sense
from adapter.narrative.reader import Mention, Reader

__all__ = ["Assertion", "Mention", "Reader", "Sense"]
