"""Language 2, pure: FHIR R4 JSON. Reads bodies, splits Bundles, follows references; knows neither HL7 v2 nor CSOR."""

from adapter.fhir.bundle import split
from adapter.fhir.part import Deletion, Part
from adapter.fhir.path import Path, PathStep, parse_path
from adapter.fhir.resource import decode, encode
from adapter.fhir.sorting import NOTHING_KNOWN, Known, LeftOut
from adapter.fhir.statements import Reader, Reading, read, statements
from adapter.fhir.validate import validate
from adapter.fhir.versions import ConvertedPart, UnsupportedVersion, Version, parts, version_of, version_said_by

__all__ = [
    "NOTHING_KNOWN",
    "ConvertedPart",
    "Deletion",
    "Known",
    "LeftOut",
    "Part",
    "Path",
    "PathStep",
    "Reader",
    "Reading",
    "UnsupportedVersion",
    "Version",
    "decode",
    "encode",
    "parse_path",
    "parts",
    "read",
    "split",
    "statements",
    "validate",
    "version_of",
    "version_said_by",
]
