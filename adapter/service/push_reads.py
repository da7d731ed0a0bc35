"""Reads what a FHIR server has told of: by id from the server itself, never from what it sent (behaviour 50)."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog

from adapter import config
from adapter.config.fhir_push import Subscriptions
from adapter.envelope import Media, Received, utc_us
from adapter.errors import Declined
from adapter.service.polling_memory import counter
from adapter.service.push_standing import SEALED_FOR
from adapter.service.push_watch import PushWatch
from adapter.sources.fhir_crawl import PATIENT
from adapter.sources.fhir_filter import Asked, keep_ours
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_hydrate import Hydrator, Whose
from adapter.sources.fhir_page import Entry, body_of
from adapter.sources.fhir_request import Request, Style, follow, search
from adapter.sources.fhir_search import Rules
from adapter.sources.folder import KeepAll
from adapter.store import counters, crawls, pushes, registry
from adapter.store.database import Database
from adapter.store.pushes import Hint
from adapter.store.sealing import KeyDestroyed, KeyRing

log = structlog.get_logger()

_AT_ONCE = 500
_IN_ONE_SEARCH = 50
_MOST_PAGES = 20
_AGAIN_S = (5.0, 60.0, 600.0)
"""A server may tell of what its searches do not show yet."""


class _Told(NamedTuple):
    """Resources of one type."""

    resource_type: str
    hints: Mapping[str, Hint]
    """By id."""


class Pushed:
    """What one source was told; for its polling thread alone.

    `is_due` is looked at between turns; then `read`, and where that is True a whole turn, and after it `caught_up`.
    """

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        *,
        source: str,
        settings: Subscriptions,
        rules: config.FhirSearchRules,
        how: Rules,
    ) -> None:
        self._database = database
        self._ring = ring
        self._source = source
        self._settings = settings
        self._rules = rules
        self._types = {str(name): each for name, each in (rules.types or {}).items()}
        self._how = how
        self._now = how.now
        self._watch = PushWatch(database, source=source, settings=settings, now=how.now)
        self._whole: Hint | None = None

    def is_due(self) -> bool:
        """Whether there is anything to read, or to ask, before the next turn."""
        self._watch.judge()
        with self._database.read() as conn:
            is_told = pushes.is_due(conn, self._source, now_us=utc_us(self._now()))
        return is_told or self._watch.is_look_due()

    def every(self, usual: timedelta) -> timedelta:
        """How long between two whole turns: longer, where what changes is told of and a silence is noticed."""
        longer = self._settings.catch_up
        return longer if longer is not None and longer > usual and self._watch.is_relied_on() else usual

    def read(self, server: FhirServer, keep: KeepAll, stop: threading.Event) -> bool:
        """What was told of, to its end; True where all of the source is to be read now. NotNow and Halted fly on."""
        self._watch.look(server, stop)
        self._watch.judge()
        for told in self._told():
            if stop.is_set():
                break
            self._read(told, server, keep, stop)
        with self._database.read() as conn:
            self._whole = pushes.all_hint(conn, self._source)
        return self._whole is not None

    def caught_up(self) -> None:
        """All whole types were read since `read`, without a fault; whoever is read one by one is due by this."""
        if self._whole is not None:
            with self._database.write() as conn:
                crawls.hasten_everybody(conn, self._source, at_us=utc_us(self._now()))
                pushes.forget(conn, [self._whole])
            self._whole = None
        self._watch.caught_up()

    def _told(self) -> Iterator[_Told]:
        with self._database.read() as conn:
            hints = pushes.due_hints(conn, self._source, now_us=utc_us(self._now()), limit=_AT_ONCE)
        by_type: dict[str, dict[str, Hint]] = defaultdict(dict)
        for hint in hints:
            resource_type, _, identity = self._name(hint).partition("/")
            by_type[resource_type][identity] = hint
        forgotten = list(by_type.pop("", {}).values())
        if forgotten:  # its day key is destroyed: what it was is not known any more
            with self._database.write() as conn:
                pushes.hint_all(conn, self._source, heard_us=utc_us(self._now()))
                pushes.forget(conn, [hint for hint in hints if not self._name(hint)])
        for resource_type, found in by_type.items():
            ids = list(found)
            for start in range(0, len(ids), _IN_ONE_SEARCH):
                part = ids[start : start + _IN_ONE_SEARCH]
                yield _Told(resource_type, {each: found[each] for each in part})

    def _name(self, hint: Hint) -> str:
        assert hint.key_id is not None and hint.sealed is not None, "hints of resources are sealed"
        try:
            return self._ring.unseal(hint.key_id, hint.sealed, SEALED_FOR).decode()
        except KeyDestroyed:
            return ""

    def _read(self, told: _Told, server: FhirServer, keep: KeepAll, stop: threading.Event) -> None:
        try:
            found = self._keep_found(told, server, keep, stop)
        except Declined as error:
            log.error("what was told of cannot be read", feed=self._source, reason=str(error))
            found = set()
        self._done(told, found)

    def _keep_found(self, told: _Told, server: FhirServer, keep: KeepAll, stop: threading.Event) -> set[str]:
        """Ids of those that are kept."""
        resource_type = told.resource_type
        if resource_type not in self._types:
            return set(told.hints)  # not asked for any more
        server.check_granted(resource_type)
        if resource_type == PATIENT and self._types[PATIENT].scope == "patient":
            return self._called(told)
        pairs, style = self._asked(told)
        asked = Asked(resource_type, pairs)
        request: Request | None = search(server.base_url, resource_type, pairs, style=style)
        names = {f"{resource_type}/{identity}" for identity in told.hints}
        hydrator = Hydrator(
            self._how.hydrate,
            server=server,
            stop=stop,
            style=self._how.hydrate_style,
            whose=Whose(shared=self._how.shared),
        )
        found: set[str] = set()
        for _ in range(_MOST_PAGES):
            if request is None:
                break
            page = keep_ours(server.page(request, stop), asked).page
            # A server that passes over `_id` shows everybody's.
            entries = [each for each in page.entries if each.is_include or each.name in names]
            self._keep(hydrator.fill(entries).entries, page.timestamp, keep)
            found |= {each.name.partition("/")[2] for each in entries if each.name in names}
            request = follow(page.next_link) if page.next_link else None
        return found

    def _keep(self, entries: Sequence[Entry], timestamp: str, keep: KeepAll) -> None:
        if entries:
            body = body_of(entries, timestamp=timestamp)
            keep([Received(feed=self._source, media=Media.FHIR, received_at=self._now(), body=body)])

    def _called(self, told: _Told) -> set[str]:
        """Ours among them are due now, as by a message; of others there is nothing to be read."""
        blind_of = self._ring.blinder("identifier", f"fhir:{self._source}")
        blinds = [blind_of(f"{PATIENT}/{identity}".encode()) for identity in told.hints]
        with self._database.write() as conn:
            ours = registry.by_blinds(conn, blinds).values()
            crawls.call(conn, [(self._source, row.id, False) for row in ours], at_us=utc_us(self._now()))
        return set(told.hints)

    def _asked(self, told: _Told) -> tuple[list[tuple[str, str]], Style]:
        each = self._types[told.resource_type]
        pairs = [(name, value) for name, values in each.parameters.items() for value in values]
        pairs += [(name, ",".join(values)) for name, values in each.split.items()]
        pairs += [("_id", ",".join(told.hints)), ("_count", str(_IN_ONE_SEARCH))]
        style = Style(
            post=self._rules.post, lenient=self._rules.lenient, exclusive=tuple((a, b) for a, b in each.exclusive)
        )
        return pairs, style

    def _done(self, told: _Told, found: set[str]) -> None:
        """Forget what is kept; ask again for the rest, and at last leave it to the next whole turn."""
        now_us = utc_us(self._now())
        missing = [hint for identity, hint in told.hints.items() if identity not in found]
        given_up = [hint for hint in missing if hint.tries >= len(_AGAIN_S)]
        later = [
            (hint, now_us + int(_AGAIN_S[hint.tries] * 1_000_000)) for hint in missing if hint.tries < len(_AGAIN_S)
        ]
        with self._database.write() as conn:
            pushes.forget(conn, [*(told.hints[identity] for identity in found), *given_up])
            pushes.put_off(conn, later)
            counts = {"push.read": len(found), "push.not_there": len(given_up)}
            counters.bump_many(conn, {counter(self._source, name): n for name, n in counts.items() if n})
        if given_up:
            log.warning("what was told of is not there", feed=self._source, resources=len(given_up))
