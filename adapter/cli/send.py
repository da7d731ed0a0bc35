"""`csor-adapter send`: send files over MLLP, one message after the other, and print each acknowledgement."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from adapter.envelope import Media
from adapter.errors import ExitCode, Problem
from adapter.hl7v2.ack import Ack, AckCode, codes_asked_for, parse_ack
from adapter.hl7v2.framing import CARRIAGE_RETURN, Deframer, Frame, frame
from adapter.hl7v2.header import Header
from adapter.sources.files import read_file
from adapter.sources.intake import Framed, Unaccepted
from adapter.sources.tls import client_context, why_refused

_READ_BYTES = 65536


def send(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 files: single messages or batches.", metavar="FILE")],
    to: Annotated[str, typer.Option("--to", help="Where to send.", metavar="HOST:PORT")],
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.1, help="How long to wait for each answer.")] = 30.0,
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="Send over TLS; the authority (PEM) of the receiver's certificate.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Ours (PEM), for mutual TLS.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The key of --certificate (PEM).")] = None,
) -> None:
    """Send HL7 v2 files over MLLP and print each ACK: code, control id, text. Exit 1 if any was not accepted."""
    host, port = _address(to)
    is_all_accepted = True
    tls = _tls(tls_ca, certificate, key)
    try:
        with _Line(host, port, timeout_s=timeout_s, tls=tls) as line:
            for file in files:
                for message in _messages(file):
                    is_all_accepted &= message is not None and _sent(line, message)
    except LineError as error:
        typer.echo(f"{to}: {error}", err=True)
        is_all_accepted = False
    if not is_all_accepted:
        raise typer.Exit(ExitCode.FILES_FAILED)


def _sent(line: "_Line", message: Framed) -> bool:
    header = message.header
    if not codes_asked_for(header.accept_ack, header.application_ack, AckCode.ACCEPT):
        line.tell(message.body)
        typer.echo(f"--  {_text(header.control_id)}  sent; MSH-15 and MSH-16 ask for no answer where it succeeds")
        return True
    return _show(line.ask(message.body, control_id=_text(header.control_id)), header)


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")


class LineError(Exception):
    """The connection cannot be had, or broke: in words for the command line."""


class _Line:
    """One MLLP connection that waits for each answer."""

    def __init__(self, host: str, port: int, *, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        self._timeout_s = timeout_s
        self._deframer = Deframer()
        self._sent = 0
        self._answered = ""
        self._is_told = False
        """A message was sent whose answer was not waited for."""
        try:
            self._socket = socket.create_connection((host, port), timeout=timeout_s)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLError as error:
            raise LineError(f"no TLS: {why_refused(error)}") from None
        except TimeoutError:
            raise LineError(f"no connection within {timeout_s:g} s") from None
        except OSError as error:
            raise LineError(f"cannot connect: {(error.strerror or str(error)).lower()}") from None

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_: object) -> None:
        # Closing with answers unread resets the connection, and what the receiver has not read yet is gone.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._is_told and self._socket.recv(_READ_BYTES):
                pass
        self._socket.close()

    def tell(self, body: bytes) -> None:
        """Send one message and do not wait."""
        self._sent += 1
        self._is_told = True
        try:
            self._socket.sendall(frame(body.rstrip(CARRIAGE_RETURN) + CARRIAGE_RETURN))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise LineError(f"connection broke at message {self._sent}: {reason}{_UNSURE}") from None

    def ask(self, body: bytes, *, control_id: str) -> Ack | None:
        """Send one message and wait; None for an answer that is no acknowledgement.

        In enhanced mode a second answer may follow the first: it is passed over when the next message is asked for.
        """
        answered, self._answered = self._answered, control_id
        self.tell(body)
        try:
            while data := self._socket.recv(_READ_BYTES):
                for event in self._deframer.feed(data):
                    if not isinstance(event, Frame):
                        continue
                    ack = parse_ack(event.body)
                    if ack is None or ack.control_id == control_id or ack.control_id != answered:
                        self._is_told = False
                        return ack
        except TimeoutError:
            raise LineError(f"no answer to message {self._sent} within {self._timeout_s:g} s{_UNSURE}") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise LineError(f"connection broke at message {self._sent}: {reason}{_UNSURE}") from None
        raise LineError(f"connection closed without an answer to message {self._sent}{_UNSURE}")


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if (certificate is None) != (key is None) or (certificate is not None and ca is None):
        typer.echo("--certificate, --key and --tls-ca are given together", err=True)
        raise typer.Exit(ExitCode.USAGE)
    return None if ca is None else client_context(ca=ca, certificate=certificate, key=key)


_UNSURE = "; it may have arrived: send it again"


def _address(to: str) -> tuple[str, int]:
    host, _, port = to.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        typer.echo(f"--to {to}: not HOST:PORT, such as localhost:2575", err=True)
        raise typer.Exit(ExitCode.USAGE)
    return host.strip("[]"), int(port)


def _messages(file: Path) -> Iterator[Framed | None]:
    """The messages of a file; None, with a line on stderr, for each fault in it."""
    try:
        for found in read_file(file, feed="send", media=Media.HL7V2):
            if isinstance(found, Framed):
                yield found
            elif isinstance(found, Unaccepted | Problem):
                problem = found.problem if isinstance(found, Unaccepted) else found
                typer.echo(f"{file}: {problem.text}" + (f" ({problem.at})" if problem.at else ""), err=True)
                yield None
    except OSError as error:
        typer.echo(f"{file}: {(error.strerror or str(error)).lower()}", err=True)
        yield None


def _show(ack: Ack | None, asked: Header) -> bool:
    if ack is None:
        typer.echo("??  the answer is not an acknowledgement")
        return False
    typer.echo(f"{ack.code}  {ack.control_id}  {ack.text}".rstrip())
    if ack.is_accepted and ack.control_id.encode("utf-8", "replace") != asked.control_id:
        typer.echo("??  the answer is for another message", err=True)
        return False
    return ack.is_accepted
