"""What a sender is answered, whatever the transport: its outcome, its mode, our stamps, and what is counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from adapter.hl7v2.ack import NOT_STORED, AckCode, AckError, Outcome, acknowledge, codes_asked_for
from adapter.hl7v2.header import Header
from adapter.sources.intake import Counters


class Stamps:
    """Our own MSH-10 and MSH-7: unique over restarts, and cheap. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        # Ten digits of seconds and a count stay within the 20 characters of MSH-10 before v2.7.
        self._series = b"%d-%%d" % int(clock())
        self._second = -1
        self._text = b""

    def control_id(self) -> bytes:
        """The next MSH-10."""
        return self._series % next(self._numbers)

    def time(self) -> bytes:
        """MSH-7 of now, in UTC, to the second."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S%z").encode()
        return self._text


class Replies:
    """The answers of one port."""

    def __init__(self, stamps: Stamps, counters: Counters, *, transport: str, is_original_only: bool = False) -> None:
        """`is_original_only`: MSH-15 and MSH-16 are copied from somewhere and mean nothing."""
        self._stamps = stamps
        self._counters = counters
        self._is_original_only = is_original_only
        self._accepted, self._not_stored, self._unasked = (
            f"{transport}.{what}" for what in ("accepted", "not_stored", "unasked_answers")
        )

    def of(self, header: Header | None, refusal: AckError | None, error: Exception | None) -> list[bytes]:
        """The answers to one message, unframed: usually one, in enhanced mode none, one or two."""
        outcome: Outcome
        if error is not None:
            self._counters.count(self._not_stored)
            outcome, refusal = AckCode.ERROR, NOT_STORED
        elif refusal is not None:
            outcome = AckCode.REJECT
        else:
            self._counters.count(self._accepted)
            outcome = AckCode.ACCEPT
        codes: tuple[AckCode, ...] = (outcome,)
        if header is not None and (header.accept_ack or header.application_ack) and not self._is_original_only:
            codes = codes_asked_for(header.accept_ack, header.application_ack, outcome)
            if not codes:
                self._counters.count(self._unasked)
        stamps = self._stamps
        return [
            acknowledge(header, code, control_id=stamps.control_id(), at=stamps.time(), error=refusal) for code in codes
        ]
