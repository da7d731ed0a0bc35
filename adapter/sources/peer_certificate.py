"""When the certificate of a server ends, seen as it answers: a server that nobody can reach any more warns too late."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests

Tell = Callable[[datetime], None]
"""When the certificate ends that a server has just shown."""


def watched(session: requests.Session, tell: Tell) -> requests.Session:
    """The same session; `tell` hears of the certificate with each answer over TLS."""

    def see(answer: requests.Response, *_: Any, **__: Any) -> None:
        ends = _ends_at(answer)
        if ends is not None:
            tell(ends)

    session.hooks["response"].append(see)
    return session


def _ends_at(answer: requests.Response) -> datetime | None:
    """None without TLS, or where the connection was given back before anybody looked."""
    line = getattr(getattr(answer.raw, "connection", None), "sock", None)
    shown = line.getpeercert() if isinstance(line, ssl.SSLSocket) else None
    if not shown or "notAfter" not in shown:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
