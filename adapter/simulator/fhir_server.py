"""A FHIR R4 server of a simulated hospital on loopback: read, search, paging, token, and faults where a test asks.

200 a resource or a searchset      401 no or wrong bearer token     410 deleted, or a link that has expired
400 a parameter it does not take   404 no such resource             each but 200 with an OperationOutcome
"""

import asyncio
import hmac
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI
from fastapi import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapter.simulator.fhir_cases import Cases
from adapter.simulator.fhir_export import ExportDesk, add_routes
from adapter.simulator.fhir_faults import Answer, Faults, Interaction, Request
from adapter.simulator.fhir_outcomes import Refused, refused
from adapter.simulator.fhir_parameters import INCLUDES, PARAMETERS
from adapter.simulator.fhir_reading import Reader
from adapter.simulator.fhir_rules import Violation
from adapter.simulator.fhir_search import Desk, Page
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import TokenDesk
from adapter.simulator.fhir_versions import BEFORE_EVERYTHING, Archive, Change, encode

_MEDIA_TYPE = "application/fhir+json"


class FhirServer:
    """A running server, as a test or the demo sees it."""

    def __init__(self, changes: Iterable[Change], settings: Settings, *, root: str, now: datetime) -> None:
        self.base = root + settings.path
        """Where resources are asked for, without a slash at the end."""
        self.archive = Archive(changes, now=now)
        self.faults = Faults()
        self.tokens = {settings.token} - {""}
        """Any of them is taken; empty: nobody needs one. May be changed while the server runs."""
        self.seen: list[Request] = []
        """Every request, in order of arrival."""
        self.cases = Cases(mode=settings.mode)
        """Patients who are treated otherwise; may be changed while the server runs."""
        self.desk = Desk(self.archive, settings, base=self.base, cases=self.cases)
        self._reader = Reader(self.archive, settings.mode, cases=self.cases, base=self.base)
        self.exports = ExportDesk(self.archive, base=self.base)
        self._settings = settings

    @property
    def violations(self) -> list[Violation]:
        """Everything that was asked for although the server's vendor does not allow it."""
        desk = self._settings.sign_in
        return [*self.cases.violations, *(desk.violations if desk is not None else ())]

    def advance(self, to: datetime) -> None:
        """Let the hospital's time pass: later versions and deletions appear."""
        self.archive.advance(to)

    def add(self, changes: Iterable[Change]) -> None:
        """More changes; those that are due appear at once."""
        self.archive.add(changes)

    def app(self) -> FastAPI:
        """The application that serves it."""
        app = FastAPI(title="Simulated FHIR R4 server", openapi_url=None, docs_url=None, redoc_url=None)
        path = self._settings.path

        @app.get(f"{path}/metadata")
        async def _metadata(request: HttpRequest) -> Response:
            said = capabilities(self._settings)
            return await self._answer(request, "metadata", "", lambda: Answer(content=said))

        @app.post("/token")
        async def _token(request: HttpRequest) -> Response:
            form = dict(_parameters((await request.body()).decode()))
            desk = self._settings.sign_in or TokenDesk(clients=())
            status, said = desk.answer(form, request.headers.get("authorization", ""), url=str(request.url))
            return Response(encode(said), status, media_type="application/json")

        add_routes(app, path, self.exports, self._answer)

        @app.get(path)
        async def _next(request: HttpRequest) -> Response:
            link = request.query_params.get("_getpages", "")
            return await self._answer(request, "page", "", lambda: self.desk.next(link))

        @app.get(path + "/{resource_type}")
        async def _search(request: HttpRequest, resource_type: str) -> Response:
            asked = _parameters(request.url.query)
            return await self._answer(request, "search", resource_type, lambda: self.desk.first(resource_type, asked))

        @app.post(path + "/{resource_type}/_search")
        async def _post(request: HttpRequest, resource_type: str) -> Response:
            body = (await request.body()).decode()
            return await self._answer(
                request,
                "search",
                resource_type,
                lambda: self._posted(resource_type, request.url.query, body),
                query=body,
            )

        @app.get(path + "/{resource_type}/{resource_id}")
        async def _read(request: HttpRequest, resource_type: str, resource_id: str) -> Response:
            return await self._answer(
                request, "read", resource_type, lambda: self._reader.read(resource_type, resource_id)
            )

        @app.get(path + "/{resource_type}/{resource_id}/_history")
        @app.get(path + "/{resource_type}/{resource_id}/_history/{version}")
        async def _history(request: HttpRequest, resource_type: str) -> Response:
            return await self._answer(request, "read", resource_type, lambda: self._reader.history(resource_type))

        @app.post(path + "/Patient/$match")
        async def _match(request: HttpRequest) -> Response:
            body = await request.body()
            return await self._answer(request, "search", "Patient", lambda: self._reader.match(body))

        return app

    def _posted(self, resource_type: str, query: str, body: str) -> Page:
        beside, given = _parameters(query), _parameters(body)
        if self._settings.mode.is_post_query_ignored:
            overlooked = [pair for pair in beside if pair[0] != "_format"]
            return self.desk.first(resource_type, given, overlooked=overlooked)
        return self.desk.first(resource_type, beside + given)

    async def _answer(
        self,
        request: HttpRequest,
        interaction: Interaction,
        resource_type: str,
        act: Callable[[], Answer | Page],
        *,
        query: str = "",
    ) -> Response:
        asked = Request(
            interaction=interaction,
            resource_type=resource_type,
            page=0,
            url=str(request.url),
            query=query or request.url.query,
            is_authorised=interaction == "metadata" or self._is_authorised(request),
        )
        try:
            if not asked.is_authorised:
                raise refused(401, "login", "a bearer token is needed")
            done = act()
            if isinstance(done, Page):
                asked = replace(asked, resource_type=done.search.resource_type, page=done.number)
                done = Answer(content=done.bundle, again=done.again)
        except Refused as no:
            headers = {"WWW-Authenticate": "Bearer"} if no.status == 401 else no.headers
            done = Answer(status=no.status, content=no.outcome, headers=headers)
        self.seen.append(asked)
        return _Imperfect(self.faults.applied(asked, done))

    def _is_authorised(self, request: HttpRequest) -> bool:
        given = request.headers.get("authorization", "").encode("latin-1")
        if self._settings.sign_in is not None:
            return self._settings.sign_in.is_good(given.decode("latin-1").removeprefix("Bearer "))
        return not self.tokens or any(hmac.compare_digest(given, f"Bearer {one}".encode()) for one in self.tokens)


@contextmanager
def running(
    changes: Iterable[Change] = (), settings: Settings | None = None, *, now: datetime = BEFORE_EVERYTHING
) -> Iterator[FhirServer]:
    """The server in a thread of this process. Nothing is visible before the clock is advanced to it."""
    settings = settings or Settings()
    with socket.create_server((settings.host, settings.port), backlog=128) as listener:
        host, port = listener.getsockname()[:2]
        served = FhirServer(changes, settings, root=f"http://{host}:{port}", now=now)
        server = _QuietServer(
            uvicorn.Config(
                served.app(),
                http=_Protocol,
                lifespan="off",
                access_log=False,
                # A body that is cut on purpose is no error of the server.
                log_level="critical",
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="fhir-server", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield served
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def capabilities(settings: Settings) -> dict[str, Any]:
    """The CapabilityStatement."""
    served = settings.mode.parameters or {each: frozenset(names) for each, names in PARAMETERS.items()}
    offered = INCLUDES if settings.mode.includes is None else settings.mode.includes
    resources = [
        {
            "type": resource_type,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchInclude": [include for include in offered if include.startswith(f"{resource_type}:")] or None,
            "searchParam": [
                {"name": name, "type": one.kind if one.kind != "any" else "token"}
                for name, one in PARAMETERS[resource_type].items()
                if name in served[resource_type]
            ],
        }
        for resource_type in served
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-08-01",
        "kind": "instance",
        "implementation": {"description": "A simulated hospital: invented patients only"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "resource": [{name: value for name, value in one.items() if value is not None} for one in resources],
            }
        ],
    }


class _Protocol(H11Protocol):
    """Hands the connection to the application, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _QuietServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever started the thread."""
        yield

    async def main_loop(self) -> None:
        """As uvicorn's, with a shorter step: tests start and stop hundreds of servers."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(0.01)


class _Imperfect(Response):
    """Sends an answer as its faults want it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(encode(answer.content), answer.status, dict(answer.headers), _MEDIA_TYPE)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer
        if answer.is_dropped:
            scope["state"]["transport"].abort()
        elif answer.sent_share < 1:
            await self._part(send, self.body[: int(len(self.body) * answer.sent_share)])
            scope["state"]["transport"].close()
        elif answer.pause_s:
            half = len(self.body) // 2
            await self._part(send, self.body[:half])
            await asyncio.sleep(answer.pause_s)
            await send({"type": "http.response.body", "body": self.body[half:]})
        else:
            await super().__call__(scope, receive, send)

    async def _part(self, send: Callable[[Any], Awaitable[None]], body: bytes | memoryview) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(body), "more_body": True})


def _parameters(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=False)
