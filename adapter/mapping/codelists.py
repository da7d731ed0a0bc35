"""Code lists and code systems: which system a name means, the normal form of a code, and what is on which list.

Everything here is data of `mappings/codelists/`. A bare code without its system is never matched.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from adapter.datafile import Positioned, hyphenated, load_model, read_csv
from adapter.errors import ExitCode, Finding, SetupError
from adapter.mapping.closure import Descent, below, read_closure

_ICD = re.compile(r"([A-Z]\d[0-9AB])(?:X|(\d))?[0-9A-Z]{0,3}\Z")
_OPCS = re.compile(r"([A-HJ-Z]\d\d)(\d)?[0-9A-Z]?\Z")
_NOT_CODE = str.maketrans("", "", " \t.†‡*+")
_SNOMED = re.compile(r"[1-9]\d{2,14}[01]0\d\Z")
_PERMUTE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_SNOMED_CT = "snomed-ct"
_LOINC = re.compile(r"\d{1,7}-\d\Z")

NormalForm = Literal["icd-10", "opcs-4", "snomed-ct", "loinc"]
Name = Annotated[str, StringConstraints(min_length=1)]


class CodeSystem(Positioned):
    """A national or international system, its URI, and every other name it is sent under."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)

    name: Name
    uri: Name
    normal_form: NormalForm
    also: tuple[Name, ...] = ()


class ListEntry(Positioned):
    """One list of the index."""

    name: Name
    file: Name
    means: Name


class Listing(Positioned):
    """The file index.yaml."""

    kind: Literal["code-lists"]
    systems: tuple[CodeSystem, ...]
    lists: tuple[ListEntry, ...]


class ListedCode(Positioned):
    """One row of a list. `confidence` reads `code:…;role:…` or one word for both."""

    system: Name
    code: Name
    display: str
    include: Annotated[bool, BeforeValidator(lambda cell: {"yes": True, "no": False}.get(cell, cell))]
    note: str = ""
    confidence: Name
    source: Name
    reviewed_by: str = ""
    reviewed_on: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")] = ""

    @property
    def may_confirm(self) -> bool:
        """Ruling R7: what is of medium or low confidence and signed by nobody may raise suspicion only."""
        return bool(self.reviewed_by) or self.confidence.rpartition("role:")[2] in {"high", "verified"}

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class Normal(NamedTuple):
    """A code in the normal form of its system; `system` is the short name."""

    system: str
    uri: str
    code: str


def normalise_icd(text: str) -> str | None:
    """`P77X`, `q793`, `K65.0†`, `Q79.30` → `P77`, `Q79.3`, `K65.0`, `Q79.3`; None if it is no ICD-10 code.

    Compared on at most four characters: fillers, dagger and asterisk marks and the fifth character go.
    """
    match = _ICD.match(text.upper().translate(_NOT_CODE))
    return _dotted(match)


def normalise_opcs(text: str) -> str | None:
    """`t281` → `T28.1`; a local fifth character goes (NHS Data Dictionary). None if it is no OPCS-4 code."""
    match = _OPCS.match(text.upper().translate(_NOT_CODE))
    return _dotted(match)


def _dotted(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    return f"{match[1]}.{match[2]}" if match[2] else match[1]


def _normalise_snomed(text: str) -> str | None:
    """Only identifiers of concepts with a right check digit, so that no other number can pass for a code."""
    code = text.strip()
    return code if _SNOMED.match(code) and _verhoeff(code) == 0 else None


def _verhoeff(digits: str) -> int:
    """Check digit of SNOMED CT identifiers (Release File Specifications, section 6.5): 0 where it is right."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        permuted = int(digit)
        for _ in range(position % 8):
            permuted = _PERMUTE[permuted]
        check = _multiply(check, permuted)
    return check


def _multiply(left: int, right: int) -> int:
    """In the dihedral group of ten elements."""
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5


def _normalise_loinc(text: str) -> str | None:
    return text.strip() if _LOINC.match(text.strip()) else None


_FORMS: Mapping[str, Callable[[str], str | None]] = {
    "icd-10": normalise_icd,
    "opcs-4": normalise_opcs,
    "snomed-ct": _normalise_snomed,
    "loinc": _normalise_loinc,
}


class CodeLists:
    """All lists of a mapping set, read once."""

    def __init__(
        self, listing: Listing, rows: Mapping[str, Iterable[ListedCode]], *, closure: Iterable[Descent] = ()
    ) -> None:
        """`closure`: what lies below the SNOMED codes of the lists is on them, too."""
        self._systems = {_key(name): each for each in listing.systems for name in (each.name, each.uri, *each.also)}
        self._lists: dict[str, dict[tuple[str, str], ListedCode]] = {}
        for name, listed in rows.items():
            self._lists[name] = {self._row_key(row): row for row in listed if row.include}
        self._denied: tuple[str, ...] = ()
        self._extend(below(closure))
        self.names = tuple(self._lists)

    def deny(self, prefixes: Iterable[str]) -> None:
        """Codings of systems that begin so are not copied."""
        self._denied = tuple(prefix.strip().lower() for prefix in prefixes)

    def is_denied(self, system: str | None) -> bool:
        """Whether a system may hold a patient's words or numbers (behaviour 64)."""
        return bool(self._denied) and system is not None and system.strip().lower().startswith(self._denied)

    def system(self, text: str | None) -> CodeSystem | None:
        """The system a name, URI or v2 name (`urn:id:OPCS4`) means; None if no table knows it."""
        return self._systems.get(_key(text)) if text else None

    def place_of(self, system: str) -> str:
        """Where a system is defined: `index.yaml:5`."""
        known = self._systems[_key(system)]
        return f"{Path(known._file).name}:{known._line}"

    def normal(self, system: str | None, code: str | None) -> Normal | None:
        """The code in the normal form of its system; None where the system is not known or the code is not one."""
        known = self.system(system)
        if known is None or not code:
            return None
        normal = _FORMS[known.normal_form](code)
        return None if normal is None else Normal(known.name, known.uri, normal)

    def normalise(self, system: str, code: str) -> tuple[str, str]:
        """System URI and code in normal form; what is not known passes as it was sent."""
        normal = self.normal(system, code)
        return (system, code.strip()) if normal is None else (normal.uri, normal.code)

    def lookup(self, name: str, system: str | None, code: str) -> ListedCode | None:
        """The row of a list for a code, whatever its system is called and however the code is written."""
        normal = self.normal(system, code)
        key = (normal.system, normal.code) if normal is not None else (system or "", code.strip())
        return self._lists[name].get(key)

    def rows(self, name: str) -> tuple[ListedCode, ...]:
        """The rows of a list in the order of its file."""
        return tuple(self._lists[name].values())

    def code_rows(self) -> dict[str, dict[tuple[str, str], bool]]:
        """For `cohort`: list → (system URI, code) → whether the row may confirm."""
        return {
            name: {self.normalise(row.system, row.code): row.may_confirm for row in self._lists[name].values()}
            for name in self._lists
        }

    def _extend(self, descendants: Mapping[str, Iterable[str]]) -> None:
        """A code with a row of its own on any list stays there only: a congenital hernia is no unspecified one."""
        own = {key for rows in self._lists.values() for key in rows}
        for rows in self._lists.values():
            for (system, code), row in list(rows.items()):
                for descendant in sorted(descendants.get(code, ())) if system == _SNOMED_CT else ():
                    key = (system, descendant)
                    if key not in own:
                        note = f"below {code} in the trust's closure file"
                        rows.setdefault(key, row.model_copy(update={"code": descendant, "display": "", "note": note}))

    def _row_key(self, row: ListedCode) -> tuple[str, str]:
        normal = self.normal(row.system, row.code)
        return (normal.system, normal.code) if normal is not None else (row.system, row.code)


def _key(name: str) -> str:
    return name.strip().removeprefix("urn:id:").casefold()


def load_codelists(folder: Path, *, closure: Path | None = None) -> CodeLists:
    """Reads index.yaml and every list of it; SetupError with all faults.

    `closure` is the trust's file of SNOMED CT descendants.
    """
    listing = load_model(folder / "index.yaml", Listing, exit_code=ExitCode.MAPPING)
    rows: dict[str, list[ListedCode]] = {}
    findings: list[Finding] = []
    for entry in listing.lists:
        try:
            rows[entry.name] = read_csv(folder / entry.file, ListedCode)
        except SetupError as error:
            findings += error.findings or [Finding(file=entry._file, line=entry._line, column=1, text=str(error))]
    lists = CodeLists(listing, rows)
    for name, listed in rows.items():
        findings += _faults(name, listed, lists)
    pairs: list[Descent] = []
    if closure is not None:
        try:
            pairs = read_closure(closure)
        except SetupError as error:
            findings += error.findings or [Finding(file=str(closure), line=0, column=0, text=str(error))]
        findings += _false_codes(pairs)
    findings += _unlisted(folder, listing)
    if findings:
        raise SetupError("the code lists cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return CodeLists(listing, rows, closure=pairs) if pairs else lists


def _false_codes(pairs: Iterable[Descent]) -> Iterator[Finding]:
    for pair in pairs:
        for code in (pair.ancestor, pair.descendant):
            if _normalise_snomed(code) is None:
                text = f"{code} is not a SNOMED CT concept: its check digit or its kind is wrong"
                yield Finding(file=pair._file, line=pair._line, column=1, text=text)


def _faults(name: str, listed: Iterable[ListedCode], lists: CodeLists) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for row in listed:
        known = lists.system(row.system)
        normal = lists.normal(row.system, row.code)
        if known is not None and (normal is None or normal.code != row.code):
            hint = f"write {normal.code}" if normal is not None else ""
            yield _finding(row, f"{row.code} is not a code of {known.name} in its normal form", hint=hint)
        if (row.system, row.code) in seen:
            yield _finding(row, f"{row.code} stands on {name} twice")
        seen.add((row.system, row.code))


def _unlisted(folder: Path, listing: Listing) -> Iterator[Finding]:
    named = {entry.file for entry in listing.lists}
    for path in sorted(folder.glob("*.csv")):
        if path.name not in named:
            yield Finding(file=str(path), line=0, column=0, text="this list is not in index.yaml")


def _finding(row: ListedCode, text: str, *, hint: str = "") -> Finding:
    return Finding(file=row._file, line=row._line, column=1, text=text, hint=hint)
