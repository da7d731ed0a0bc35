"""Resources of one body from their bytes, checked as they are decoded.

The elements of a resource are taken one by one: what stands in many of them word for word (a code, a category, the
reference to the patient) is decoded and checked once and shared, so that later rooms know it by its identity.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from adapter.assertion import Resource
from adapter.fhir.resource import NULL
from adapter.fhir.shape import ELEMENTS, TEXTS, check_contained

_PIECES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder(Any, float_hook=Decimal).decode
_ALIKE_BUT_FOR_DIGITS = frozenset(
    {"identifier", "collection", "subject", "encounter", "basedOn", "specimen", "performer", "requester"}
)
"""Numbers, times and references: their forms hold texts alone, so that another digit changes no type."""
_SHORT = 512
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_TEXT = msgspec.json.Decoder(str | None).decode


class _Element(dict[bytes, Any]):
    """What one element of a kind of resource was met as, by its bytes."""

    def __init__(self, kind: str, name: str) -> None:
        form = ELEMENTS.get((kind, name))
        self._is_read = form is not None
        self._value = _TEXT if (kind, name) in TEXTS else _VALUE
        self._check: Callable[[bytes], object] | None = None
        if form is not None and self._value is not _TEXT:
            self._check = check_contained if name == "contained" else form.decode
        self._may_recur = name != "id"
        self._sound: set[bytes] | None = set() if name in _ALIKE_BUT_FOR_DIGITS else None

    def __missing__(self, text: bytes) -> Any:
        if self._is_read and NULL in text:
            raise msgspec.ValidationError  # perhaps a member that is null: `decode` takes it out
        if self._check is not None and not self._is_as_one_before(text):
            self._check(text)
        value = self._value(text)
        if self._may_recur:
            self[text] = value
        return value

    def _is_as_one_before(self, text: bytes) -> bool:
        """Whether one that was sound differs from it in digits alone; if not, this one is to be checked, and noted."""
        if self._sound is None or len(text) > _SHORT or b"\\" in text:  # digits of an escape are no digits
            return False
        pattern = text.translate(_ANY_DIGIT)
        if pattern in self._sound:
            return True
        if self._check is not None:
            self._check(text)
        self._sound.add(pattern)
        return True


class Elements(dict[str, _Element]):
    """The elements met of one kind of resource."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __missing__(self, name: str) -> _Element:
        element = self[name] = _Element(self.kind, name)
        return element


class Pieces:
    """Remembers the elements of one body, no longer than that body is read: they are a patient's."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, Elements] = {}

    def sound(self, raw: bytes | msgspec.Raw) -> Resource | None:
        """The resource; None where it is none, or not of the form of its kind: `decode` and `fault` then say why."""
        try:
            found: dict[str, Any] = _PIECES.decode(raw)
            elements = self._elements(bytes(found.get("resourceType", b"")))
            if elements.kind == "Bundle":
                return None
            for name, piece in found.items():
                found[name] = elements[name][bytes(piece)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return found

    def elements(self, kind: str) -> Elements:
        """The elements met of one kind of resource, each by its own bytes; with the errors of msgspec."""
        return self._elements(msgspec.json.encode(kind))

    def _elements(self, text: bytes) -> Elements:
        found = self._kinds.get(text)
        if found is None:
            found = self._kinds[text] = Elements(msgspec.json.decode(text, type=str))
        return found
