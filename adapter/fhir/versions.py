"""Which version of FHIR a body is in, and STU3 resources in the form of R4, the canonical one. R4B needs no change.

What was renamed, wrapped or made a list is told path by path, so that lineage leads to the bytes as received. Rules:
the conversion maps of hl7.org/fhir/R4 (`*-version-maps.html`), and where those lose what a dose or a film means, the
comment says so.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode, Unparsable
from adapter.fhir.bundle import cut
from adapter.fhir.part import Cut, Part, Rejected
from adapter.fhir.resource import encode
from adapter.fhir.shape import fault
from adapter.fhir.stu3 import NAMES, Moved, Rewriter


class Version(StrEnum):
    """A version that is read."""

    R4 = "R4"
    R4B = "R4B"
    STU3 = "STU3"


_NUMBERS: Mapping[str, Version] = {"3.0": Version.STU3, "4.0": Version.R4, "4.3": Version.R4B}
_NAMES: Mapping[str, Version] = {**{version.value: version for version in Version}, "R3": Version.STU3}
_NUMBER = re.compile(r"(\d+\.\d+)(\.\d+)?")
_OF_DSTU2 = (b'"MedicationOrder"', b'"DiagnosticOrder"', b"/DSTU2/StructureDefinition/")
"""Types that no later version has, and the address of its profiles."""
_OF_STU3 = (b"/STU3/StructureDefinition/", b'"ProcedureRequest"', b'"ReferralRequest"')
"""CareConnect profiles, and types that R4 has not."""
_DSTU2 = "FHIR DSTU2 is not read: ask the server's team for R4 or STU3 (CareConnect), most servers offer one of them"


class UnsupportedVersion(ValueError):
    """A version of FHIR that is not read; its text says what to ask for."""


def version_of(text: str) -> Version:
    """From a name (`STU3`) or a number (`fhirVersion` of a CapabilityStatement, 4.0.1). Raises UnsupportedVersion."""
    name = text.strip().upper()
    number = _NUMBER.fullmatch(name)
    found = _NUMBERS.get(number[1]) if number else _NAMES.get(name)
    if found is not None:
        return found
    if name in ("DSTU2", "R2") or name.startswith(("1.0", "0.")):
        raise UnsupportedVersion(_DSTU2)
    raise UnsupportedVersion("not a version of FHIR that is read: R4, R4B and STU3 are")


def version_said_by(body: bytes) -> Version:
    """Of a body of which no setting says it: by its profiles and types, else R4. Raises Unparsable for DSTU2."""
    if any(sign in body for sign in _OF_DSTU2):
        raise Unparsable(Problem(code=ProblemCode.UNSUPPORTED_VERSION, text=_DSTU2))
    return Version.STU3 if any(sign in body for sign in _OF_STU3) else Version.R4


class Converted(NamedTuple):
    """A resource in the form of R4."""

    resource: Resource
    moved: Moved
    """What is not named did not move."""


class ConvertedPart(Part, frozen=True):
    """A resource of a body in another version, in the form of R4; its bytes are those that were received."""

    received: Resource = {}
    moved: Moved = {}

    def received_at(self, path: str) -> str:
        """Where the value at this path stood in the resource as it was received; empty where nobody sent it."""
        return _received_at(self.moved, path)


def to_r4(resource: Resource) -> Converted:
    """An STU3 resource as R4; types that are not read only get the names that R4 has for systems and types."""
    rewriter = Rewriter(resource)
    return Converted(rewriter.made(), rewriter.moved)


def _received_at(moved: Moved, path: str) -> str:
    """By the longest path that was moved."""
    head = path
    while head and head not in moved:
        head = head[: max(head.rfind("."), head.rfind("["))] if "." in head or "[" in head else ""
    if not head:
        return path
    before = moved[head]
    return before + path[len(head) :] if before else ""


def cut_stu3(body: bytes) -> Cut:
    """As `bundle.cut`, each resource in the form of R4."""
    found = cut(body)
    parts: list[Part] = []
    for part in found.parts:
        made = _converted(part)
        problem = fault(encode(made.resource), kind=made.resource["resourceType"], at=part.at)
        if problem is None:
            parts.append(made)
            continue
        # The place in the bytes as they came is what a person needs to find it.
        at = part.at + _pointer(made.received_at(_path(problem.at.removeprefix(part.at))))
        found.problems.append(replace(problem, at=at))
        found.rejected.append(Rejected(raw=part.raw, at=part.at))
    return Cut(parts=parts, rejected=found.rejected, problems=found.problems, deletions=found.deletions)


def parts(body: bytes, *, version: Version) -> list[Part]:
    """The resources of a body in the form of R4; raises Unparsable if it is no JSON at all."""
    return (cut(body) if version is not Version.STU3 else cut_stu3(body)).parts


def _converted(part: Part) -> ConvertedPart:
    made, moved = to_r4(part.resource)
    identity = made.get("id")
    key = f"{made['resourceType']}/{identity}" if identity and isinstance(identity, str) else ""
    return ConvertedPart(
        part.own,
        made,
        part.place,
        part.entry,
        NAMES.of_reference(part.full_url),
        part.timestamp,
        key,
        True,
        received=part.resource,
        moved=moved,
    )


def _path(pointer: str) -> str:
    """`/code/coding/0` as `code.coding[0]`."""
    steps = (f"[{step}]" if step.isdigit() else f".{step}" for step in pointer.split("/")[1:])
    return "".join(steps).removeprefix(".")


def _pointer(path: str) -> str:
    return "".join(f"/{step}" for step in re.findall(r"[^.\[\]]+", path))
