"""How the messages of each feed are read: the maps with its vendor's overlay, its rules, its time zone."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, assert_never
from zoneinfo import ZoneInfo

from adapter import mapping
from adapter.assertion import Resource
from adapter.config import Reading, TrustSettings, V2Source, reading
from adapter.hl7v2.message import Message, read_plain
from adapter.hl7v2.timestamps import Moment, read_written
from adapter.mapping.feed_rules import (
    Blank,
    Choose,
    DeathUndone,
    DropEmpty,
    Edit,
    LeaveOut,
    Move,
    Put,
    Silence,
    StripPrefix,
    TakeOut,
)
from adapter.mapping.rules import place
from adapter.mapping.trace import Origin, trace, trace_related
from adapter.statement import Statement


class FeedReading(NamedTuple):
    """Everything that reading one feed's messages takes."""

    maps: mapping.V2Maps
    rules: mapping.FeedRules
    timezone: ZoneInfo
    whose_maps: mapping.WhoseMaps | None = None
    """For the service, which triages."""

    def parse(self, body: bytes) -> Message:
        """Raises MessageError where the bytes are no message."""
        return Message.parse(body, encoding=self.rules.encoding)

    def state(self, message: Message) -> Statement:
        """What the message asserts."""
        return mapping.state(message, self.maps, timezone=self.timezone, rules=self.rules)

    def time(self, text: str) -> Moment | None:
        """A time of this feed, as the maps read it."""
        return read_written(text, self.timezone, self.rules.time_formats)

    def is_of_two(self, message: Message) -> bool:
        """Whether the event is about two patients, so that it cannot be taken apart."""
        return mapping.is_of_two(message, self.maps)

    def whose(self, message: Message) -> Statement | None:
        """What of it triage asks, and no results; None where the whole must be read."""
        if self.whose_maps is None:
            return None
        return self.whose_maps.whose(message, timezone=self.timezone, rules=self.rules)

    def glance(self, body: bytes) -> Statement | None:
        """The same of the bytes, where they are written as nearly all are; None also where they are not."""
        if self.whose_maps is None:
            return None
        plain = read_plain(body, encoding=self.rules.encoding)
        return plain and self.whose_maps.glance(plain, timezone=self.timezone, rules=self.rules)

    def bundle(self, message: Message) -> Resource:
        """Every mapped resource of the message."""
        return mapping.to_bundle(message, self.maps, timezone=self.timezone, rules=self.rules)

    def trace(self, body: bytes) -> list[Origin]:
        """Where each value of that statement, and of the relatives it names, came from."""
        message = self.parse(body)
        return [
            *trace(message, self.maps, timezone=self.timezone, rules=self.rules),
            *trace_related(message, self.maps, timezone=self.timezone, rules=self.rules),
        ]


class Feeds:
    """By the name of the source; messages by another name (`ingest --feed`) are read as the trust's vendor sends."""

    def __init__(self, others: FeedReading, feeds: Mapping[str, FeedReading]) -> None:
        self._others = others
        self._feeds = feeds

    def of(self, feed: str) -> FeedReading:
        """How this feed is read."""
        return self._feeds.get(feed, self._others)


class _Maps:
    """Compiled once for each vendor's overlay and each set of radiology's names."""

    def __init__(self, folder: Path, *, examinations: Iterable[str], is_measure: mapping.IsMeasure) -> None:
        self._folder = folder
        self._exams = sorted(examinations)
        self._is_measure = is_measure
        self._made: dict[tuple[str | None, tuple[str, ...]], mapping.V2Maps] = {}
        self._whose: dict[int, mapping.WhoseMaps] = {}

    def of(self, vendor: str, said: Reading) -> mapping.V2Maps:
        """SetupError with the faults of that vendor's overlay."""
        key = (overlay_of(self._folder, vendor), said.imaging_senders)
        if key not in self._made:
            self._made[key] = mapping.load_v2_maps(
                self._folder,
                vendor=key[0],
                wanted=mapping.STATE_TYPES,
                own_codes=own_codes(said, examinations=self._exams),
                is_measure=self._is_measure,
            )
        return self._made[key]

    def whose(self, maps: mapping.V2Maps) -> mapping.WhoseMaps:
        """The part of these maps that triage asks for."""
        if id(maps) not in self._whose:
            self._whose[id(maps)] = mapping.WhoseMaps(maps)
        return self._whose[id(maps)]


def own_codes(said: Reading, *, examinations: Iterable[str] = ()) -> mapping.OwnCodes:
    """What tells radiology from the laboratory in this feed, beside the tables of the maps."""
    return {"imaging-exams": list(examinations), "imaging-senders": said.imaging_senders}


def feeds_of(
    settings: TrustSettings, folder: Path, *, examinations: Iterable[str], is_measure: mapping.IsMeasure
) -> Feeds:
    """SetupError with the faults of the first overlay that has any."""
    maps = _Maps(folder, examinations=examinations, is_measure=is_measure)

    def read_as(vendor: str, said: Reading) -> FeedReading:
        zone, own = said.timezone or settings.site.timezone, maps.of(vendor, said)
        return FeedReading(own, rules_of_reading(said), zone, maps.whose(own))

    sources = [each for each in settings.sources if isinstance(each, V2Source)]
    feeds = {each.name: read_as(each.vendor or settings.vendor, each.reading) for each in sources}
    return Feeds(read_as(settings.vendor, settings.v2.reading), feeds)


def rules_of_reading(said: Reading) -> mapping.FeedRules:
    """The settings in the form that `mapping` takes."""
    return mapping.FeedRules(
        null=said.null,
        empty=said.empty,
        lists=tuple(sorted(said.lists.items())),
        status_precedence=said.status_precedence,
        documents=said.documents,
        encoding=said.encoding,
        exceptions=tuple(Silence(place(path), each.null, each.empty) for path, each in said.exceptions.items()),
        time_formats=said.time_formats,
        edits=tuple(_edits(said)),
    )


def _edits(said: Reading) -> Iterator[Edit]:
    """What stands for nothing first, so that no later step takes it for a value; then in the order of the file."""
    for path, values in said.placeholders.items():
        yield Blank(place(path), values)
    for step in said.preprocess:
        yield _step(step)
    for source, target in said.z_segments.items():
        yield Put(place(source), place(target))
    visit = said.visit_number
    if visit.type:
        yield Choose(place(visit.field), keeps=True, types=(visit.type,), only_if_any=True)
    for path, standard in ((visit.field, "PV1-19"), (said.accession, "OBR-3")):
        if path != standard:
            yield Put(place(path), place(standard))
    if said.death_undone:
        yield DeathUndone(said.death_undone)


def _step(step: reading.Step) -> Edit:
    if isinstance(step, reading.StripPrefix):
        return StripPrefix(place(step.field), step.prefix)
    if isinstance(step, reading.Move):
        told = {"authority": step.authority or "", "type": step.type or "", "pattern": step.matching or ""}
        return Move(place(step.source), place(step.target), **told)
    if isinstance(step, reading.TakeOut):
        return TakeOut(place(step.field), step.after, step.before, place(step.target))
    if isinstance(step, reading.LeaveOut):
        return LeaveOut(place(step.field))
    if isinstance(step, reading.DropEmptyRepetitions):
        return DropEmpty(place(step.field))
    if isinstance(step, reading.ChooseRepetitions):
        is_kept = step.do == "keep-repetitions"
        return Choose(place(step.field), keeps=is_kept, authorities=step.authority, types=step.type)
    assert_never(step)


def overlay_of(folder: Path, vendor: str | None) -> str | None:
    """A vendor whose messages follow the standard maps needs no overlay."""
    return vendor if vendor and (folder / "v2-to-fhir" / "vendors" / vendor).is_dir() else None
