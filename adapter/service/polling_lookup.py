"""Finds the id under which a FHIR server knows a child of ours of whom we have numbers only. Never guesses.

What it finds lands in the inbox as the Patient it is, and the registry joins the id with the number. Several found, or
one who contradicts what we know: a person decides, and nothing is stored.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from adapter import identity
from adapter.assertion import Resource
from adapter.chart.known import NATIONAL_NUMBER, Known
from adapter.errors import IdentityConflict
from adapter.identity import IdentitySettings, NumberKind
from adapter.identity.patients import birth_of, day_of
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_lookup import Candidate, by_identifier, certain_matches
from adapter.sources.fhir_request import Style

NHS_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
"""UK Core; the system of an NHS number."""
_SEXES = frozenset({"male", "female"})


class Number(NamedTuple):
    """A number as a FHIR server is asked for it."""

    system: str
    value: str

    def __repr__(self) -> str:
        return "Number(···)"


class Verdict(NamedTuple):
    """What came of it."""

    candidate: Candidate | None = None
    reason: str = ""
    """Why there is none: `not-found`, `several-found`, `disagrees`, `no-number` (there is nothing to ask by)."""


class LookUp:
    """Of one source."""

    def __init__(
        self,
        *,
        way: Literal["identifier", "match", "none"],
        systems: Mapping[str, str],
        settings: IdentitySettings,
        style: Style,
    ) -> None:
        """`systems`: by the name of a hospital's authority, under which FHIR knows its numbers."""
        self._way = way
        self._systems = systems
        self._settings = settings
        self._style = style

    def find(self, known: Sequence[Known], server: FhirServer, stop: threading.Event) -> Verdict:
        """The one Patient whom all fits that is known of the child."""
        numbers = self._numbers(known)
        if not numbers or self._way == "none":
            return Verdict(reason="no-number")
        for found in self._candidates(numbers, known, server, stop):
            if len(found) > 1:
                return Verdict(reason="several-found")
            if found:
                agrees = self._agrees(found[0].patient, known)
                return Verdict(found[0]) if agrees else Verdict(reason="disagrees")
        return Verdict(reason="not-found")

    def _numbers(self, known: Iterable[Known]) -> list[Number]:
        """Hospital numbers first."""
        local: list[Number] = []
        national: list[Number] = []
        for each in known:
            authority, value = each.identifier
            if authority in self._systems:
                local.append(Number(self._systems[authority], value))
            elif authority == NumberKind.NHS.value:
                national.append(Number(NHS_SYSTEM, value))
            said = each.value(NATIONAL_NUMBER)
            if said and said[0] and said[2]:  # verified; another may be another child's
                national.append(Number(NHS_SYSTEM, str(said[0])))
        return list(dict.fromkeys(local + national))

    def _candidates(
        self, numbers: Sequence[Number], known: Sequence[Known], server: FhirServer, stop: threading.Event
    ) -> Iterator[list[Candidate]]:
        if self._way == "match":
            yield certain_matches(server, _described(numbers, known), stop=stop)
            return
        for number in numbers:
            yield by_identifier(server, number, style=self._style, stop=stop)

    def _agrees(self, patient: Resource, known: Sequence[Known]) -> bool:
        """Nothing that both sides say differs."""
        try:
            facts = identity.read_patient(patient, related=(), settings=self._settings)
        except IdentityConflict:
            return False
        born, sexes, nhs = day_of(facts.birth), {facts.sex} & _SEXES, facts.nhs_number
        for each in known:
            day, said = _birth_day(each), each.value(NATIONAL_NUMBER)
            if born and day and born != day:
                return False
            if sexes and (_sex(each) or facts.sex) not in sexes:
                return False
            if nhs is not None and facts.nhs_verified and said and said[0] and said[2] and said[0] != nhs.digits:
                return False
        return True


def _birth_day(known: Known) -> str | None:
    birth = known.value("birth")
    return day_of(birth_of(birth)) if birth else None


def _sex(known: Known) -> str | None:
    sex = (known.value("gender") or {}).get("gender")
    return sex if sex in _SEXES else None


def _described(numbers: Sequence[Number], known: Sequence[Known]) -> Resource:
    """What the server may know of the child, and nothing else: no name is kept to be sent."""
    birth = next(filter(None, map(_birth_day, known)), None)
    sex = next(filter(None, map(_sex, known)), None)
    described: Resource = {
        "resourceType": "Patient",
        "identifier": [{"system": number.system, "value": number.value} for number in numbers],
    }
    if birth:
        described["birthDate"] = birth
    if sex:
        described["gender"] = sex
    return described
