"""What `doctor` has found: one answer to a line, and what to ask others for."""

from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """How good it is."""

    OK = "ok"
    LOOK = "look"
    """It works, but a person should look."""
    WRONG = "wrong"


class Found(NamedTuple):
    """One answer."""

    grade: Grade
    about: str
    text: str
    ask: str = ""
    """What to ask the team of the server for."""
