"""`csor-adapter convert`: files to FHIR Bundles or CSOR rows, offline; nothing is stored.

A file that cannot be converted gets one line on stderr, the others are still done.
"""

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapter import config, mapping
from adapter.assertion import Resource
from adapter.cli.convert_rows import Rows
from adapter.errors import ExitCode, MessageError
from adapter.fhir import UnsupportedVersion, Version, parts, validate, version_of, version_said_by
from adapter.fhir.resource import encode
from adapter.hl7v2 import Message, batch
from adapter.service.feeds import FeedReading, overlay_of, own_codes, rules_of_reading

_LONDON = ZoneInfo("Europe/London")
_FHIR_SUFFIXES = frozenset({".json", ".ndjson"})


class Target(StrEnum):
    FHIR = "fhir"
    CSOR = "csor"


def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="HL7 v2 or FHIR JSON.")],
    to: Annotated[Target, typer.Option("--to", help="A FHIR Bundle, or CSOR rows grouped by kind.")] = Target.FHIR,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Read v2 as this vendor's feeds are read.")] = None,
    check: Annotated[bool, typer.Option("--validate", help="Also hold every resource to FHIR R4B.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for <stem>.json; without it, stdout.")] = None,
    fhir_version: Annotated[
        str, typer.Option("--fhir-version", help="R4, R4B or STU3; without it, what the profiles of a file say.")
    ] = "",
) -> None:
    """Convert files, nothing stored. Rows are made as if each patient were a confirmed child."""
    converter = Converter(vendor=vendor, to=to, is_checked=check, version=_version(fhir_version))
    if to is Target.CSOR:
        typer.echo("convert: every patient is taken for a confirmed child; hold and disclosure are skipped", err=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    failed = 0
    taken: set[str] = set()
    for file in files:
        reason = _clash(file, taken) if out is not None else ""
        reason = reason or _one(converter, file, out)
        if reason:
            failed += 1
            typer.echo(f"{file}: {reason}", err=True)
    if failed:
        typer.echo(f"convert: {len(files) - failed} of {len(files)} files converted", err=True)
        raise typer.Exit(ExitCode.FILES_FAILED)


def _version(text: str) -> Version | None:
    try:
        return version_of(text) if text else None
    except UnsupportedVersion as error:
        raise typer.BadParameter(str(error), param_hint="--fhir-version") from None


def _clash(file: Path, taken: set[str]) -> str:
    if file.stem in taken:
        return f"another file of this run already became {file.stem}.json"
    taken.add(file.stem)
    return ""


def _one(converter: "Converter", file: Path, out: Path | None) -> str:
    """Convert one file; why it could not be done, or empty text."""
    try:
        made = converter.convert(file)
        if out is None:
            sys.stdout.write(made.decode() + "\n")
        else:
            (out / f"{file.stem}.json").write_bytes(made + b"\n")
    except MessageError as error:
        return error.problem.text
    except OSError as error:
        return error.strerror or "cannot be read or written"
    except Exception as error:  # noqa: BLE001 - one of the three places that may: the other files must go on
        # Only the kind of error: its text may quote the file.
        return f"internal error ({type(error).__name__})"
    return ""


class Converter:
    """The mappings, loaded once for all files."""

    def __init__(self, *, vendor: str | None, to: Target, is_checked: bool, version: Version | None = None) -> None:
        """SetupError where the mappings or the vendor's name are wrong."""
        folder = config.packaged("mappings")
        overlay = overlay_of(folder, vendor)
        said = config.vendor_reading(vendor) if vendor else config.Reading()
        rules = rules_of_reading(said)
        self.rows: Rows | None = None
        if to is Target.CSOR:
            self.rows = Rows.load(folder, vendor=overlay, said=said, timezone=_LONDON)
            self.reading = self.rows.reading
        else:
            maps = mapping.load_v2_maps(folder, vendor=overlay, own_codes=own_codes(said))
            self.reading = FeedReading(maps, rules, _LONDON)
        self.is_checked = is_checked
        self._version = version

    def convert(self, file: Path) -> bytes:
        """The file's Bundle or rows as JSON."""
        raw = file.read_bytes()
        is_fhir = file.suffix.lower() in _FHIR_SUFFIXES or raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
        version = (self._version or version_said_by(raw)) if is_fhir else Version.R4
        if self.rows is not None:
            made = self.rows.of_fhir(raw, version=version) if is_fhir else self.rows.of_messages(self._messages(raw))
            return encode(made)
        resources = list(_resources(raw, version) if is_fhir else self._mapped(self._messages(raw)))
        if self.is_checked:
            _tell_verdict(file, (entry["resource"] for entry in resources))
        return encode({"resourceType": "Bundle", "type": "collection", "entry": resources})

    def _mapped(self, messages: Iterable[Message]) -> Iterator[Resource]:
        for message in messages:
            yield from self.reading.bundle(message)["entry"]

    def _messages(self, raw: bytes) -> list[Message]:
        """A file holds one message, or several, or a batch. Without any MSH the file is the unreadable message."""
        return [self.reading.parse(message) for message in batch.split(raw).messages or (raw,)]


def _resources(raw: bytes, version: Version) -> Iterator[Resource]:
    return ({"resource": part.resource} for part in parts(raw, version=version))


def _tell_verdict(file: Path, resources: Iterable[Resource]) -> None:
    for number, resource in enumerate(resources):
        for problem in validate(resource, at=f"/entry/{number}/resource"):
            typer.echo(f"{file}: {problem.code} {problem.text} at {problem.at}", err=True)
