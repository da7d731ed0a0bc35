"""Loaded by Python itself when a process of the service under test starts: kills that process where the plan says.

The folder stands first on PYTHONPATH, so the service runs as it is, without a hook in it. The plan is one line in a
file, `place nth delay_ms`; the process that reaches the place for the nth time removes the plan, notes its death in
the log beside it and ends itself by SIGKILL. A new plan may be written at any time.
"""

import os
import signal
import sys
import threading
import time
from types import FrameType

FOLDER = os.environ["CRASH_FOLDER"]
PLAN = os.path.join(FOLDER, "plan")
LOG = os.path.join(FOLDER, "deaths")

ON_STACK = {
    "release": {"ChildSettler._release_step"},
    "merge": {"Enrolment.merge", "Enrolment.regroup"},
    "regroup": {"Enrolment.regroup"},
    "settle": {"Settler._settle_all"},
    "freeze": {"Dispatcher._freeze"},
    "receipt": {"Dispatcher._send"},
    "first-start": {"prepare"},
    "page": {"StoredMemory.page_in"},
    "child-page": {"PatientMemory.page_in"},
    "child": {"ChildReader._stand"},
    "export": {"Exporter._step"},
}
"""Statements (and COMMIT) count while all these functions are being executed."""

_seen: dict[str, int] = {}


def _plan() -> tuple[str, int, float] | None:
    try:
        with open(PLAN, encoding="ascii") as file:
            place, nth, delay_ms = file.read().split()
    except FileNotFoundError:
        return None
    return place, int(nth), float(delay_ms)


def _is_on_stack(wanted: set[str]) -> bool:
    missing = set(wanted)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and missing:
        missing.discard(frame.f_code.co_qualname)
        frame = frame.f_back
    return not missing


def _count(place: str, nth: int) -> bool:
    _seen[place] = _seen.get(place, 0) + 1
    return _seen[place] >= nth


def _die(place: str, nth: int) -> None:
    try:
        os.unlink(PLAN)
    except FileNotFoundError:
        return  # another thread was there first
    with open(LOG, "a", encoding="ascii") as file:
        file.write(f"{place} {nth}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _at_statement(*_: object) -> None:
    plan = _plan()
    if plan is None:
        _seen.clear()
        return
    place, nth, _delay = plan
    if place in ON_STACK and _is_on_stack(ON_STACK[place]) and _count(place, nth):
        _die(place, nth)


def _at_request(event: str, _arguments: object) -> None:
    """The batch is on its way: before its first byte (`nth` 1), before its body (2), or some moment later."""
    if event != "http.client.send":
        return
    plan = _plan()
    if plan is None or plan[0] != "offer" or not _is_on_stack({"Dispatcher._send"}):
        return
    place, nth, delay_ms = plan
    if not delay_ms:
        if _count(place, nth):
            _die(place, nth)
        return
    threading.Thread(target=lambda: (time.sleep(delay_ms / 1000), _die(place, nth)), daemon=True).start()


def _watch_receive() -> None:
    from adapter.pipeline.reception import Reception

    store = Reception.store

    def store_and_die(reception: Reception, rows: object) -> None:
        store(reception, rows)  # type: ignore[arg-type]
        plan = _plan()
        if plan is not None and plan[0] == "acknowledge" and _count("acknowledge", plan[1]):
            _die("acknowledge", plan[1])

    Reception.store = store_and_die  # type: ignore[assignment,method-assign]


def _watch_work() -> None:
    from sqlalchemy import Engine, event

    event.listen(Engine, "before_cursor_execute", _at_statement)
    event.listen(Engine, "commit", _at_statement)
    sys.addaudithook(_at_request)


if "run" in sys.orig_argv:
    if sys.orig_argv[-1] == "receive":
        _watch_receive()
    else:
        _watch_work()
