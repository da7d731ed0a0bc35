"""What one port asks of its senders, and how it answers them."""

import ssl
from dataclasses import dataclass
from typing import NamedTuple

from adapter.sources.accept import Accepted


class TlsTerms(NamedTuple):
    """What senders must agree on before they are heard."""

    context: ssl.SSLContext
    handshake_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Without any of them: whoever reaches the port, whatever has a readable MSH, in the mode its MSH asks for."""

    allow: tuple[str, ...] = ()
    """Addresses and networks."""
    accepted: Accepted | None = None
    is_original_only: bool = False
    """AA, AE and AR whatever MSH-15 and MSH-16 say."""
    tls: TlsTerms | None = None
