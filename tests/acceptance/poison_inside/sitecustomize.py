"""Loaded by Python itself when a process of the service starts: reading a poisoned message kills the work process.

As long as the file POISON_FOLDER/poison is there; each death is a line in the file `deaths` beside it.
"""

import os
import signal
import sys
from typing import Any

if "work" in sys.orig_argv:
    from adapter.hl7v2.message import Message

    _FOLDER = os.environ["POISON_FOLDER"]
    _parse = Message.parse

    def _parse_or_die(raw: bytes, **given: Any) -> Message:
        if b"POISON" in raw and os.path.exists(os.path.join(_FOLDER, "poison")):
            with open(os.path.join(_FOLDER, "deaths"), "a", encoding="ascii") as deaths:
                deaths.write("one\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return _parse(raw, **given)

    Message.parse = staticmethod(_parse_or_die)  # type: ignore[method-assign,assignment]
