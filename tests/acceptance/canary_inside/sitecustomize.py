"""Loaded by Python itself when a process of the service starts: translating a poisoned message raises its own text."""

import sys
from typing import Any

if "work" in sys.orig_argv:
    from adapter.service.assembly import Translator

    _translate = Translator.__call__

    def _translate_or_shout(self: Translator, feed: str, media: str, body: bytes) -> Any:
        if b"-POISON" in body:
            raise RuntimeError(body.decode("utf-8", "replace"))
        return _translate(self, feed, media, body)

    Translator.__call__ = _translate_or_shout  # type: ignore[method-assign]
