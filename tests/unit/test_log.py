"""Logs by allow-list."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from adapter import log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    hooks = sys.excepthook, threading.excepthook
    handlers = logging.root.handlers[:]
    stream = io.StringIO()
    log.configure(stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    sys.excepthook, threading.excepthook = hooks


def the_line(stream: io.StringIO) -> dict[str, object]:
    return dict(json.loads(stream.getvalue()))


def test_a_line_is_json_with_its_allowed_keys(lines: io.StringIO) -> None:
    structlog.get_logger().warning("identity conflict", inbox_id=7, rule="two-nhs-numbers")

    line = the_line(lines)
    assert (line["event"], line["level"], line["inbox_id"], line["rule"]) == (
        "identity conflict",
        "warning",
        7,
        "two-nhs-numbers",
    )


@pytest.mark.behaviour(156)
def test_a_key_that_is_not_allowed_loses_its_value(lines: io.StringIO) -> None:
    structlog.get_logger().info("a patient came", surname="Testcase", inbox_id=7)

    assert "Testcase" not in lines.getvalue()
    assert the_line(lines)["surname"] == "…"


def test_a_value_that_could_carry_content_is_not_shown_under_an_allowed_key(lines: io.StringIO) -> None:
    structlog.get_logger().info("parked", reason={"surname": "Testcase"})

    assert the_line(lines)["reason"] == "…"


@pytest.mark.behaviour(156)
def test_an_exception_tells_its_kind_and_place_and_not_its_text(lines: io.StringIO) -> None:
    try:
        int("Testcase")
    except ValueError:
        structlog.get_logger().exception("failed")

    line = the_line(lines)
    assert line["fault"] == "ValueError"
    assert str(line["at"]).startswith("test_log.py:")
    assert "Testcase" not in lines.getvalue()


def test_what_a_library_says_in_free_text_is_not_printed(lines: io.StringIO) -> None:
    logging.getLogger("some.library").error("bad value %s", "Testcase")

    assert "Testcase" not in lines.getvalue()
    assert str(the_line(lines)["source"]).startswith("some.library:")


def test_an_uncaught_exception_of_a_thread_is_told_without_its_text(lines: io.StringIO) -> None:
    thread = threading.Thread(target=int, args=("Testcase",))
    thread.start()
    thread.join()

    assert the_line(lines)["event"] == "uncaught exception"
    assert "Testcase" not in lines.getvalue()
