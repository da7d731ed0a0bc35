"""Put aside at a glance: triage of messages of which only that much was read as it asks (behaviour 135).

Only the verdict "not ours" is given here, and only of patients whom the registry does not know by any of their numbers.
Everything else, a message that contradicts itself included, is judged from the whole message.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from adapter import cohort
from adapter.cohort.triage import Reason
from adapter.errors import MessageError
from adapter.pipeline.enrolment import Enrolment, Names
from adapter.pipeline.told import Rules, Teller
from adapter.statement import Statement


class Aside(NamedTuple):
    """Why a message is not ours, and under which names it is found again if its patient is ours after all."""

    reason: Reason
    names: Names


class Glances:
    """The messages of one batch that were read only that far. All of them are looked up in the registry at once."""

    def __init__(self, enrolment: Enrolment, teller: Teller, rules: Rules) -> None:
        self._enrolment = enrolment
        self._teller = teller
        self._rules = rules
        self._seen: dict[int, Aside] = {}

    def look(self, read: Iterable[tuple[int, str, Statement]], *, seen: Mapping[int, Aside]) -> None:
        """(message, feed, what was read of it) of all of them; `seen`: those that another process has looked at."""
        self._seen |= seen
        for number, feed, statement in read:
            try:
                patient, facts = self._teller.whose(feed, statement)
            except MessageError:  # counted and parked when the whole is judged
                continue
            verdict = cohort.triage(facts, rules=self._rules.triage)
            # A merge or move of somebody we do not keep is put aside too, but must be remembered.
            if not verdict.keep:
                self._seen[number] = Aside(verdict.reason, self._enrolment.names(patient))
        if self._enrolment.expect([each.names for each in self._seen.values()]):
            is_stranger = self._enrolment.is_stranger
            self._seen = {number: each for number, each in self._seen.items() if is_stranger(each.names)}

    def aside(self, message_id: int) -> Aside | None:
        """None where the whole message is to be read: asked in its turn, when the messages before it are judged."""
        seen = self._seen.get(message_id)
        return seen if seen is not None and self._enrolment.is_still_stranger(seen.names) else None
