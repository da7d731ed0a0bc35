"""Where the fields of a stored row came from: its messages are read again, folded again, mapped again, with tracing.

Reads only. What it finds is what settling did as long as mappings and settings are the same; `made_by` tells.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from adapter.cohort import CohortRules
from adapter.fhir.path import Path
from adapter.identity import IdentitySettings
from adapter.mapping import CsorMaps
from adapter.mapping.csor_trace import FieldTrace
from adapter.settle.bodies import Bodies, TraceV2
from adapter.settle.drafting import Drafting
from adapter.settle.lineage_cases import CaseExplainer
from adapter.settle.lineage_values import FieldLineage, Value
from adapter.settle.loading import record_id_of
from adapter.settle.projection import RowState
from adapter.settle.refolding import Folded, Refolder
from adapter.settle.row_versions import unsealed
from adapter.store import assertions, rows
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing


class Explained(NamedTuple):
    """One row."""

    kind: str
    person_id: int
    state: RowState
    messages: tuple[int, ...]
    """Every message that speaks about it; of several, the cuts name those whose word counts."""
    is_of_today: bool
    """Made by this version, these mappings and this trust file; if not, what is told may differ from what was done."""
    fields: tuple[FieldLineage, ...]


class Guides(NamedTuple):
    """The mappings and settings that rows are made with."""

    csor: CsorMaps
    cohort: CohortRules
    identity: IdentitySettings
    made_by: str
    trace: TraceV2


class Explainer:
    """Explains rows; keeps what it opened, so that many rows of one child cost little more than one."""

    def __init__(self, conn: Connection, ring: KeyRing, *, guides: Guides) -> None:
        self._conn = conn
        self._ring = ring
        self._csor = guides.csor
        self._made_by = guides.made_by
        bodies = Bodies(conn, ring, trace=guides.trace)
        self._refolder = Refolder(conn, ring, bodies=bodies, identity=guides.identity)
        self._drafting = Drafting(guides.csor, record_id=partial(record_id_of, ring))
        self._cases = CaseExplainer(
            self._refolder, rules=guides.cohort, codelists=guides.csor.codelists, drafting=self._drafting
        )

    def explain(self, record_id: bytes) -> Explained | None:
        """None where there is no such row; a deleted row has no fields."""
        row = rows.get_many(self._conn, [record_id]).get(record_id)
        if row is None:
            return None
        content = unsealed(self._ring, row)
        ids = content.assertion_ids
        fields: tuple[FieldLineage, ...] = ()
        if row.deleted == RowState.DELETED:
            pass
        elif row.kind == "condition_case":
            fields = tuple(self._cases.explain(row.person_id, content.fields, ids))
        else:
            folded = self._refolder.person(row.person_id) if row.kind == "infant" else self._refolder.row(row, ids)
            if folded is not None:
                fields = tuple(self._mapped(row, folded, content.fields))
        said_in = tuple(sorted({assertions.message_of(number) for number in ids}))
        return Explained(
            row.kind, row.person_id, RowState(row.deleted), said_in, content.made_by == self._made_by, fields
        )

    def _mapped(self, row: CsorRow, folded: Folded, stored: dict[str, Any]) -> Iterator[FieldLineage]:
        traced = self._csor.project_traced(row.kind, folded.resource, context=folded.context)
        for name, trace in (traced.lineage if traced else {}).items():
            value = stored.get(name)
            if value is not None:
                yield FieldLineage(name, value, trace.rule, tuple(self._values(folded, trace, value)))

    def _values(self, folded: Folded, trace: FieldTrace, value: Any) -> Iterator[Value]:
        parts = trace.parts or ((("", trace.sources, trace.steps)),)
        for at, sources, steps in parts:
            cuts = tuple(cut for source in sources if (cut := self._refolder.cut(folded, source)) is not None)
            yield Value(at, _inside(value, at), cuts, steps)


def _inside(value: Any, at: str) -> Any:
    """`[0].code` of a list of codes; the value itself for an empty place."""
    return Path(f"list{at}").first({"list": value}) if at else value
