"""`csor-adapter check`: the mappings and a trust's configuration, whole, before anything starts with them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer

from adapter import cohort, config, mapping
from adapter.datafile import did_you_mean
from adapter.errors import ExitCode, SetupError
from adapter.mapping.own_tables import NO_OWN_TABLES
from adapter.service.assembly import own_tables
from adapter.service.feeds import FeedReading, overlay_of, rules_of_reading
from adapter.service.listening import refuse_if_untrusted

T = TypeVar("T")


def check(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A trust file; its secrets are tried, too.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Every value in force and the line it came from.")] = False,
    messages: Annotated[
        list[Path] | None, typer.Option("--messages", help="HL7 v2 files to hold to the standard.")
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Further files of --messages.")] = None,
) -> None:
    """Check mappings, configuration and a sample of messages; every fault at once. Exit 10 or 11 where there is one."""
    if more and not messages:
        raise typer.BadParameter("files are given with --messages FILE...", param_hint="FILE")
    errors: list[SetupError] = []
    settings = _tried(lambda: config.load_trust(config_file), errors) if config_file else None
    folder = (settings.mappings if settings else None) or config.packaged("mappings")
    if settings:
        errors += _secret_faults(settings)
    told = list(_mappings(folder, settings, config_file, errors))
    if show and config_file:
        _show(config_file)
    if messages:
        errors += _report([*messages, *(more or [])], folder=folder, settings=settings)
    for error in errors:
        typer.echo(str(error), err=True)
    if errors:
        raise typer.Exit(min(error.exit_code for error in errors))
    typer.echo(f"check: {', '.join(told)}" + (f", {config_file}" if config_file else "") + ": no faults")


def _tried(load: Callable[[], T], errors: list[SetupError]) -> T | None:
    try:
        return load()
    except SetupError as error:
        errors.append(error)
        return None


def _mappings(
    folder: Path, settings: config.TrustSettings | None, config_file: Path | None, errors: list[SetupError]
) -> Iterator[str]:
    """Each part of the mapping set, read as the service reads it; what could be read is named with its count."""
    overlays = sorted(path for path in (folder / "v2-to-fhir" / "vendors").glob("*") if path.is_dir())
    for overlay in (None, *overlays):
        _tried(partial(mapping.load_v2_maps, folder, vendor=overlay.name if overlay else None), errors)
    yield f"v2-to-fhir ({_counted(len(overlays), 'overlay')})"
    yield _vendors(config_file, overlays, errors)
    concepts = settings.laboratory_tables if settings else ()
    own = own_tables(settings) if settings else NO_OWN_TABLES
    _tried(lambda: mapping.load_csor_maps(folder, own_concepts=concepts, own=own), errors)
    yield "fhir-to-csor"
    closure = settings.snomed_closure if settings else None
    lists = _tried(lambda: mapping.load_codelists(folder / "codelists", closure=closure), errors)
    if lists is None:
        return
    yield f"{len(lists.names)} code lists"
    rules = _tried(
        lambda: cohort.load_rules(folder / "cohort", codelists=lists.code_rows(), normalise=lists.normalise), errors
    )
    if rules is not None:
        _tried(lambda: cohort.load_triage(folder / "cohort", wards={}, rules=rules), errors)
        yield f"{len(rules.conditions)} conditions"


def _vendors(config_file: Path | None, overlays: Sequence[Path], errors: list[SetupError]) -> str:
    """Every vendor file, those beside the trust's among them; an overlay of none of them would never be used."""
    own = [config_file.parent.parent / "vendors"] if config_file else []
    paths = config.vendor_paths(*own, config.packaged("config/vendors"))
    loaded = [_tried(partial(config.load_vendor, path), errors) for path in paths.values()]
    found = [vendor for vendor in loaded if vendor is not None]
    for overlay in overlays:
        if overlay.name not in paths:
            hint = did_you_mean(overlay.name, list(paths))
            text = f"{overlay}: there is no vendor of that name" + (f"; {hint}" if hint else "")
            errors.append(SetupError(text, exit_code=ExitCode.CONFIG))
    asked = sum(vendor.is_questionnaire for vendor in found)
    return f"{_counted(len(found) - asked, 'vendor profile')}, {_counted(asked, 'questionnaire')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _secret_faults(settings: config.TrustSettings) -> Iterator[SetupError]:
    """A reference to nothing would otherwise be found at the first start, at night."""
    sink = settings.sink
    references: list[Callable[[], object]] = [settings.sealing.master]
    if isinstance(settings.store.url, config.SecretRef):
        references.append(settings.store.url.resolve)
    if isinstance(sink, config.CsorApiSink) and sink.token:
        references.append(sink.token.resolve)
    ports = (source for source in settings.sources if isinstance(source, config.Listening))
    references += [partial(refuse_if_untrusted, port) for port in ports]
    for resolve in references:
        try:
            resolve()
        except SetupError as error:
            yield error


def _show(config_file: Path) -> None:
    for each in config.effective(config_file):
        typer.echo(f"{each.setting} = {each.value}    ({each.at})")


def _report(files: list[Path], *, folder: Path, settings: config.TrustSettings | None) -> list[SetupError]:
    """The trust's vendor decides which overlay the sample is read with."""
    from adapter.cli import check_messages  # hl7apy takes a second to load

    overlay = overlay_of(folder, settings.vendor if settings else None)
    timezone = settings.site.timezone if settings else ZoneInfo("Europe/London")
    rules = rules_of_reading(settings.v2.reading) if settings else mapping.STANDARD
    errors: list[SetupError] = []
    maps = _tried(lambda: mapping.load_v2_maps(folder, vendor=overlay), [])
    reading = FeedReading(maps, rules, timezone) if maps else None
    for file in files:
        lines = _tried(partial(check_messages.report, file, reading=reading), errors)
        for line in lines or []:
            typer.echo(line)
    return errors
