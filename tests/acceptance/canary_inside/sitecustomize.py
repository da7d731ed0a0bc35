"""Loaded by Python itself when a process of the service starts: translating a poisoned message raises its own text."""

import sys
from collections.abc import Callable
from typing import Any

if "work" in sys.orig_argv:
    from adapter.service.assembly import Translator

    def _or_shout(translate: Callable[..., Any]) -> Callable[..., Any]:
        def shouting(self: Translator, feed: str, media: str, body: bytes) -> Any:
            if b"-POISON" in body:
                raise RuntimeError(body.decode("utf-8", "replace"))
            return translate(self, feed, media, body)

        return shouting

    Translator.__call__ = _or_shout(Translator.__call__)  # type: ignore[method-assign]
    Translator.first = _or_shout(Translator.first)  # type: ignore[method-assign]
