"""The simulated hospital's children told in FHIR alone, and the rows that the mappings and derivations make of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapter import fhir, simulator
from adapter.assertion import Item, ItemKind
from adapter.csor import derive
from adapter.csor.derive import Course, Stated
from adapter.mapping.fhir_to_csor import CsorMaps, load_csor_maps
from adapter.mapping.own_tables import OwnTables
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_terms import also_as_fhir
from adapter.statement import Statement
from tests.mappings.examples import MAPPINGS

Rows = dict[str, list[Mapping[str, Any]]]


def maps_of(sim: Any, folder: Path) -> CsorMaps:
    """The packaged mappings with the tables of the simulated trust."""
    tables = {
        "laboratory.csv": simulator.lab_codes_csv(also_as_fhir(sim.lab_codes)),
        "imaging.csv": simulator.imaging_codes_csv(also_as_fhir(sim.imaging_codes)),
        "drugs.csv": simulator.drugs_csv(also_as_fhir(sim.drugs)),
    }
    for name, text in tables.items():
        (folder / name).write_text(text)
    wards = {ward.code: ward.type for ward in sim.wards}
    own = OwnTables(wards=wards, imaging=[folder / "imaging.csv"], drugs=[folder / "drugs.csv"])
    return load_csor_maps(MAPPINGS, own_concepts=[folder / "laboratory.csv"], own=own)


def told(sim: Any, maps: CsorMaps) -> list[Statement]:
    """One statement per patient, from the newest version of every resource."""
    latest: dict[tuple[str, str], Any] = {}
    for change in fhir_timeline(sim.courses):
        key = (change.resource["resourceType"], change.resource["id"])
        latest.pop(key, None)
        if not change.is_deleted:
            latest[key] = change.resource
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in latest.values()]}
    reading = fhir.read(fhir.encode(body), known=maps.known)
    assert reading.problems == []
    return reading.statements


def rows_of(statement: Statement, maps: CsorMaps, conditions: list[str]) -> Rows:
    """Every row of one child."""
    stated: dict[str, list[Stated]] = defaultdict(list)
    examinations: dict[str, list[tuple[str, Stated]]] = defaultdict(list)
    for item in statement.items:
        for kind, row in _projected(item, statement, maps):
            stated[kind].append(row)
            if kind == "imaging_study":
                examinations[item.key].append((item.resources[0]["resourceType"], row))
    facts = derive.birth_facts(stated["vital_sign"])
    infants = [Stated(each.key, {**each.fields, **(facts.fields if facts else {})}) for each in stated["infant"]]
    index = derive.index_operations(stated["operation"], conditions, rules=maps.outcome_rules)
    operations = [Stated(each.key, {**each.fields, "index_for": index.get(each.key)}) for each in stated["operation"]]
    course = Course(next(iter(infants), None), stated["admission"], operations, conditions)
    derived = {
        "imaging_study": [derive.examination(parts) for parts in examinations.values()],
        "medication_course": derive.courses(stated["medication_course"]),
        "outcome_event": derive.outcomes(course, rules=maps.outcome_rules),
    }
    rows: Rows = {kind: [each.fields for each in found] for kind, found in stated.items()}
    rows |= {"infant": [each.fields for each in infants], "operation": [each.fields for each in operations]}
    rows |= {kind: [each.fields for each in found if each is not None] for kind, found in derived.items()}
    return rows


def _projected(item: Item, statement: Statement, maps: CsorMaps) -> Iterator[tuple[str, Stated]]:
    resource, context = item.resources[0], statement.context
    kinds = maps.kinds_of(resource["resourceType"])
    if resource["resourceType"] == "Observation":
        kinds = ("lab_result",) if item.kind is ItemKind.OBSERVATION else ("vital_sign",)
    for kind in kinds:
        if kind == "ward_stay":
            parts = [{**resource, "location": [place]} for place in resource.get("location", [])]
            made = [maps.project(kind, part, context) for part in parts]
            moves = [Stated(str(number), each.fields) for number, each in enumerate(made) if each is not None]
            left = resource.get("period", {}).get("end")
            for stay in derive.ward_stays(moves, discharged=left):
                yield kind, Stated(f"{item.key}|{stay.key}", stay.fields)
            continue
        row = maps.project(kind, resource, context)
        if row is not None:
            yield kind, Stated(item.key, row.fields)


def comparable(value: Any) -> Any:
    """Times as moments, numbers as numbers, lists without their order, nothing as null."""
    if isinstance(value, list | tuple):
        return tuple(sorted(map(str, value))) or None
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Decimal | int):
        return float(value)
    if isinstance(value, str) and len(value) > len("2026-01-01T") and value[4] == "-" and "T" in value:
        return datetime.fromisoformat(value).timestamp()
    return value.timestamp() if isinstance(value, datetime) else value
