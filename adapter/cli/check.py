"""`csor-adapter check`: the mappings and a trust's configuration, whole, before anything starts with them."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from adapter import cohort, config, mapping
from adapter.datafile import did_you_mean
from adapter.errors import ExitCode, SetupError
from adapter.mapping.own_tables import NO_OWN_TABLES, OwnTables
from adapter.service.assembly import own_tables
from adapter.service.listening import refuse_if_untrusted

T = TypeVar("T")


class SampleFormat(StrEnum):
    """How a sample is told of."""

    TEXT = "text"
    JSON = "json"


def check(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A trust file; its secrets are tried, too.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Every value in force and the line it came from.")] = False,
    messages: Annotated[
        list[Path] | None,
        typer.Option("--messages", help="HL7 v2 files: what they hold, which rule reads it, where they deviate."),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Further files of --messages.")] = None,
    feed: Annotated[str, typer.Option("--feed", help="Read --messages as this source of the trust file is read.")] = "",
    form: Annotated[SampleFormat, typer.Option("--format", help="Of what is told of --messages.")] = SampleFormat.TEXT,
    scrub: Annotated[
        Path | None,
        typer.Option("--scrub", metavar="DIR", help="Write copies of --messages there, nobody to be told from them."),
    ] = None,
) -> None:
    """Check mappings, configuration and a sample of messages; every fault at once. Exit 10 or 11 where there is one."""
    if (more or feed or scrub) and not messages:
        raise typer.BadParameter("files are given with --messages FILE...", param_hint="--messages")
    if feed and not config_file:
        raise typer.BadParameter("a source is one of a trust file: --config", param_hint="--feed")
    errors: list[SetupError] = []
    settings = _tried(lambda: config.load_trust(config_file), errors) if config_file else None
    folder = (settings.mappings if settings else None) or config.packaged("mappings")
    if settings:
        errors += _secret_faults(settings)
    told = list(_mappings(folder, settings, config_file, errors))
    if show and config_file:
        _show(config_file)
    if messages and not errors:
        from adapter.cli import check_messages  # hl7apy takes a second to load

        files = [*messages, *(more or [])]
        asked = check_messages.Asked(files, folder, settings, feed, form is SampleFormat.JSON, scrub)
        _tried(lambda: _print(check_messages.report(asked, errors)), errors)
    for error in errors:
        typer.echo(str(error), err=True)
    if errors:
        raise typer.Exit(min(error.exit_code for error in errors))
    verdict = f"check: {', '.join(told)}" + (f", {config_file}" if config_file else "") + ": no faults"
    typer.echo(verdict, err=form is SampleFormat.JSON)


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
    own = own_tables(settings) if settings else NO_OWN_TABLES
    csor = _tried(lambda: _csor_maps(folder, settings, own), errors)
    yield "fhir-to-csor"
    lists = csor.codelists if csor else _lists_alone(folder, settings)
    if lists is None:
        return
    yield f"{len(lists.names)} code lists"
    rules = _tried(lambda: _rules(folder, settings, lists), errors)
    if rules is not None:
        _tried(lambda: cohort.load_triage(folder / "cohort", wards=own.wards, rules=rules), errors)
        yield f"{len(rules.conditions)} conditions"


def _csor_maps(folder: Path, settings: config.TrustSettings | None, own: OwnTables) -> mapping.CsorMaps:
    if settings is None:
        return mapping.load_csor_maps(folder, own=own)
    return mapping.load_csor_maps(
        folder,
        timezone=settings.site.timezone,
        own_concepts=settings.laboratory_tables,
        own=own,
        closure=settings.snomed_closure,
    )


def _lists_alone(folder: Path, settings: config.TrustSettings | None) -> mapping.CodeLists | None:
    """Where the maps cannot be read, so that the conditions are judged all the same; faults of lists were told."""
    closure = settings.snomed_closure if settings else None
    return _tried(lambda: mapping.load_codelists(folder / "codelists", closure=closure), [])


def _rules(folder: Path, settings: config.TrustSettings | None, lists: mapping.CodeLists) -> cohort.CohortRules:
    read = partial(cohort.load_rules, folder / "cohort", codelists=lists.code_rows(), normalise=lists.normalise)
    return read(nec_scope=settings.cohort.nec_scope) if settings else read()


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
    ports = (each for each in settings.sources if isinstance(each, config.Listening | config.FhirSearchSource))
    references += [partial(refuse_if_untrusted, port) for port in ports]
    for resolve in references:
        try:
            resolve()
        except SetupError as error:
            yield error


def _show(config_file: Path) -> None:
    for each in config.effective(config_file):
        typer.echo(f"{each.setting} = {each.value}    ({each.at})")


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(line)
