"""From canonical FHIR to rows of CSOR: loads the mappings of a folder and applies them to one resource at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args
from zoneinfo import ZoneInfo

from adapter.assertion import Resource
from adapter.csor.derive import OutcomeRules
from adapter.csor.fields import Analyte, Measure
from adapter.datafile import load_model, positions_of
from adapter.errors import ExitCode, Finding, Problem, SetupError
from adapter.fhir.sorting import Known
from adapter.mapping.codelists import CodeLists, load_codelists
from adapter.mapping.concepts import UNMAPPED, load_concepts
from adapter.mapping.csor_compile import Project, Projection, Ready, compile_map
from adapter.mapping.csor_conversions import Tables, conversion
from adapter.mapping.csor_decided import Decider, measures_decider
from adapter.mapping.csor_rules import DECIDED, As, CsorMap, FieldRule
from adapter.mapping.csor_trace import (
    FieldTrace,
    first_located,
    holds,
    laboratory_decider,
    rule_place,
    trace_codes,
    trace_field,
)
from adapter.mapping.drugs import drugs_decider, load_drugs
from adapter.mapping.examinations import OTHER, Examinations, load_examinations
from adapter.mapping.laboratory import Laboratory
from adapter.mapping.measures import Measures, load_measures
from adapter.mapping.operation_notes import load_operation_notes, notes_decider
from adapter.mapping.outcomes import load_outcome_rules
from adapter.mapping.own_tables import NO_OWN_TABLES, OwnTables
from adapter.mapping.signs import load_reports, reports_decider
from adapter.mapping.units import Units, load_units

UK = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedProjection:
    """A row as one resource gives it, with the lineage of every field."""

    fields: Mapping[str, object]
    problems: tuple[Problem, ...]
    lineage: Mapping[str, FieldTrace]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindMap:
    """The mapping of one kind of row, ready for use."""

    source: CsorMap
    rules: tuple[Ready, ...]
    project: Project
    decider: Decider | None


class Lists(NamedTuple):
    """What the mappings look things up in, for those who ask beside them."""

    codelists: CodeLists
    units: Units
    measures: Measures
    examinations: Examinations


class CsorMaps:
    """The mapping set from FHIR to CSOR."""

    def __init__(
        self,
        kinds: Mapping[str, KindMap],
        *,
        lists: Lists,
        outcome_rules: OutcomeRules,
    ) -> None:
        self.kinds = kinds
        self.codelists, self.units, self.measures, examinations = lists
        self.known = Known(examinations.knows, lambda system, code: self.is_measure(_concept(system, code)))
        """Which codes are of examinations and of measurements: for reading FHIR bodies."""
        self.examination_codes = examinations.codes()
        """The same codes without their systems: for HL7 v2, where OBR-4 often names none."""
        self.outcome_rules = outcome_rules
        self._examinations = examinations
        self._projects = {kind: each.project for kind, each in kinds.items()}

    def is_measure(self, concept: Resource) -> bool:
        """Whether an Observation of this code is a measurement without a sample."""
        return self.measures.decision({"code": concept}) is not None

    def study_of(self, resource: Resource) -> str | None:
        """Which listed study an order, an examination or a report names; None where no table tells."""
        named = [*(resource.get("procedureCode") or ()), resource.get("code"), resource.get("description")]
        study = self._examinations.study([each for each in named if each]).value
        return None if study == OTHER else str(study)

    def kinds_of(self, resource_type: str) -> tuple[str, ...]:
        """The kinds of row that a resource of this type may give."""
        return tuple(kind for kind, each in self.kinds.items() if resource_type in each.source.from_)

    def left_out_by(self, kind: str, resource: Resource, context: Mapping[str, Resource]) -> str | None:
        """Why a resource gives no row of this kind: the path of the condition, or what no table knows. Not quick."""
        if self.project(kind, resource, context) is not None:
            return None
        each = self.kinds[kind]
        failed = (condition.path for condition in each.source.include_if if not holds(condition, resource, context))
        return next(failed, each.decider.otherwise if each.decider is not None else "decided")

    def project(
        self, kind: str, resource: Resource, context: Mapping[str, Resource], birth: str | None = None
    ) -> Projection | None:
        """The row of this kind that a resource gives; None where `include-if` says that it gives none.

        `birth` is when the child was born, as far as known: what is plausible depends on the age.
        """
        return self._projects[kind](resource, context, birth)

    def project_traced(
        self, kind: str, resource: Resource, *, context: Mapping[str, Resource], birth: str | None = None
    ) -> TracedProjection | None:
        """The same row, and for each field that has a value where it came from."""
        projection = self.project(kind, resource, context, birth)
        if projection is None:
            return None
        lineage = {
            each.rule.name: self._trace(kind, each, resource, context, birth)
            for each in self.kinds[kind].rules
            if projection.fields[each.rule.name] is not None
        }
        return TracedProjection(fields=projection.fields, problems=projection.problems, lineage=lineage)

    def _trace(
        self, kind: str, ready: Ready, resource: Resource, context: Mapping[str, Resource], birth: str | None
    ) -> FieldTrace:
        rule = ready.rule
        if ready.convert is None:
            decider = self.kinds[kind].decider
            assert decider is not None  # noqa: S101 - the loader has seen to it
            sources, steps, parts = decider.trace(rule, resource, context, birth)
            traced = FieldTrace(sources if steps else (), rule_place(rule), steps, parts)
        else:
            traced = trace_field(ready, resource, context)
        if rule.as_ in (As.CODES, As.TEST_CODES):
            paths = rule.path if rule.as_ is As.CODES else [f"{path}.coding" for path in rule.path]
            codings = first_located(paths, resource, context)
            return traced._replace(parts=tuple(trace_codes(codings, self.codelists)))
        return traced


def load_csor_maps(
    folder: Path,
    *,
    timezone: ZoneInfo = UK,
    own_concepts: Sequence[Path] = (),
    own: OwnTables = NO_OWN_TABLES,
    closure: Path | None = None,
) -> CsorMaps:
    """Reads code lists, units, concepts and every file of fhir-to-csor/; SetupError with all faults of a folder.

    `timezone` is that of times sent without an offset; `own_concepts` are the tables of the trust's laboratories and
    `own` its other tables; `closure` is its file of SNOMED CT descendants.
    """
    codelists = load_codelists(folder / "codelists", closure=closure)
    codelists.deny(own.denied_systems)
    analytes = [name for name in get_args(Analyte) if name != UNMAPPED]
    units = load_units(folder / "units", analytes=analytes, measures=get_args(Measure))
    faults = _Faults()
    with faults:
        concepts = load_concepts(folder / "concepts", codelists=codelists, units=units, own=own_concepts)
    with faults:
        measures = load_measures(folder / "concepts" / "growth.csv", units=units, codelists=codelists)
    with faults:
        examinations = load_examinations(folder, codelists=codelists, own=own.imaging)
    with faults:
        drugs = load_drugs(folder / "concepts" / "drugs.csv", codelists=codelists, own=own.drugs)
    with faults:
        notes = load_operation_notes(folder / "operation-notes", timezone=timezone, own=own.operation_notes)
    with faults:
        reports = load_reports(folder / "imaging" / "signs.yaml", codelists=codelists)
    with faults:
        outcome_rules = load_outcome_rules(folder / "outcomes" / "rules.yaml", codelists=codelists)
    faults.tell()
    deciders = {
        "lab_result": laboratory_decider(Laboratory(concepts=concepts, units=units, codelists=codelists)),
        "vital_sign": measures_decider(measures),
        "imaging_report": reports_decider(reports),
        "operation_note": notes_decider(notes),
        "medication_course": drugs_decider(drugs),
    }
    tables = Tables(codelists, timezone, own.wards, examinations)
    kinds: dict[str, KindMap] = {}
    for read_map in _read(folder / "fhir-to-csor", codelists, deciders):
        csor_map = _of_nation(read_map, own.nation)
        csor_map = _of_finals(csor_map) if own.waits_for_final else csor_map
        rules = tuple(_ready(number, csor_map, tables) for number in range(len(csor_map.fields)))
        decider = deciders.get(csor_map.record)
        project = compile_map(csor_map, rules, decider=decider)
        kinds[csor_map.record] = KindMap(source=csor_map, rules=rules, project=project, decider=decider)
    return CsorMaps(
        kinds,
        lists=Lists(codelists, units, measures, examinations),
        outcome_rules=outcome_rules,
    )


class _Faults(AbstractContextManager[None]):
    """Goes on after a table that is wrong, so that all faults of all tables are told at once."""

    def __init__(self) -> None:
        self._errors: list[SetupError] = []

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, SetupError):
            self._errors.append(error)
        return isinstance(error, SetupError)

    def tell(self) -> None:
        """Raises SetupError with every finding; of one table alone its own."""
        bare = [error for error in self._errors if not error.findings]
        for error in bare or (self._errors if len(self._errors) == 1 else []):
            raise error
        if self._errors:
            findings = tuple(found for error in self._errors for found in error.findings)
            raise SetupError("the mappings and tables cannot be used", findings=findings, exit_code=ExitCode.MAPPING)


def _of_nation(csor_map: CsorMap, nation: str) -> CsorMap:
    """Lists of the trust's own nation first: of lists with the same code the first one counts."""
    fields = tuple(
        rule.model_copy(update={"code_list": tuple(sorted(rule.code_list, key=lambda name: not name.endswith(nation)))})
        for rule in csor_map.fields
    )
    return csor_map.model_copy(update={"fields": fields})


_RESULTS = ("lab_result", "vital_sign", "imaging_report")
_PROVISIONAL = frozenset({"preliminary", "partial"})


def _of_finals(csor_map: CsorMap) -> CsorMap:
    """A result gives a row when it is final (behaviour 58)."""
    if csor_map.record not in _RESULTS:
        return csor_map
    conditions = tuple(
        each.model_copy(update={"is_one_of": tuple(word for word in each.is_one_of if word not in _PROVISIONAL)})
        if each.path == "status"
        else each
        for each in csor_map.include_if
    )
    return csor_map.model_copy(update={"include_if": conditions})


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _ready(number: int, csor_map: CsorMap, tables: Tables) -> Ready:
    rule = csor_map.fields[number]
    if rule.as_ in DECIDED:
        return Ready(rule, None)
    at = f"{csor_map.from_[0]}.{rule.path[0]}"
    places = positions_of(csor_map)
    lines = {key: places["fields", number, "table", key].line for key in rule.table}
    return Ready(rule, conversion(rule, at=at, tables=tables, lines=lines))


def _read(folder: Path, codelists: CodeLists, deciders: Mapping[str, Decider]) -> list[CsorMap]:
    maps: list[CsorMap] = []
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            maps.append(load_model(path, CsorMap, exit_code=ExitCode.MAPPING))
        except SetupError as error:
            findings += error.findings
    for csor_map in maps:
        findings += _faults(csor_map, codelists, deciders)
    if not maps and not findings:
        findings.append(Finding(file=str(folder), line=0, column=0, text="no mapping file is here"))
    if findings:
        raise SetupError("the mappings to CSOR cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return maps


def _faults(csor_map: CsorMap, codelists: CodeLists, deciders: Mapping[str, Decider]) -> Iterator[Finding]:
    """What no model can see: names of fields, of code lists and of systems."""
    seen: set[str] = set()
    for rule in csor_map.fields:
        if rule.name not in csor_map.record_fields:
            yield _finding(rule, f'{csor_map.record} has no field "{rule.name}"', csor_map.record_fields)
        if rule.name in seen:
            yield _finding(rule, f'"{rule.name}" has a rule already')
        seen.add(rule.name)
        for name in rule.code_list:
            if name not in codelists.names:
                yield _finding(rule, f'there is no code list "{name}"', codelists.names)
        for name in rule.prefer_system:
            if codelists.system(name) is None:
                yield _finding(rule, f'there is no code system "{name}"')
        decider = deciders.get(csor_map.record)
        if rule.as_ in DECIDED and (decider is None or rule.as_ not in decider.conversions):
            yield _finding(rule, f"`as: {rule.as_}` is not for {csor_map.record}")


def _finding(rule: FieldRule, text: str, known: tuple[str, ...] = ()) -> Finding:
    return Finding(
        file=rule._file,
        line=rule._line,
        column=rule._column,
        text=text,
        hint=f"known here: {', '.join(known)}" if known else "",
    )
