"""To which addresses a FHIR server's links may lead; the token goes to the configured one alone."""

import ipaddress
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from adapter.errors import Halted, SourceFault

_PORTS = {"https": 443, "http": 80}
# RFC 3986: what a URL is written with. Anything else is read differently by different readers, and so may lead astray.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%|]+")


class Places:
    """One server's own address, and the hosts that its links may lead to besides."""

    def __init__(self, base_url: str, allowed_hosts: Collection[str] = ()) -> None:
        self._home = _origin(base_url)
        self._others = {_origin(f"{scheme}://{host}") for host in allowed_hosts for scheme in _schemes(host)}

    def is_home(self, url: str) -> bool:
        """Whether the token goes with a request to it.

        That is the same scheme, host and port as configured, for us and for the library that will connect. Halted where
        it leads to a host that nobody has named.
        """
        origin = _origin(url) if _URL.fullmatch(url) else ()
        if origin and "@" not in urlsplit(url).netloc:
            if origin == self._home:
                return True
            if origin in self._others:
                return False
        text = "the server's next link leads to another address: nothing was sent there; ask the server's team"
        raise Halted(SourceFault.LINK_ELSEWHERE, text)


def _schemes(host: str) -> tuple[str, ...]:
    name = urlsplit(f"https://{host}").hostname or ""
    try:
        is_loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_loopback = name == "localhost"
    return ("https", "http") if is_loopback else ("https",)


def _origin(url: str) -> tuple[Any, ...]:
    """Scheme, host and port as the standard library and as the connecting library read them."""
    try:
        ours, theirs = urlsplit(url), parse_url(url)
        ports = ours.port or _PORTS.get(ours.scheme), theirs.port or _PORTS.get(theirs.scheme or "")
    except (ValueError, LocationParseError):
        return ()
    host = (ours.hostname or "").strip("[]").lower(), (theirs.host or "").strip("[]").lower()
    return (ours.scheme.lower(), (theirs.scheme or "").lower(), *host, *ports)
