"""Certificates of a port: made ready for TLS, or refused in words that say which file is wrong and how."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from adapter.errors import SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The files of one port, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Given, a client must show a certificate of one of these authorities."""


class _Locked(Exception):
    """The key asks for a pass phrase; without this, OpenSSL would ask the terminal."""


def server_context(files: Certificates) -> ssl.SSLContext:
    """TLS 1.2 or later with these files; SetupError where they cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own(context, files)
    if files.client_ca is not None:
        _certificates_in(files.client_ca, what="client_ca")
        _trust(context, files.client_ca, what="client_ca")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(*, ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """How we connect to a port with TLS; without `ca` the system's authorities count."""
    context = ssl.create_default_context()
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _certificates_in(ca, what="ca")
        _trust(context, ca, what="ca")
    if certificate is not None and key is not None:
        _load_own(context, Certificates(certificate=certificate, key=key))
    return context


def ends_at(certificate: Path) -> datetime:
    """When the first of the certificates in the file, the port's own, ends. SetupError where there is none."""
    return _certificates_in(certificate, what="certificate")[0].not_valid_after_utc


def days_left(certificate: Path, *, now: datetime) -> int:
    """Whole days for which it is still good; negative when it has ended."""
    return (ends_at(certificate) - now.astimezone(UTC)).days


def why_refused(error: Exception) -> str:
    """Why a handshake failed, in words for who reads the log; nothing that the other side wrote."""
    if isinstance(error, TimeoutError | ConnectionAbortedError):
        return "no TLS handshake in time"
    reason = str(getattr(error, "reason", "") or "")
    if isinstance(error, ssl.SSLCertVerificationError) or reason == "CERTIFICATE_VERIFY_FAILED":
        return f"its certificate is not accepted: {getattr(error, 'verify_message', '') or 'it cannot be verified'}"
    if isinstance(error, ssl.SSLEOFError | ConnectionError) or not isinstance(error, ssl.SSLError):
        return "it went away during the handshake"
    return _REASONS.get(reason, f"TLS failed: {reason.lower().replace('_', ' ') or 'no reason given'}")


_PLAIN = "it does not speak TLS"
_REASONS = {
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "UNKNOWN_PROTOCOL": _PLAIN,
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS 1.2 or later",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "NO_SHARED_CIPHER": "no cipher in common",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that our certificate has ended",
}


def _load_own(context: ssl.SSLContext, files: Certificates) -> None:
    _certificates_in(files.certificate, what="certificate")
    _read(files.key, what="key")
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_to_ask)
    except _Locked:
        raise SetupError(f"the key {files.key} has a pass phrase: give a file without one") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"the key {files.key} does not belong to the certificate {files.certificate}"
        else:
            text = f"the key {files.key} holds no private key in PEM that can be used"
        raise SetupError(text) from None


def _refuse_to_ask() -> str:
    raise _Locked


def _trust(context: ssl.SSLContext, authorities: Path, *, what: str) -> None:
    try:
        context.load_verify_locations(cafile=authorities)
    except ssl.SSLError:
        raise SetupError(f"the {what} {authorities} cannot be used") from None


def _certificates_in(file: Path, *, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file, what=what))
    except ValueError:
        raise SetupError(f"the {what} {file} holds no certificate in PEM") from None


def _read(file: Path, *, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SetupError(f"the {what} {file} cannot be read: {reason}") from None
