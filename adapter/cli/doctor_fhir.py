"""`doctor` at a live FHIR server: the way there, who we are to it, what it says of itself, each search once.

Stores and prints nothing of patients: of an answer only whether it came, its codes and whether a page follows.
"""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from adapter import config
from adapter.cli.doctor_found import Found, Grade
from adapter.config import FhirSearchSource, TrustSettings
from adapter.errors import Declined, Halted, NotNow, SetupError, SourceError, SourceFault
from adapter.service import fhir_asking
from adapter.service.certificates import Days, own_days, warning_of
from adapter.service.fhir_asking import Asking, Probe
from adapter.sources import fhir_request
from adapter.sources.fhir_capability import lacking, read_capability
from adapter.sources.fhir_page import Page
from adapter.sources.smart_token import SignIn
from adapter.sources.tls import client_context, why_refused

_TIMEOUT_S = 5.0
_SKEW_S = 60
_SHOWN = 8
_OVER = frozenset(
    {
        SourceFault.DAILY_LIMIT,
        SourceFault.BLACKOUT,
        SourceFault.BUSY,
        SourceFault.UNREACHABLE,
        SourceFault.TOO_SLOW,
        SourceFault.UNAUTHORISED,
    }
)
"""After these there is no use in asking on."""
_STOP = threading.Event()
_VERSION = re.compile(r"[0-9]\.[0-9]{1,2}(\.[0-9]{1,2})?")


class _Enough(Exception):
    """What would be asked next can only fail in the same way."""


def examine_server(settings: TrustSettings, source: FhirSearchSource, *, patient_id: str) -> Iterator[Found]:
    """All that can be asked of it, in the order in which one thing needs the other."""
    about = f"source {source.name}"
    with suppress(_Enough):
        yield from _way(about, source)
        try:
            with fhir_asking.asking(settings, source) as asked:
                yield from _statement(about, asked, settings, source)
                yield from _token(about, asked, settings, source)
                yield from _searches(about, asked, settings, source, patient_id=patient_id)
        except SetupError as error:
            yield Found(Grade.WRONG, about, str(error))


def _way(about: str, source: FhirSearchSource) -> Iterator[Found]:
    """DNS, TCP, TLS and the days of the certificates; by a proxy only as far as the proxy."""
    parts = urlsplit(source.proxy or source.base_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)}
    except OSError:
        ask = f"the name {host} in our DNS, or the right name"
        yield Found(Grade.WRONG, about, f"{host} has no address here", ask)
        raise _Enough from None
    yield Found(Grade.OK, about, f"{host} has {len(addresses)} addresses" if len(addresses) > 1 else f"{host} is known")
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as line:
            if source.proxy or parts.scheme != "https":
                who = "the proxy " if source.proxy else ""
                yield Found(Grade.OK, about, f"{who}{host}:{port} answers")
            else:
                yield from _secured(about, source, line, host=host)
    except OSError as error:
        ask = f"a route and an open firewall from this machine to {host}:{port}"
        reason = error.strerror or type(error).__name__
        yield Found(Grade.WRONG, about, f"{host}:{port} does not answer: {reason}", ask)
        raise _Enough from None


def _secured(about: str, source: FhirSearchSource, line: socket.socket, *, host: str) -> Iterator[Found]:
    try:
        context = client_context(ca=source.ca, certificate=source.certificate, key=source.key)
        with context.wrap_socket(line, server_hostname=host) as secured:
            said, version = secured.getpeercert() or {}, secured.version()
    except SetupError as error:
        yield Found(Grade.WRONG, about, str(error))
        raise _Enough from None
    except (ssl.SSLError, ConnectionError) as error:
        ask = "the certificate of the authority that signed the server's certificate (`ca`)"
        yield Found(Grade.WRONG, about, f"TLS to {host}: {why_refused(error)}", ask)
        raise _Enough from None
    now = datetime.now(UTC)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(said["notAfter"])), UTC) if "notAfter" in said else None
    days = Days(own_days(source, now=now), (ends - now).days if ends else None)
    parts = [f"{version}, the server's certificate for {days.theirs} more days"]
    parts += [f"ours for {days.ours}"] if days.ours is not None else []
    if warning := warning_of(source, days):
        has_ended = days.ours is not None and days.ours < 0
        ask = "a new certificate for us" if "our" in warning else "when the server's certificate is renewed"
        yield Found(Grade.WRONG if has_ended else Grade.LOOK, about, warning, ask)
    else:
        yield Found(Grade.OK, about, "; ".join(parts))


def _statement(about: str, asked: Asking, settings: TrustSettings, source: FhirSearchSource) -> Iterator[Found]:
    """The clock, and what the server says that it can do. Asked for without a token, as the standard has it."""
    url = f"{asked.server.base_url}/metadata"
    headers = {"Accept": "application/fhir+json"}
    try:
        with asked.server.exchange("GET", url, headers=headers, stop=_STOP, with_token=False) as stream:
            status, date, body = stream.status, stream.headers.get("Date", ""), stream.body()
    except SourceError as error:
        yield Found(Grade.WRONG, about, f"the server does not answer: {error}", _ask_for(error))
        raise _Enough from None
    yield from _clock(about, date)
    try:
        if status != 200:
            raise Declined(SourceFault.REFUSED, f"it answered {status}")
        capability = read_capability(body)
    except SourceError as error:
        text = f"no CapabilityStatement at /metadata: {error}"
        yield Found(Grade.LOOK, about, text, "the CapabilityStatement, or that base_url is right")
        return
    version = config.rules_of(source, settings.fhir_search).version
    if not _is_of(capability.fhir_version, version):
        text = f"the server says it speaks FHIR {_shown(capability.fhir_version)}, `version` says {version}"
        yield Found(Grade.WRONG, about, text, f"the base URL of its {version} endpoint")
    missing = lacking(capability, fhir_asking.needs_of(settings, source))
    if not missing:
        yield Found(Grade.OK, about, f"its CapabilityStatement names all that is asked of it (FHIR {version})")
        return
    text = f"its CapabilityStatement does not name {len(missing)} things (statements are often incomplete): "
    ask = f"whether the server has: {', '.join(missing)}"
    yield Found(Grade.LOOK, about, text + ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else ""), ask)


def _shown(said: str) -> str:
    """A server may write anything there."""
    if not said:
        return "of no version"
    return said if _VERSION.fullmatch(said) else "of a version that is none"


def _is_of(said: str, version: str) -> bool:
    beginnings = {"R4": ("4.0",), "R4B": ("4.3", "4.1"), "STU3": ("3.",)}[version]
    return said.startswith(beginnings)


def _clock(about: str, date: str) -> Iterator[Found]:
    try:
        seconds = round((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return
    if abs(seconds) > _SKEW_S:
        side = "ahead of" if seconds > 0 else "behind"
        text = f"its clock is {abs(seconds)} s {side} ours: set ours by a time server"
        yield Found(Grade.LOOK, about, text, "whether its clock is right")
    else:
        yield Found(Grade.OK, about, f"its clock is ours, within {max(1, abs(seconds))} s")


def _token(about: str, asked: Asking, settings: TrustSettings, source: FhirSearchSource) -> Iterator[Found]:
    """Whether it knows us, and whether it has granted what is asked for."""
    try:
        header = asked.credentials.header()
    except NotNow as error:
        yield Found(Grade.WRONG, about, f"no token: {error}", _ask_to_be_known(source))
        raise _Enough from None
    if header is None:
        yield Found(Grade.LOOK, about, "the source has neither `auth` nor `token`: nobody signs in")
        return
    types = dict.fromkeys([*(probe.search.resource_type for probe in fhir_asking.probes_of(settings, source))])
    missing = [each for each in types if not asked.credentials.may_read(each)]
    if missing:
        text = f"a token, but it does not let us read {', '.join(missing)}"
        yield Found(Grade.WRONG, about, text, f"the scopes {', '.join(f'system/{each}.rs' for each in missing)}")
        return
    left_out = sorted(asked.credentials.left_out()) if isinstance(asked.credentials, SignIn) else []
    if left_out:
        text = f"a token; not granted, and not needed for any search: {', '.join(left_out)}"
        yield Found(Grade.LOOK, about, text)
    else:
        yield Found(Grade.OK, about, "a token, with all that was asked for" if source.auth else "a token")


def _ask_to_be_known(source: FhirSearchSource) -> str:
    if source.auth is None:
        return "a new bearer token"
    auth = source.auth
    keys = "our keys (`csor-adapter jwks`)" if auth.method == "private_key_jwt" else "a secret"
    return f"our client {auth.client_id} to be registered, with {keys} and the scopes {', '.join(auth.scopes)}"


def _searches(
    about: str, asked: Asking, settings: TrustSettings, source: FhirSearchSource, *, patient_id: str
) -> Iterator[Found]:
    """Each configured search once, for two resources, and where a page follows that one too."""
    skipped = 0
    for probe in fhir_asking.probes_of(settings, source):
        if probe.is_of_patients and not patient_id:
            skipped += 1
            continue
        yield from _probed(about, asked, source, probe, patient_id=patient_id)
    if skipped:
        text = f"{skipped} searches of single patients were not tried: give the id of a patient by --patient"
        yield Found(Grade.LOOK, about, text, "the id of a patient of the test or live system whom we may read")
    look_up = fhir_asking.look_up_of(asked.server, settings, source)
    if look_up is not None:
        yield from _asked_once(f"{about}", "Patient by identifier", asked, look_up)


def _probed(about: str, asked: Asking, source: FhirSearchSource, probe: Probe, *, patient_id: str) -> Iterator[Found]:
    if probe.is_of_patients and probe.search.resource_type == "Patient":
        try:
            asked.server.resource(f"Patient/{patient_id}", _STOP)
        except SourceError as error:
            yield _refused(about, "read of the patient", error)
            _go_on_after(error)
            return
        yield Found(Grade.OK, about, "read of the patient: answers")
        return
    request = fhir_asking.request_of(asked.server, probe, source=source, patient_id=patient_id)
    yield from _asked_once(about, probe.name, asked, request)


def _asked_once(about: str, name: str, asked: Asking, request: fhir_request.Request) -> Iterator[Found]:
    try:
        page = asked.server.page(request, _STOP)
        following = asked.server.page(fhir_request.follow(page.next_link), _STOP) if page.next_link else None
    except SourceError as error:
        yield _refused(about, name, error)
        _go_on_after(error)
        return
    yield _answered(about, name, page, has_next=following is not None)


def _answered(about: str, name: str, page: Page, *, has_next: bool) -> Found:
    if page.ignored:
        text = f"{name}: the server did not use a parameter ({', '.join(page.ignored)}); its results are not filtered"
        return Found(Grade.WRONG, about, text, f"which parameters {name} takes")
    if page.incomplete:
        text = f"{name}: answers, but does not show all ({', '.join(page.incomplete)})"
        return Found(Grade.LOOK, about, text, f"what our client is not shown of {name.partition('?')[0]}, and why")
    if page.unknown:
        text = f"{name}: answers, with codes that no `outcome_rules` name: {', '.join(page.unknown)}"
        return Found(Grade.LOOK, about, text, f"what the codes {', '.join(page.unknown)} mean")
    return Found(Grade.OK, about, f"{name}: answers" + (", and so does its next page" if has_next else ""))


def _refused(about: str, name: str, error: SourceError) -> Found:
    is_ours = error.fault in (SourceFault.BLACKOUT, SourceFault.DAILY_LIMIT)
    return Found(Grade.LOOK if is_ours else Grade.WRONG, about, f"{name}: {error}", _ask_for(error, name=name))


def _ask_for(error: SourceError, *, name: str = "") -> str:
    if isinstance(error, Halted) or error.fault is SourceFault.LINK_ELSEWHERE:
        return "to which hosts next links and files lead (`allowed_hosts`)"
    if error.fault in (SourceFault.BLACKOUT, SourceFault.DAILY_LIMIT):
        return ""
    if error.fault is SourceFault.BUSY:
        return "how many requests per second and day we may make (`limits`)"
    if error.fault is SourceFault.REDIRECT:
        return "the base URL that does not redirect"
    if isinstance(error, Declined):
        return f"to be allowed: {name}" if name else "what our client may ask for"
    return "whether the server works, and reaches us"


def _go_on_after(error: SourceError) -> None:
    if error.fault in _OVER:
        raise _Enough
