"""The rows of one child but for its results, drafted from what is live: each resource's own row, then derived ones.

Pure. Rows of numbers that the trust gave (visits, examinations, doses) are keyed by those numbers, so that two
children who claim one number meet in one row; rows of the person are keyed by the person.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from adapter.assertion import Form, ItemKind, Resource
from adapter.cohort import CaseState, Noted, State
from adapter.csor import derive
from adapter.csor.derive import Derived, Stated
from adapter.errors import HOLDING, ProblemCode
from adapter.identity.patients import birth_of, day_of
from adapter.settle.drafted import Read, Row, read_of
from adapter.settle.judging import case_fields
from adapter.settle.projection import (
    Draft,
    History,
    Projected,
    RecordId,
    RowState,
    Said,
    Source,
    numbered,
)
from adapter.settle.said import in_order


class Maps(Protocol):
    """What drafting asks of the mappings."""

    @property
    def outcome_rules(self) -> derive.OutcomeRules: ...
    def project(
        self, kind: str, resource: Resource, context: Mapping[str, Resource], birth: str | None = None
    ) -> Projected | None: ...
    def study_of(self, resource: Resource) -> str | None: ...


_LIST_KINDS = (("diagnosis", "diagnoses"), ("operation", "procedures"))
_OF_SINGLES = {ItemKind.MEASUREMENT: "vital_sign", ItemKind.NOTE: "operation_note"}
_STUDY, _REPORT, _COURSE = "imaging_study", "imaging_report", "medication_course"


class Drafting:
    """Drafts rows by one set of mappings."""

    def __init__(self, maps: Maps, *, record_id: Callable[[str, str], RecordId]) -> None:
        self._maps = maps
        self._record_id = record_id
        self.study_of = maps.study_of

    def of_numbers(self, past: History) -> list[Draft]:
        """Rows keyed by numbers that the trust gave; another child may claim the same."""
        return [self._draft(row) for row in self._of_numbers(past)]

    def all_of(
        self,
        past: History,
        patient: Resource,
        cases: Sequence[CaseState],
        *,
        sources: tuple[Source, ...],
        key: str,
        mother: str | None,
    ) -> list[Draft]:
        """Every row of the child but its results. `key`: of the person; `mother`: what names her, if anything does."""
        rows = self.rows_of(past, patient, cases, sources=sources, key=key, mother=mother)
        return [self._draft(row) for row in rows] + list(self._cases(cases, sources=sources, key=key))

    def rows_of(
        self,
        past: History,
        patient: Resource,
        cases: Sequence[CaseState],
        *,
        sources: tuple[Source, ...],
        key: str,
        mother: str | None,
    ) -> list[Row]:
        """The same without the cases, each row with what it was made from."""
        rows = list(self._of_numbers(past, born=day_of(birth_of(patient))))
        index = self._index_operations(rows, cases)
        rows = [_indexed(row, index) for row in rows]
        infant = self._infant(patient, rows, sources=sources, key=key)
        rows += infant
        rows += self._outcomes(rows, [case.condition for case in cases if case.is_included], key=key)
        if mother is not None:
            rows.append(Row("mother_baby_link", key, {"link_source": mother}, (), sources))
        return rows

    def record_id(self, row: Row) -> RecordId:
        """The id under which a row is stored."""
        return self._record_id(row.kind, row.key)

    def notes(self, past: History) -> list[Noted]:
        """Completed operative records: each confirms its condition (ruling R3)."""
        found = []
        for key, said in past.singles[ItemKind.NOTE].items():
            for row in self._single("operation_note", key, said):
                found.append(Noted(row.fields["condition"], row.fields.get("operated_dt"), ref=key))
        return found

    def _draft(self, row: Row) -> Draft:
        is_held = row.kind == "mother_baby_link" or any(problem.code in HOLDING for problem in row.problems)
        state = RowState.HELD if is_held else RowState.LIVE
        return Draft(self.record_id(row), row.kind, row.fields, row.problems, row.sources, state)

    def _of_numbers(self, past: History, *, born: str | None = None) -> Iterator[Row]:
        """`born`: the day, by which it is judged what is plausible."""
        for key, visit in past.visits.items():
            said = past.encounters[key]
            if visit.encounter:
                read = Read(visit.encounter, {}, tuple(said), is_visit=True)
                admission = list(self._projected("admission", key, read, [each.source for each in said]))
                yield from admission
                yield from self._stays(key, read, admission, placing={id(item) for item in visit.placing})
        for kind, lists in _LIST_KINDS:
            for key, listed in getattr(past, lists).items():
                for name, entry in numbered(listed):
                    source = entry.said.source
                    read = Read(entry.resource, source.assertion.context, (entry.said,), source, nth=entry.nth)
                    yield from self._projected(kind, f"{key}|{name}", read, [source])
        for item_kind, kind in _OF_SINGLES.items():
            for key, said in past.singles[item_kind].items():
                yield from self._single(kind, key, said, born=born)
        for key, said in past.singles[ItemKind.IMAGING].items():
            yield from self._examination(key, said)
        yield from self._courses(past.singles[ItemKind.MEDICATION])

    def _projected(
        self, kind: str, key: str, read: Read, sources: Iterable[Source], *, born: str | None = None
    ) -> Iterator[Row]:
        made = self._maps.project(kind, read.resource, read.context, born) if read.resource else None
        if made is not None:
            yield Row(kind, key, made.fields, made.problems, tuple(sources), read)

    def _single(self, kind: str, key: str, said: Sequence[Said], *, born: str | None = None) -> Iterator[Row]:
        yield from self._projected(kind, key, read_of(said), [each.source for each in said], born=born)

    def _stays(self, key: str, visit: Read, admission: Sequence[Row], *, placing: Container[int]) -> Iterator[Row]:
        """Ward stays: of a snapshot all that its newest version lists, of messages each move that one of them tells.

        `placing`: the items, by identity, whose location counts.
        """
        moves: dict[str, Row] = {}
        for move, each in _moves(visit, placing):
            for row in self._projected("ward_stay", "", move, [each.source]):
                moves.setdefault(f"{row.fields.get('start_dt')}|{row.fields.get('ward_code')}", row)
        stated = [Stated(at, row.fields) for at, row in moves.items() if row.fields.get("start_dt")]
        left = next((row.fields.get("discharge_dt") for row in admission), None)
        for stay in derive.ward_stays(stated, discharged=left):
            row = _derived("ward_stay", f"{key}|{stay.key}", stay, moves)
            yield row._replace(beside=(*moves.values(), *admission))

    def _examination(self, key: str, said: Sequence[Said]) -> Iterator[Row]:
        """One row of the study from all that speaks of it, one of the report."""
        parts: dict[str, list[Said]] = {}
        for each in said:
            parts.setdefault(each.item.resources[0]["resourceType"], []).append(each)
        studies: dict[str, Row] = {}
        for kind, spoken in sorted(parts.items()):
            read, sources = read_of(spoken), [each.source for each in spoken]
            if kind == "DiagnosticReport":
                yield from self._projected(_REPORT, key, read, sources)
            for row in self._projected(_STUDY, key, read, sources):
                studies[kind] = row
        study = derive.examination([(kind, Stated(kind, row.fields)) for kind, row in studies.items()])
        if study is not None:
            row = _derived(_STUDY, key, study, studies)
            is_named = study.fields.get("study") != _UNLISTED
            # An order may name in a local code what the study itself names in a national one.
            known = tuple(each for each in row.problems if each.code is not ProblemCode.UNKNOWN_CODE)
            yield row._replace(problems=known) if is_named else row

    def _courses(self, doses: Mapping[str, Sequence[Said]]) -> Iterator[Row]:
        given: dict[str, Row] = {}
        for key, said in doses.items():
            for row in self._single(_COURSE, key, said):
                given[key] = row
        for course in derive.courses([Stated(key, row.fields) for key, row in given.items()]):
            yield _derived(_COURSE, course.key, course, given)

    def _index_operations(self, rows: Sequence[Row], cases: Sequence[CaseState]) -> dict[str, list[str]]:
        """For each operation, by its key, the conditions whose index operation it is (ruling R17)."""
        done = [Stated(row.key, row.fields) for row in rows if row.kind == "operation"]
        ours = [case.condition for case in cases if case.is_included]
        return derive.index_operations(done, ours, rules=self._maps.outcome_rules)

    def _infant(self, patient: Resource, rows: Sequence[Row], *, sources: tuple[Source, ...], key: str) -> list[Row]:
        made = self._maps.project("infant", patient, {}) if patient else None
        if made is None:
            return []
        measured = {row.key: row for row in rows if row.kind == "vital_sign" and not _is_held(row)}
        facts = derive.birth_facts([Stated(at, row.fields) for at, row in measured.items()])
        fields = {**made.fields, **(facts.fields if facts else {})}
        parts = tuple(measured[at] for at in facts.made_from) if facts else ()
        return [Row("infant", key, fields, made.problems, sources, parts=parts)]

    def _outcomes(self, rows: Sequence[Row], conditions: Sequence[str], *, key: str) -> list[Row]:
        by_key = {f"{row.kind}|{row.key}": row for row in rows}
        stated = {kind: [Stated(at, row.fields) for at, row in by_key.items() if row.kind == kind] for kind in _SHOWING}
        course = derive.Course(
            infant=next(iter(stated["infant"]), None),
            admissions=stated["admission"],
            operations=stated["operation"],
            conditions=conditions,
        )
        found = derive.outcomes(course, rules=self._maps.outcome_rules)
        return [_derived("outcome_event", f"{key}|{event.key}", event, by_key) for event in found]

    def _cases(self, cases: Sequence[CaseState], *, sources: tuple[Source, ...], key: str) -> Iterator[Draft]:
        for case in cases:
            if case.state is not State.NONE:
                state = RowState.LIVE if case.is_included else RowState.HELD
                rid = self._record_id("condition_case", f"{key}|{case.condition}")
                yield Draft(rid, "condition_case", case_fields(case), case.problems, sources, state)


_UNLISTED = "other"
_SHOWING = ("infant", "admission", "operation")
"""What outcomes are told by."""


def _moves(visit: Read, placing: Container[int]) -> Iterator[tuple[Read, Said]]:
    """Each location by itself, with who tells of it."""
    there = [each for each in visit.said if id(each.item) in placing]
    snapshots = [each for each in there if each.item.form is Form.SNAPSHOT]
    if snapshots:
        newest = in_order(snapshots)[-1]
        listed = Read(newest.item.resources[0], newest.source.assertion.context, (newest,))
        yield from ((move, newest) for move in _places(listed, newest))
    for each in there:
        if each.item.form is Form.PATCH:
            alone = Read(each.item.resources[0], {}, (each,))
            yield from ((move, each) for move in _places(alone, each))


def _places(of: Read, said: Said) -> Iterator[Read]:
    for number, place in enumerate(of.resource.get("location") or ()):
        yield of._replace(
            resource={**of.resource, "location": [place]},
            context=said.source.assertion.context,
            speaker=said.source,
            place=number,
        )


def _derived(kind: str, key: str, derived: Derived, rows: Mapping[str, Row]) -> Row:
    made_from = [rows[each] for each in derived.made_from]
    sources = {source.assertion_id: source for row in made_from for source in row.sources}
    problems = dict.fromkeys(problem for row in made_from for problem in row.problems)
    return Row(kind, key, derived.fields, tuple(problems), tuple(sources.values()), parts=tuple(made_from))


def _indexed(row: Row, index: Mapping[str, list[str]]) -> Row:
    if row.kind != "operation" or row.key not in index:
        return row
    return row._replace(fields={**row.fields, "index_for": index[row.key]})


def _is_held(row: Row) -> bool:
    return any(problem.code in HOLDING for problem in row.problems)
