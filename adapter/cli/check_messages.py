"""`check --messages`: a sample of a trust's messages, surveyed and held to the standard (hl7apy) and to our maps.

Prints no patient's value; `--scrub` writes copies of the sample that can be handed over.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapter import config, mapping
from adapter.cli import scrub_files
from adapter.cli.known_texts import KnownTexts
from adapter.cli.survey import Survey
from adapter.cli.survey_outcomes import Outcomes
from adapter.cli.survey_print import as_json, as_text
from adapter.errors import ExitCode, MessageError, Problem, SetupError
from adapter.hl7v2 import Message, batch, conformance
from adapter.hl7v2.scrub_sample import Sample
from adapter.mapping.own_tables import NO_OWN_TABLES
from adapter.mapping.v2_reads import readers
from adapter.service.assembly import own_tables
from adapter.service.feeds import FeedReading, feeds_of, own_codes

_LONDON = ZoneInfo("Europe/London")


class Asked(NamedTuple):
    """What the command line asks about which files."""

    files: Sequence[Path]
    mappings: Path
    settings: config.TrustSettings | None
    feed: str
    """The source of the trust file by whose rules the sample is read; empty: the vendor's."""
    as_json: bool
    scrub_to: Path | None


class _Found(NamedTuple):
    where: str
    raw: bytes
    message: Message | None


def report(asked: Asked, errors: list[SetupError]) -> Iterator[str]:
    """Lines to print; files that cannot be read are added to the errors. SetupError where mappings cannot be used."""
    csor = _csor(asked)
    reading = _reading(asked, csor)
    known = KnownTexts(asked.mappings, maps=reading.maps, settings=asked.settings)
    if asked.scrub_to is not None:
        yield from scrub_files.scrub(asked.files, asked.scrub_to, is_listed=known, encoding=reading.rules.encoding)
        return
    deviations: Counter[str] = Counter()
    found = [each for file in asked.files for each in _messages(file, reading, deviations, errors)]
    sample = Sample(known)
    for each in found:
        if each.message is not None:
            sample.learn(each.message)
    reads = readers(reading.maps)
    wards = {ward.code: ward.type.value for ward in asked.settings.wards} if asked.settings else None
    outcomes = Outcomes(maps=reading.maps, csor=csor, reads=reads, wards=wards)
    survey = Survey(sample, reading=reading, reads=reads, outcomes=outcomes)
    for each in found:
        deviations.update(dict.fromkeys(_deviations(each, reading), 1))
        if each.message is not None:
            survey.add(each.message, where=each.where)
    if asked.as_json:
        yield json.dumps(as_json(survey, deviations), ensure_ascii=False)
    else:
        yield from as_text(survey, deviations)


def _csor(asked: Asked) -> mapping.CsorMaps:
    settings = asked.settings
    return mapping.load_csor_maps(
        asked.mappings,
        timezone=settings.site.timezone if settings else _LONDON,
        own_concepts=settings.laboratory_tables if settings else (),
        own=own_tables(settings) if settings else NO_OWN_TABLES,
    )


def _reading(asked: Asked, csor: mapping.CsorMaps) -> FeedReading:
    """As the service reads it; without a trust file by the standard maps."""
    if asked.settings is not None:
        names = [source.name for source in asked.settings.sources]
        if asked.feed and asked.feed not in names:
            raise SetupError(f"--feed {asked.feed}: no source of that name; known: {', '.join(names) or 'none'}")
        feeds = feeds_of(
            asked.settings, asked.mappings, examinations=csor.examination_codes, is_measure=csor.is_measure
        )
        return feeds.of(asked.feed)
    maps = mapping.load_v2_maps(
        asked.mappings,
        wanted=mapping.STATE_TYPES,
        own_codes=own_codes(config.Reading(), examinations=sorted(csor.examination_codes)),
        is_measure=csor.is_measure,
    )
    return FeedReading(maps, mapping.STANDARD, _LONDON)


def _messages(file: Path, reading: FeedReading, deviations: Counter[str], errors: list[SetupError]) -> Iterator[_Found]:
    try:
        found = batch.split(file.read_bytes())
    except OSError as error:
        errors.append(SetupError(f"{file}: {error.strerror}", exit_code=ExitCode.FILES_FAILED))
        return
    for problem in found.problems:
        deviations[f"{file}: {_told(problem)}"] += 1
    if not found.messages:
        deviations[f"{file}: no message begins here (no MSH)"] += 1
    for number, raw in enumerate(found.messages, start=1):
        where = f"{file.name}[{number}]" if len(found.messages) > 1 else file.name
        try:
            yield _Found(where, raw, reading.parse(raw))
        except MessageError:
            yield _Found(where, raw, None)


def _deviations(found: _Found, reading: FeedReading) -> Iterator[str]:
    """Real feeds deviate, so these change no exit code."""
    yield from (f"standard: {line}" for line in conformance.report(found.raw))
    if found.message is None:
        yield f"maps: {found.where}: not an HL7 v2 message that can be read"
        return
    try:
        problems = reading.state(found.message).problems
    except MessageError as error:
        problems = [error.problem]
    yield from (f"maps: {_told(problem)}" for problem in problems)


def _told(problem: Problem) -> str:
    return f"{problem.code} {problem.text}" + (f" at {problem.at}" if problem.at else "")
