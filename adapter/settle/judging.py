"""The cohort's verdict on one child, from all that is live: codes, prose of reports, operative records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapter import cohort
from adapter.assertion import ItemKind, Resource
from adapter.cohort import CaseState, Coded, CohortRules, Noted, Told
from adapter.errors import ProblemCode
from adapter.identity.patients import birth_of
from adapter.settle.documents import clinical_texts
from adapter.settle.drafted import Read, read_of
from adapter.settle.projection import History, Listed, Said

_NOT_SAID = frozenset({"cancelled", "entered-in-error"})
_SEX = frozenset({ProblemCode.FEMALE_WITH_VALVES, ProblemCode.SEX_CONTRADICTS})


def judged(past: History, patient: Resource, notes: Sequence[Noted], *, rules: CohortRules) -> list[CaseState]:
    """One state for each condition of the rules."""
    return cohort.judge(
        list(coded(past, past.diagnoses.items())),
        list(coded(past, past.procedures.items())),
        birth=birth_of(patient),
        sex=patient.get("gender"),
        rules=rules,
        texts=list(_told(past)),
        notes=notes,
    )


def coded(past: History, lists: Iterable[tuple[str, Sequence[Listed]]]) -> Iterable[Coded]:
    """What `cohort` judges: each entry of the lists, with when its visit began."""
    for key, listed in lists:
        visit = past.visits.get(key)
        admitted = (visit.encounter.get("period") or {}).get("start") if visit else None
        for entry in listed:
            yield Coded(entry.resource, admitted, key)


def _told(past: History) -> Iterator[Told]:
    """The bodies of reports and of clinical documents: a suspicion keeps what would expire, and nothing more."""
    for key, said in past.singles[ItemKind.IMAGING].items():
        read = report_of(said)
        if read is not None:
            report = read.resource
            if report.get("conclusion") and report.get("status") not in _NOT_SAID:
                yield Told(report["conclusion"], report.get("effectiveDateTime"), key)
    for key, read in clinical_texts(past.singles[ItemKind.DOCUMENT]):
        written = ((read.resource.get("context") or {}).get("period") or {}).get("start")
        yield Told(read.resource["description"], written, key)


def report_of(said: Sequence[Said]) -> Read | None:
    """The report among all that speaks of one examination."""
    reports = [each for each in said if each.item.resources[0]["resourceType"] == "DiagnosticReport"]
    return read_of(reports) if reports else None


def case_fields(case: CaseState) -> dict[str, Any]:
    """The fields of a `condition_case` row."""
    coded_evidence = [each for each in case.evidence if each.is_coded]
    return {
        "condition": case.condition,
        "state": case.state.value,
        "because": case.because,
        "first_evidence": case.first_evidence,
        "evidence": [{"system": each.system_name, "code": each.code, "listed": True} for each in coded_evidence],
        "flags": case_flags(case) or None,
    }


def case_flags(case: CaseState) -> list[str]:
    """What a person should look at, in the words of the dictionary."""
    problems = {problem.code for problem in case.problems}
    named = (
        ("first_seen_late", case.first_seen_late),
        ("late_presenting", case.late_presenting),
        ("held_for_person", case.held),
        ("exomphalos_and_gastroschisis", ProblemCode.EXOMPHALOS_AND_GASTROSCHISIS in problems),
        ("sex_contradicts", not problems.isdisjoint(_SEX)),
    )
    return [name for name, stands in named if stands]
