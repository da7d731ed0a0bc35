import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from adapter.cli.send import send
from adapter.sources.mllp import Terms, TlsTerms
from adapter.sources.tls import server_context
from tests.unit.sources.papers import papers
from tests.unit.sources.wire import Disk, a_listener, a_message

ONE, TWO = a_message("1"), a_message("2")


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(send)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@contextmanager
def a_receiver_that(answers: bytes | None, *, closes: bool = False) -> Iterator[int]:
    """A server for one connection that gives this answer to whatever comes, or none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                if answers is not None:
                    connection.sendall(answers)
                if not closes:
                    done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join(5)


def test_each_message_of_each_file_is_sent_and_each_answer_printed(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "one.hl7").write_bytes(ONE + TWO)
    (tmp_path / "two.hl7").write_bytes(a_message("3"))
    with a_listener(disk.append) as running:
        result = run(tmp_path / "one.hl7", tmp_path / "two.hl7", "--to", f"localhost:{running.listener.port}")
    assert (result.exit_code, result.stdout) == (0, "AA  1\nAA  2\nAA  3\n")
    assert [one.body for one in disk.messages] == [ONE, TWO, a_message("3")]


def test_a_message_that_is_not_accepted_makes_exit_1_and_the_others_are_sent(tmp_path: Path) -> None:
    disk = Disk()
    disk.failure = OSError("full")
    (tmp_path / "one.hl7").write_bytes(ONE + TWO)
    with capture_logs(), a_listener(disk.append) as running:
        result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{running.listener.port}")
    assert result.exit_code == 1
    assert result.stdout == ("AE  1  not stored: send the message again\nAE  2  not stored: send the message again\n")


def test_a_bad_file_is_told_and_the_others_are_sent(tmp_path: Path) -> None:
    (tmp_path / "bad.hl7").write_bytes(b"nothing here")
    (tmp_path / "good.hl7").write_bytes(ONE)
    with a_listener(Disk().append) as running:
        to = f"127.0.0.1:{running.listener.port}"
        result = run(tmp_path / "bad.hl7", tmp_path / "gone.hl7", tmp_path / "good.hl7", "--to", to)
    assert (result.exit_code, result.stdout) == (1, "AA  1\n")
    assert result.stderr == (
        f"{tmp_path}/bad.hl7: no MSH segment: not an HL7 v2 file\n{tmp_path}/gone.hl7: no such file or directory\n"
    )


def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "one.hl7").write_bytes(ONE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{port}")
    assert (result.exit_code, result.stderr) == (1, f"127.0.0.1:{port}: cannot connect: connection refused\n")


def test_silence_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "one.hl7").write_bytes(ONE)
    with a_receiver_that(None) as port:
        result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{port}", "--timeout-s", "0.2")
    assert (result.exit_code, result.stderr) == (
        1,
        f"127.0.0.1:{port}: no answer to message 1 within 0.2 s; it may have arrived: send it again\n",
    )


def test_a_connection_closed_without_an_answer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "one.hl7").write_bytes(ONE)
    with a_receiver_that(None, closes=True) as port:
        result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{port}")
    assert result.stderr == (
        f"127.0.0.1:{port}: connection closed without an answer to message 1; it may have arrived: send it again\n"
    )


def test_an_answer_that_is_no_ack_or_for_another_message_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "one.hl7").write_bytes(ONE)
    with a_receiver_that(b"\x0bhello\x1c\r") as port:
        result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{port}")
    assert (result.exit_code, result.stdout) == (1, "??  the answer is not an acknowledgement\n")
    late = b"\x0bMSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.4\rMSA|AA|OTHER\r\x1c\r"
    with a_receiver_that(late) as port:
        result = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{port}")
    assert (result.exit_code, result.stderr) == (1, "??  the answer is for another message\n")


@pytest.mark.parametrize("to", ["localhost", ":2575", "host:port", "host:0", "host:99999"])
def test_an_address_that_is_none_is_a_usage_error(tmp_path: Path, to: str) -> None:
    (tmp_path / "one.hl7").write_bytes(ONE)
    result = run(tmp_path / "one.hl7", "--to", to)
    assert (result.exit_code, result.stderr) == (2, f"--to {to}: not HOST:PORT, such as localhost:2575\n")


def test_over_tls_with_a_certificate_of_ours(tmp_path: Path) -> None:
    ours = papers(tmp_path / "papers")
    (tmp_path / "one.hl7").write_bytes(ONE)
    terms = Terms(tls=TlsTerms(server_context(ours.port(mutual=True))))
    files = ["--tls-ca", ours.ca, "--certificate", ours.sender_certificate, "--key", ours.sender_key]
    with a_listener(Disk().append, terms=terms) as running:
        result = run(tmp_path / "one.hl7", "--to", f"localhost:{running.listener.port}", *files)
        strange = run(tmp_path / "one.hl7", "--to", f"127.0.0.1:{running.listener.port}", *files)
    assert (result.exit_code, result.stdout) == (0, "AA  1\n")
    assert strange.exit_code == 1
    assert "no TLS: its certificate is not accepted: " in strange.stderr


def test_half_of_the_files_of_a_certificate_is_an_error_of_use(tmp_path: Path) -> None:
    result = run(tmp_path / "one.hl7", "--to", "localhost:2575", "--key", tmp_path / "key.pem")
    assert (result.exit_code, result.stderr) == (2, "--certificate, --key and --tls-ca are given together\n")


def test_messages_in_enhanced_mode_are_each_matched_with_their_own_answer(tmp_path: Path) -> None:
    wanted = ("AL|AL", "AL|AL", "NE|NE", "AL|NE", "ER|NE", "")
    for number, asked in enumerate(wanted):
        message = a_message(f"{number}").replace(b"|P|2.4", f"|P|2.4|||{asked}".encode())
        (tmp_path / f"{number}.hl7").write_bytes(message)
    disk = Disk()
    with a_listener(disk.append) as running:
        files = [tmp_path / f"{number}.hl7" for number in range(len(wanted))]
        result = run(*files, "--to", f"127.0.0.1:{running.listener.port}")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line[:5].strip() for line in result.stdout.splitlines()] == [
        "CA  0", "CA  1", "--  2", "CA  3", "--  4", "AA  5"
    ]  # fmt: skip
    assert len(disk.messages) == 6
