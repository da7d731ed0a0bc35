"""Asks a FHIR server for a bulk export, waits for it, fetches its files (HL7 Bulk Data Access, STU 2 and 3).

    start ─▶ where its status is ─▶ status: not yet … the manifest ─▶ download each file ─▶ delete

Every step is one call; what must outlive a restart between them is for the caller to keep. Nothing here knows of disks.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import msgspec

from adapter.errors import Declined, NotNow, SourceError, SourceFault
from adapter.outbound import retry_after_s
from adapter.sources.fhir_outcomes import issues_of

NDJSON = "application/fhir+ndjson"
_JSON = "application/fhir+json"
_IN_THE_WAY = frozenset({409, 429})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_BUSY = frozenset({408, 425, 429, 503})
_MOST_HOPS = 3
_MOST_PAGES = 1000
_MOST_NAMED = 3

Kind = Literal["output", "deleted", "error"]


class Response(Protocol):
    """An answer as it comes."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent, piece by piece; NotNow where it breaks off."""

    def body(self) -> bytes:
        """All of it, where it is not too long."""


class Wire(Protocol):
    """One server, and the hosts it may point to; no token goes to any other than itself."""

    base_url: str

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        stop: threading.Event,
        body: bytes | None = None,
        with_token: bool = True,
    ) -> AbstractContextManager[Response]:
        """One request; whatever is answered."""


class InTheWay(NotNow):
    """Another export of ours is there already: finish or delete it first (behaviour 42)."""

    def __init__(self, text: str, *, earlier: str, retry_after_s: float | None) -> None:
        super().__init__(SourceFault.BUSY, text, retry_after_s=retry_after_s)
        self.earlier = earlier
        """Where its status is, where the server says it."""


class Lost(Declined):
    """The server knows nothing of this export, or of this file, any more."""


class Order(NamedTuple):
    """What one export is asked for."""

    level: str
    """`Group/ID`, or `Patient` for all."""
    types: tuple[str, ...]
    since: str = ""
    """Only what has changed after this time of the server."""
    patients: tuple[str, ...] = ()
    """Ids: only of these members."""
    join: Literal["comma", "repeat"] = "comma"

    def parameters(self) -> list[tuple[str, str]]:
        """As they are asked for."""
        types = [("_type", ",".join(self.types))] if self.join == "comma" else [("_type", each) for each in self.types]
        since = [("_since", self.since)] if self.since else []
        return [("_outputFormat", NDJSON), *types, *since]

    def is_of(self, request: str) -> bool:
        """Whether the manifest's `request` is this order.

        Patients stand in no address, and what is asked for by POST in none either: of ours only one can be hidden.
        """
        try:
            parts = urlsplit(request)
        except ValueError:
            return False
        if not parts.path.endswith(f"/{self.level}/$export"):
            return False
        if self.patients:
            return not _types_of(parts.query)
        asked = dict(parse_qsl(parts.query))
        return _types_of(parts.query) == set(self.types) and asked.get("_since", "") == self.since


class Waiting(NamedTuple):
    """Not ready yet."""

    retry_after_s: float | None
    percent: int | None
    """As far as X-Progress is a number; its words are the server's."""


class ManifestFile(NamedTuple):
    """One file."""

    kind: Kind
    resource_type: str
    url: str


class Manifest(NamedTuple):
    """All that an export has brought."""

    transaction_time: str
    """The server's, as it wrote it: what is asked for next time is what has changed after it (behaviour 45)."""
    needs_token: bool
    files: tuple[ManifestFile, ...]
    expires: datetime | None
    request: str


class _Item(msgspec.Struct):
    type: str = ""
    url: str = ""


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Manifest(msgspec.Struct):
    transactionTime: str = ""
    request: str = ""
    requiresAccessToken: bool | str = True
    output: list[_Item] | None = None
    deleted: list[_Item] | None = None
    error: list[_Item] | None = None
    outcome: list[_Item] | None = None
    """As the newest draft names `error`."""
    link: list[_Link] | None = None


_MANIFEST = msgspec.json.Decoder(_Manifest)


class BulkServer:
    """The exports of one server."""

    def __init__(self, wire: Wire, stop: threading.Event) -> None:
        self._wire = wire
        self._stop = stop

    def start(self, order: Order) -> str:
        """Where its status is. InTheWay where another has to end first; Declined where the order is refused."""
        url = f"{self._wire.base_url}/{order.level}/$export"
        headers = {"Accept": _JSON, "Prefer": "respond-async"}
        if order.patients:
            headers["Content-Type"] = _JSON
            asked = self._wire.exchange("POST", url, headers=headers, stop=self._stop, body=_parameters(order))
        else:
            url = f"{url}?{urlencode(order.parameters(), safe=',:/')}"
            asked = self._wire.exchange("GET", url, headers=headers, stop=self._stop)
        with asked as response:
            where = response.headers.get("Content-Location", "")
            if response.status == 202 and where:
                return urljoin(url, where)
            if response.status in _IN_THE_WAY or (where and response.status >= 400):
                text = f"the server answered {response.status}: an export of ours is there already{_said(response)}"
                earlier = urljoin(url, where) if where else ""
                raise InTheWay(text, earlier=earlier, retry_after_s=_retry_after_s(response))
            if response.status == 202:
                text = "the server has taken the export but does not say where to ask for it (Content-Location)"
                raise Declined(SourceFault.REFUSED, text)
            raise _refusal(response, of="this export")

    def status(self, url: str) -> Waiting | Manifest:
        """How far it is. Lost where it is gone; NotNow where that cannot be told now."""
        asked = url
        found: list[ManifestFile] = []
        followed = {url}
        first: Manifest | None = None
        while True:
            with self._wire.exchange("GET", asked, headers={"Accept": "application/json"}, stop=self._stop) as response:
                if response.status == 202:
                    return Waiting(_retry_after_s(response), _percent(response.headers.get("X-Progress", "")))
                if response.status != 200:
                    raise _refusal(response, of="the state of the export")
                manifest, following = _read(response.body(), url=asked, expires=response.headers.get("Expires"))
            first = first or manifest
            found += manifest.files
            if not following:
                return first._replace(files=tuple(found))
            if following in followed or len(followed) > _MOST_PAGES:
                raise Declined(SourceFault.ENDLESS_PAGING, "the manifest's next links lead round in a circle")
            followed.add(following)
            asked = following

    def delete(self, url: str) -> None:
        """The server may remove it; one that it does not know is as good as deleted."""
        with self._wire.exchange("DELETE", url, headers={"Accept": _JSON}, stop=self._stop) as response:
            if not 200 <= response.status < 300 and response.status not in _GONE:
                raise _refusal(response, of="deletion of the export")

    def download(self, url: str, *, needs_token: bool, take: Callable[[bytes], None]) -> None:
        """Hand on all bytes of a file, as they were sent; where it redirects to, no token goes (behaviour 10)."""
        headers = {"Accept": NDJSON, "Accept-Encoding": "gzip, identity"}
        for _ in range(_MOST_HOPS):
            with self._wire.exchange("GET", url, headers=headers, stop=self._stop, with_token=needs_token) as response:
                if response.status == 200:
                    for chunk in response.chunks():
                        take(chunk)
                    return
                where = response.headers.get("Location", "")
                if response.status not in _REDIRECTS or not where:
                    raise _refusal(response, of="a file of the export")
                url = urljoin(url, where)
                # Whoever redirects has signed the new address: what is needed there stands in it.
                needs_token = False
        raise Declined(SourceFault.REDIRECT, "a file of the export redirects again and again")

    def read(self, name: str) -> bytes | None:
        """One resource beside the export; None where the server does not show it."""
        url = f"{self._wire.base_url}/{name}"
        with self._wire.exchange("GET", url, headers={"Accept": _JSON}, stop=self._stop) as response:
            if response.status == 200:
                return response.body()
            refusal = _refusal(response, of="a resource")
            if isinstance(refusal, Declined):
                return None
            raise refusal


def _types_of(query: str) -> set[str]:
    return {each for name, value in parse_qsl(query) if name == "_type" for each in value.split(",")}


def _parameters(order: Order) -> bytes:
    """Patients may be named by POST alone, so that none stands in an address."""
    said: list[dict[str, object]] = [
        {"name": name, "valueInstant" if name == "_since" else "valueString": value}
        for name, value in order.parameters()
    ]
    said += [{"name": "patient", "valueReference": {"reference": f"Patient/{each}"}} for each in order.patients]
    return msgspec.json.encode({"resourceType": "Parameters", "parameter": said})


def _read(body: bytes, *, url: str, expires: str | None) -> tuple[Manifest, str]:
    """A manifest, and where its next page is."""
    try:
        read = _MANIFEST.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotNow(SourceFault.BROKEN_BODY, "the manifest of the export cannot be read", is_brief=True) from None
    if instant_of(read.transactionTime) is None:
        # Without it nobody can say what to ask for next time.
        raise NotNow(SourceFault.BROKEN_BODY, "the manifest of the export has no transactionTime", is_brief=True)
    sections: list[tuple[Kind, list[_Item] | None]] = [
        ("output", read.output),
        ("deleted", read.deleted),
        ("error", read.error),
        ("error", read.outcome),
    ]
    files = tuple(
        ManifestFile(kind, each.type, urljoin(url, each.url))
        for kind, items in sections
        for each in items or ()
        if each.url
    )
    needs_token = read.requiresAccessToken not in (False, "false")
    link = next((each.url for each in read.link or () if each.relation == "next" and each.url), "")
    manifest = Manifest(read.transactionTime, needs_token, files, _date(expires), read.request)
    return manifest, urljoin(url, link) if link else ""


def _refusal(response: Response, *, of: str) -> SourceError:
    status = response.status
    said = _said(response)
    if status in _GONE:
        return Lost(SourceFault.REFUSED, f"the server answered {status}: {of} is not there (any more){said}")
    if status == 401:
        return NotNow(SourceFault.UNAUTHORISED, f"the server takes neither the token nor the one after it{said}")
    if status in _BUSY:
        text = f"the server answered {status}: it asks to be left alone for a while{said}"
        return NotNow(SourceFault.BUSY, text, is_brief=True, retry_after_s=_retry_after_s(response))
    if status >= 500 and status != 501:
        return NotNow(
            SourceFault.SERVER_ERROR,
            f"the server answered {status} when asked for {of}{said}",
            is_brief=True,
            retry_after_s=_retry_after_s(response),
        )
    if 300 <= status < 400:
        return NotNow(SourceFault.REDIRECT, f"the server answered {status}, a redirect, when asked for {of}")
    return Declined(SourceFault.REFUSED, f"the server answered {status} when asked for {of}{said}")


def _said(response: Response) -> str:
    try:
        codes = dict.fromkeys(issue.code for issue in issues_of(response.body()))
    except SourceError:
        return ""
    return f" ({', '.join(list(codes)[:_MOST_NAMED])})" if codes else ""


def _retry_after_s(response: Response) -> float | None:
    return retry_after_s(response.headers.get("Retry-After"), now=datetime.now(UTC))


def _percent(progress: str) -> int | None:
    found = re.search(r"\b([0-9]{1,3})(\.[0-9]+)? ?%", progress)
    return min(100, int(found[1])) if found else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def instant_of(text: str) -> datetime | None:
    """A time as a server writes it, aware; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
