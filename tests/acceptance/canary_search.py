"""Looks for canaries in bytes and in folders, in whatever form they were written."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path


class Search:
    """Looks for needles in bytes as they may be written: UTF-8 in any case, UTF-16, hexadecimal, base64."""

    def __init__(self, needles: Iterable[str], *, plainly: Iterable[str] = ()) -> None:
        """`plainly`: searched for in UTF-8 alone, because there are many."""
        self._forms: dict[str, tuple[tuple[bytes, bool], ...]] = {
            needle: ((needle.lower().encode(), False),) for needle in sorted(set(plainly))
        }
        self._forms |= {needle: tuple(_forms(needle)) for needle in needles}

    def found_in(self, content: bytes) -> set[str]:
        lower = content.lower()
        return {
            needle
            for needle, forms in self._forms.items()
            if any(form in (content if is_exact else lower) for form, is_exact in forms)
        }

    def found_below(self, folder: Path) -> dict[str, set[str]]:
        """By path; names of files and folders are searched, too."""
        hits = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            found = self.found_in(name.encode()) | (self.found_in(path.read_bytes()) if path.is_file() else set())
            if found:
                hits[name] = found
        return hits


def _forms(needle: str) -> Iterator[tuple[bytes, bool]]:
    """Each with whether it must match to the letter."""
    for text in {needle, needle.replace(" ", "%20"), needle.replace(" ", "+")}:
        yield text.lower().encode(), False
    for encoding in ("utf-16-le", "utf-16-be"):
        yield needle.lower().encode(encoding), False
    for variant in (needle, needle.upper()):
        yield variant.encode().hex().encode(), False
        for offset in range(3):
            # The first and the last characters depend on the neighbours.
            coded = base64.b64encode(b"\0" * offset + variant.encode()).rstrip(b"=")
            yield coded[-(-offset * 4 // 3) : -1], True
