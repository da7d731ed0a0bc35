"""How this process speaks HTTP to another machine: to the one address that was configured, and by no other way."""

import ssl
from pathlib import Path

import requests

from adapter.errors import SetupError

__all__ = ["open_session"]


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
