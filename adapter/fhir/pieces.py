"""Resources of one body from their bytes, checked as they are decoded.

The elements of a resource are taken one by one: what stands in many of them word for word (a code, a category, the
reference to the patient) is decoded and checked once and shared, so that later rooms know it by its identity.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec

from adapter.assertion import Resource
from adapter.fhir.shape import ELEMENTS

_PIECES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder(Any, float_hook=Decimal)

Met = defaultdict[str, dict[bytes, Any]]
"""What each element of a kind of resource was met as."""


class Pieces:
    """Remembers the elements of one body, no longer than that body is read: they are a patient's."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, tuple[str, Met]] = {}

    def sound(self, raw: bytes | msgspec.Raw) -> Resource | None:
        """The resource; None where it is none, or not of the form of its kind: `decode` and `fault` then say why."""
        try:
            found: dict[str, Any] = _PIECES.decode(raw)
            kind, met = self._kind(bytes(found.get("resourceType", b"")))
            if kind == "Bundle":
                return None
            for name, piece in found.items():
                text = bytes(piece)
                value = met[name].get(text)
                if value is None:
                    value = met[name][text] = _checked(kind, name, text)
                found[name] = value
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return found

    def _kind(self, text: bytes) -> tuple[str, Met]:
        found = self._kinds.get(text)
        if found is None:
            kind = msgspec.json.decode(text, type=str)
            found = self._kinds[text] = (kind, defaultdict(dict))
        return found


def _checked(kind: str, name: str, text: bytes) -> Any:
    form = ELEMENTS.get((kind, name))
    if form is not None:
        form.decode(text)
    return _VALUE.decode(text)
