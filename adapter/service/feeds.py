"""How the messages of each feed are read: the maps with its vendor's overlay, its rules, its time zone."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapter import mapping
from adapter.assertion import Resource
from adapter.config import Reading, TrustSettings, V2Source
from adapter.hl7v2.message import Message
from adapter.mapping.trace import Origin, trace, trace_related
from adapter.statement import Statement


class FeedReading(NamedTuple):
    """Everything that reading one feed's messages takes."""

    maps: mapping.V2Maps
    rules: mapping.FeedRules
    timezone: ZoneInfo

    def parse(self, body: bytes) -> Message:
        """Raises MessageError where the bytes are no message."""
        return Message.parse(body, encoding=self.rules.encoding)

    def state(self, message: Message) -> Statement:
        """What the message asserts."""
        return mapping.state(message, self.maps, timezone=self.timezone, rules=self.rules)

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


def feeds_of(
    settings: TrustSettings, folder: Path, *, examinations: frozenset[str], is_measure: mapping.IsMeasure
) -> Feeds:
    """The maps are compiled once for each vendor; SetupError with the faults of the first that has any."""
    sources = [each for each in settings.sources if isinstance(each, V2Source)]
    vendors = {settings.vendor, *(each.vendor for each in sources if each.vendor)}
    maps = {}
    for overlay in {overlay_of(folder, vendor) for vendor in vendors}:
        maps[overlay] = mapping.load_v2_maps(
            folder,
            vendor=overlay,
            wanted=mapping.STATE_TYPES,
            own_codes={"imaging-exams": sorted(examinations)},
            is_measure=is_measure,
        )

    def reading(vendor: str, said: Reading) -> FeedReading:
        return FeedReading(maps[overlay_of(folder, vendor)], rules_of_reading(said), settings.site.timezone)

    feeds = {each.name: reading(each.vendor or settings.vendor, each.reading) for each in sources}
    return Feeds(reading(settings.vendor, settings.v2.reading), feeds)


def rules_of_reading(said: Reading) -> mapping.FeedRules:
    """The settings in the form that `mapping` takes."""
    return mapping.FeedRules(
        null=said.null,
        empty=said.empty,
        lists=tuple(sorted(said.lists.items())),
        status_precedence=said.status_precedence,
        documents=said.documents,
        encoding=said.encoding,
    )


def overlay_of(folder: Path, vendor: str | None) -> str | None:
    """A vendor whose messages follow the standard maps needs no overlay."""
    return vendor if vendor and (folder / "v2-to-fhir" / "vendors" / vendor).is_dir() else None
