"""`csor-adapter doctor`: is this machine, this folder and this file fit to run? Asked before the first start, and when
something is wrong at night. Stores nothing but a test file, which it removes.
"""

import os
import shutil
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated
from urllib.parse import urlsplit

import typer

from adapter import config
from adapter.cli.doctor_fhir import examine_server
from adapter.cli.doctor_found import Found, Grade
from adapter.config import (
    LOOPBACK,
    CsorApiSink,
    FhirSearchSource,
    FolderSink,
    FolderSource,
    Listening,
    Subscriptions,
    TrustSettings,
)
from adapter.errors import AdapterError, ExitCode, SetupError
from adapter.service.assembly import Mappings, open_ring, open_store
from adapter.service.listening import refuse_if_untrusted
from adapter.sources.tls import days_left
from adapter.store.lock import is_locked

_SYNCS = 20
_SLOW_SYNC_MS = 50.0
"""Group commit waits for one sync: slower than this, an engine with a queue feels it."""
_LITTLE_ROOM = 5 * 1024**3
_TIMEOUT_S = 5.0
_FEW_DAYS = 30
_OLD_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


def doctor(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    patient: Annotated[
        str, typer.Option("--patient", metavar="ID", help="By whom FHIR searches of single patients are tried.")
    ] = "",
) -> None:
    """Configuration, keys, disk, ports, FHIR servers and CSOR's address, each with what to do. Exit 1 if one is wrong.

    FHIR servers are asked once for each search, within their limits; nothing they answer is stored or printed.
    """
    found = []
    for each in examine(config_file, patient_id=patient):
        found.append(each)
        typer.echo(f"{each.grade.value:<6} {each.about:<14} {each.text}")
    asks = dict.fromkeys((each.about, each.ask) for each in found if each.ask)
    if asks:
        typer.echo("\nAsk the teams of the servers for:")
    for number, (about, ask) in enumerate(asks, start=1):
        typer.echo(f"{number:>3}. {about}: {ask}")
    if any(each.grade is Grade.WRONG for each in found):
        raise typer.Exit(ExitCode.FILES_FAILED)


def examine(config_file: Path, *, patient_id: str = "") -> Iterator[Found]:
    """Everything that can be asked; a trust file that cannot be read ends it at once."""
    try:
        settings = config.load_trust(config_file)
    except AdapterError as error:
        yield Found(Grade.WRONG, "trust file", str(error))
        return
    yield Found(Grade.OK, "trust file", f"{settings.site.name} ({settings.site.ods_code}), vendor {settings.vendor}")
    yield _tried("mappings", lambda: _mappings(settings))
    yield _clock()
    yield from _folder(settings)
    running = is_locked(settings.data_folder)
    yield from _store(settings, running=running)
    for source in settings.sources:
        if isinstance(source, FhirSearchSource):
            yield from examine_server(settings, source, patient_id=patient_id)
            if source.subscriptions is not None:
                name = f"source {source.name}, notifications"
                yield _port(name, source.subscriptions, running=running)
                yield from _security(name, source, source.subscriptions)
            continue
        yield _source(source, running=running)
        if isinstance(source, Listening):
            yield from _security(f"source {source.name}", source, source)
    if not settings.sources:
        yield Found(Grade.LOOK, "sources", "none is configured: only `ingest` brings anything in")
    yield _sink(settings)
    yield _basis(settings)


def _tried(about: str, ask: Callable[[], str]) -> Found:
    try:
        return Found(Grade.OK, about, ask())
    except AdapterError as error:
        return Found(Grade.WRONG, about, str(error))
    except OSError as error:
        return Found(Grade.WRONG, about, error.strerror or type(error).__name__)


def _mappings(settings: TrustSettings) -> str:
    loaded = Mappings.load(settings)
    conditions, kinds = len(loaded.cohort.conditions), len(loaded.csor.kinds)
    return f"{conditions} conditions, {kinds} kinds of rows; digest {loaded.digest[:12]}"


def _clock() -> Found:
    now = datetime.now(UTC)
    if now < _OLD_CLOCK:
        return Found(Grade.WRONG, "clock", f"it says {now:%Y-%m-%d}: set it, hold periods are counted by it")
    return Found(Grade.OK, "clock", f"{now:%Y-%m-%d %H:%M} UTC")


def _folder(settings: TrustSettings) -> Iterator[Found]:
    """Room, and how long a write takes to be safe: AA waits for it."""
    folder = settings.data_folder
    home = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    if home is None or not os.access(home, os.W_OK):
        yield Found(Grade.WRONG, "data folder", f"{folder} cannot be written: give this user the right to it")
        return
    free = shutil.disk_usage(home).free
    grade = Grade.OK if free > _LITTLE_ROOM else Grade.LOOK
    yield Found(grade, "disk", f"{free / 1024**3:.1f} GiB free where {folder} is")
    yield _tried_sync(home)


def _tried_sync(home: Path) -> Found:
    try:
        times = sorted(_sync_ms(home))
    except OSError as error:
        return Found(Grade.WRONG, "disk sync", error.strerror or type(error).__name__)
    middle, worst = statistics.median(times), times[-1]
    text = f"a safe write takes {middle:.1f} ms, at worst {worst:.1f} ms of {_SYNCS}"
    if middle > _SLOW_SYNC_MS:
        return Found(Grade.LOOK, "disk sync", f"{text}: senders will wait; use a local disk")
    return Found(Grade.OK, "disk sync", text)


def _sync_ms(home: Path) -> Iterator[float]:
    with NamedTemporaryFile(dir=home, prefix=".csor-doctor-") as file:
        for _ in range(_SYNCS):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            yield 1000 * (time.perf_counter() - began)


def _store(settings: TrustSettings, *, running: bool) -> Iterator[Found]:
    yield Found(Grade.OK, "service", "it is running" if running else "it is not running")
    yield _tried("master key", lambda: f"{len(settings.sealing.master())} bytes from {settings.sealing.master_key}")
    if not settings.data_folder.is_dir():
        yield Found(Grade.LOOK, "store", "there is none yet: the first start makes it")
        return

    def opened() -> str:
        open_ring(settings).close()
        database = open_store(settings, migrate=False)
        try:
            return f"{database.dialect}, its schema and its keys are those of this version"
        finally:
            database.close()

    yield _tried("store", opened)


def _source(source: Listening | FolderSource, *, running: bool) -> Found:
    name = f"source {source.name}"
    if isinstance(source, Listening):
        return _port(name, source, running=running)
    if not source.path.is_dir():
        return Found(Grade.WRONG, name, f"there is no folder {source.path}")
    can_move = os.access(source.path, os.R_OK | os.W_OK)
    text = f"{source.path} can be read" + ("" if can_move else ", but not written: files cannot be moved away")
    return Found(Grade.OK if can_move else Grade.WRONG, name, text)


def _port(name: str, port: Listening | Subscriptions, *, running: bool) -> Found:
    if running or port.port == 0:
        return Found(Grade.OK, name, f"{port.bind}:{port.port}, listened on by the service")
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((port.bind, port.port))
    except OSError as error:
        return Found(Grade.WRONG, name, f"{port.bind}:{port.port} cannot be listened on: {error.strerror}")
    return Found(Grade.OK, name, f"{port.bind}:{port.port} is free")


def _security(about: str, source: Listening | FhirSearchSource, port: Listening | Subscriptions) -> Iterator[Found]:
    """Whether its secrets are there, who can read along, and for how long the certificate is good."""
    try:
        refuse_if_untrusted(source)
    except SetupError as error:
        yield Found(Grade.WRONG, about, str(error))
        return
    if port.tls is None:
        if port.bind not in LOOPBACK:
            yield Found(Grade.LOOK, about, f"{port.bind} without TLS: whoever is on the way can read along")
        return
    files = port.tls
    left = days_left(files.certificate, now=datetime.now(UTC))
    who = "senders show theirs" if files.client_ca else "any sender may connect"
    if left < 0:
        yield Found(
            Grade.WRONG, about, f"TLS, but the certificate {files.certificate} has ended: no sender will accept it"
        )
    else:
        grade = Grade.LOOK if left < _FEW_DAYS else Grade.OK
        yield Found(grade, about, f"TLS, certificate for {left} more days; {who}")
    if files.key.stat().st_mode & 0o077:
        yield Found(Grade.LOOK, about, f"the key {files.key} can be read by others: chmod 600")


def _sink(settings: TrustSettings) -> Found:
    sink = settings.sink
    if isinstance(sink, FolderSink):
        return Found(
            Grade.OK if sink.path.parent.is_dir() else Grade.WRONG, "CSOR", f"rows go to the folder {sink.path}"
        )
    if isinstance(sink, CsorApiSink):
        if sink.proxy:
            return _reachable("CSOR", sink.proxy, ca=None)
        return _reachable("CSOR", sink.url, ca=sink.ca)
    return Found(Grade.LOOK, "CSOR", "no sink is configured: rows wait")


def _reachable(about: str, url: str, *, ca: Path | None) -> Found:
    """A connection, and for https the certificate; nothing is asked and nothing is sent."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as line:
            if parts.scheme != "https":
                return Found(Grade.OK, about, f"{host}:{port} answers")
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
            with context.wrap_socket(line, server_hostname=host) as secured:
                return _certificate(about, f"{host}:{port}", secured)
    except ssl.SSLError as error:
        return Found(Grade.WRONG, about, f"{host}:{port}: the certificate is not accepted ({error.reason})")
    except OSError as error:
        return Found(Grade.WRONG, about, f"{host}:{port} does not answer: {error.strerror or type(error).__name__}")


def _certificate(about: str, place: str, secured: ssl.SSLSocket) -> Found:
    said = secured.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(said["notAfter"])), UTC) if "notAfter" in said else None
    left = (ends - datetime.now(UTC)).days if ends else None
    grade = Grade.LOOK if left is not None and left < _FEW_DAYS else Grade.OK
    text = f"{place} answers, {secured.version()}" + (f", certificate for {left} more days" if left is not None else "")
    return Found(grade, about, text)


def _basis(settings: TrustSettings) -> Found:
    basis = settings.disclosure.legal_basis
    if basis is None:
        text = "none: only invented children of the 999 range leave, and only for this machine"
        return Found(Grade.OK if settings.test_mode else Grade.LOOK, "legal basis", text)
    today = datetime.now(UTC).date()
    if not basis.valid_from <= today <= basis.valid_to:
        return Found(Grade.WRONG, "legal basis", f"{basis.reference} holds from {basis.valid_from} to {basis.valid_to}")
    return Found(Grade.OK, "legal basis", f"{basis.reference}, until {basis.valid_to}")
