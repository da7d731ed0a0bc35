"""How this process speaks HTTP to another machine: to the one address that was configured, and by no other way."""

import re
import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from adapter.errors import SetupError

__all__ = ["open_session", "retry_after_s"]


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would read a redirect's body and prepare its target even where it must not follow it."""
        return


def open_session(
    *, ca: Path | None, proxy: str | None, certificate: tuple[Path, Path] | None = None
) -> requests.Session:
    """A session for one destination. `ca` replaces the public authorities; SetupError where it cannot be read.

    `certificate`: ours and its key, in PEM, for servers that want mutual TLS.
    """
    session = _Session()
    # A stray .netrc, CA bundle or proxy variable must not decide where a token or patient data go.
    session.trust_env = False
    session.verify = _checked_ca(ca) if ca is not None else True
    if certificate is not None:
        session.cert = _checked_pair(*certificate)
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
    # Nothing to inflate: limits on an answer count the bytes that arrive.
    session.headers["Accept-Encoding"] = "identity"
    return session


def retry_after_s(text: str | None, *, now: datetime) -> float | None:
    """Seconds to wait as RFC 9110 section 10.2.3 writes them (seconds or a date); None when absent or unreadable."""
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        # RFC 5322 `-0000`: the sender does not vouch for a zone, so the date says nothing.
        return None
    return max(0.0, (moment - now).total_seconds())


def _checked_ca(ca: Path) -> str:
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise SetupError(f"{ca}: is not a readable file of certificates in PEM ({type(error).__name__})") from error
    return str(ca)


def _checked_pair(certificate: Path, key: Path) -> tuple[str, str]:
    try:
        ssl.create_default_context().load_cert_chain(certificate, key, password=_no_pass_phrase)
    except (OSError, ValueError) as error:
        text = f"{certificate}: is, with {key}, no certificate and private key in PEM ({type(error).__name__})"
        raise SetupError(text) from error
    return str(certificate), str(key)


def _no_pass_phrase() -> str:
    raise ValueError("a key with a pass phrase cannot be used by a service")
