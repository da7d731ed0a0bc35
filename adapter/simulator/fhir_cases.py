"""Patients whom a server treats otherwise, and how much it answers in a day: chosen by a test while it runs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from adapter.simulator.fhir_outcomes import Refused
from adapter.simulator.fhir_rules import Breach, Violation
from adapter.simulator.fhir_settings import Mode
from adapter.simulator.fhir_versions import Resource, Version, patient_ids

INFORMATION = "4134"
"""The one code of break-the-glass that comes with 200, and without data."""


@dataclass(slots=True, kw_only=True)
class Cases:
    """Whom, and what has been refused already."""

    mode: Mode
    restricted: dict[str, str] = field(default_factory=dict)
    """By Patient id: 4130, 4131 or 4134; their record opens only to who breaks the glass."""
    incomplete: set[str] = field(default_factory=set)
    """Patient ids of whom more data may be present than is shown."""
    violations: list[Violation] = field(default_factory=list)
    """In order; a test that ends without any has asked for nothing forbidden."""
    _denied: set[tuple[str, ...]] = field(default_factory=set)
    _spent: Counter[tuple[str, date]] = field(default_factory=Counter)

    def broken(self, breach: Breach, resource_type: str, names: Iterable[str] = ()) -> None:
        """Note that somebody did what they may not."""
        self.violations.append(Violation(breach.rule, breach.row, resource_type, tuple(sorted(set(names)))))

    def restriction(self, patients: Iterable[str]) -> str:
        """The code of the first of them who is restricted, else nothing."""
        return next((self.restricted[each] for each in patients if each in self.restricted), "")

    def deny(self, code: str, *request: str) -> Refused:
        """The refusal; whoever asks the same again has retried, which does not help (behaviour 38)."""
        if request in self._denied:
            self.broken(Breach("asked-again-after-denial", "Access denied per patient", ""), request[0])
        self._denied.add(request)
        note = self.mode.codes.note(code, "forbidden", "the patient is restricted: break the glass to see more")
        return Refused(403, note)

    def spend(self, resource_type: str, today: date) -> None:
        """One search of a type more. Raises Refused beyond the number of a day (behaviour 39)."""
        allowed = self.mode.quota.get(resource_type)
        if allowed is None:
            return
        self._spent[resource_type, today] += 1
        if self._spent[resource_type, today] <= allowed:
            return
        if self._spent[resource_type, today] > allowed + 1:
            self.broken(Breach("asked-again-after-quota", "Daily quota", ""), resource_type)
        raise Refused(403, self.mode.codes.note("quota", "throttled", "please try again tomorrow"))


def patients_of(versions: Iterable[Version]) -> set[str]:
    """Whose resources they are."""
    return {patient for version in versions for patient in owners(version.resource)}


def owners(resource: Resource) -> Iterable[str]:
    """Whose resource it is; a Patient's own."""
    return [resource["id"]] if resource["resourceType"] == "Patient" else patient_ids(resource)


def survivor_of(resource: Mapping[str, object]) -> str:
    """Into whom a Patient was merged, else nothing."""
    links = resource.get("link")
    if resource.get("resourceType") != "Patient" or resource.get("active") is not False or not isinstance(links, list):
        return ""
    replaced = (link["other"]["reference"] for link in links if link.get("type") == "replaced-by")
    return str(next(replaced, "")).rpartition("/")[2]
