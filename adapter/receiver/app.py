"""The receiver's HTTP face: who may speak, how much, and which answer each outcome gets.

    200 applied, or the answer given before under the same key      401 no or wrong bearer token
    400 no usable Idempotency-Key, or the body is not JSON          413 body over the limit
    409 rows older than what stands; nothing applied                422 not as published, or key reused for another body

No answer but `GET /v1/rows` repeats a value from a body.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from adapter.receiver.store import Batch, KeyReused, Outdated, Store
from adapter.receiver.validation import Fault, faults_of, repeated_records

KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Decimals keep `72.50` as it was sent."""


class Answer(Exception):
    """Ends a request early with this answer."""

    def __init__(self, status: int, code: str, **more: object) -> None:
        super().__init__(code)
        self.response = _json({"code": code, **more}, status=status)
        if status == 401:
            self.response.headers["WWW-Authenticate"] = "Bearer"


def build(store: Store, *, token: bytes | None, max_bytes: int) -> FastAPI:
    """The application; it owns no state but the store it is given."""
    app = FastAPI(title="CSOR reference receiver", version="1", docs_url=None, redoc_url=None)
    authorised = [Depends(_authorisation(token))]

    @app.exception_handler(Answer)
    async def _early(_: Request, answer: Answer) -> Response:
        return answer.response

    @app.get("/healthz")
    def _healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/v1/batches", dependencies=authorised)
    async def _batches(request: Request) -> Response:
        key = _idempotency_key(request.headers)
        body = await _body(request, max_bytes=max_bytes)
        return await run_in_threadpool(_take, store, key, body)

    @app.get("/v1/rows", dependencies=authorised)
    def _rows(csor_id: str | None = None, after: int = 0, limit: Annotated[int, Query(le=10_000)] = 1_000) -> Response:
        return _page("rows", store.rows(csor_id=csor_id, after=after, limit=limit), limit)

    @app.get("/v1/applied", dependencies=authorised)
    def _applied(after: int = 0, limit: Annotated[int, Query(le=10_000)] = 1_000) -> Response:
        return _page("applied", store.applied(after=after, limit=limit), limit)

    return app


def _take(store: Store, key: str, body: bytes) -> Response:
    digest = hashlib.sha256(body).digest()
    try:
        # Before any check: an answer once given stands, whatever schema has been published since.
        answer = store.answer_given(key, body_digest=digest)
        return _json_bytes(answer or store.apply(_batch(key, digest, body)))
    except KeyReused:
        raise Answer(422, "key-reused") from None
    except Outdated as outdated:
        raise Answer(409, "outdated", record_ids=outdated.record_ids) from None


def _batch(key: str, digest: bytes, body: bytes) -> Batch:
    try:
        content: Any = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Answer(400, "not-json") from None
    _refuse(faults_of(content))
    _refuse(repeated_records(content["rows"]))
    return Batch(key=key, body_digest=digest, trust=content["trust"], csor_id=content["csor_id"], rows=content["rows"])


def _refuse(faults: tuple[Fault, ...]) -> None:
    if faults:
        raise Answer(422, "not-as-published", faults=[{"at": fault.at, "rule": fault.rule} for fault in faults])


def _authorisation(token: bytes | None) -> Any:
    expected = b"Bearer " + token if token is not None else None

    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode("latin-1")
        # Constant time: the time of the answer must not tell how much of the token was right.
        if expected is not None and not hmac.compare_digest(given, expected):
            raise Answer(401, "not-authorised")

    return check


def _idempotency_key(headers: Mapping[str, str]) -> str:
    key = headers.get("idempotency-key", "")
    if not KEY.fullmatch(key):
        raise Answer(400, "no-idempotency-key")
    return key


async def _body(request: Request, *, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > max_bytes:
        raise Answer(413, "too-large", max_bytes=max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise Answer(413, "too-large", max_bytes=max_bytes)
    except ClientDisconnect:  # a sender that died: nobody hears this, but it is no fault of ours
        raise Answer(400, "cut-short") from None
    return bytes(body)


def _page(name: str, found: list[dict[str, Any]], limit: int) -> Response:
    return _json({name: found, "next": found[-1]["seq"] if len(found) == limit else None})


def _json(content: object, *, status: int = 200) -> Response:
    return _json_bytes(_ENCODER.encode(content), status=status)


def _json_bytes(content: bytes, *, status: int = 200) -> Response:
    return Response(content, status_code=status, media_type="application/json")
