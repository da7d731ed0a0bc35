"""Where the fields of a stored row came from: its messages are read again, folded again, mapped again, with tracing.

Reads only. What it finds is what settling did as long as mappings and settings are the same; `made_by` tells.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from adapter.chart.sealed import Content
from adapter.cohort import CohortRules
from adapter.identity import IdentitySettings
from adapter.mapping import CsorMaps
from adapter.settle.bodies import Bodies, PartsOf, TraceV2
from adapter.settle.drafted import Row
from adapter.settle.drafting import Drafting
from adapter.settle.inspection import told
from adapter.settle.lineage_cases import CaseExplainer
from adapter.settle.lineage_derived import DerivedExplainer, as_stored
from adapter.settle.lineage_events import EventExplainer
from adapter.settle.lineage_rows import Drafted, RowTracer
from adapter.settle.lineage_values import FieldLineage
from adapter.settle.loading import record_id_of
from adapter.settle.projection import RowState
from adapter.settle.refolding import Refolder
from adapter.settle.row_versions import unsealed
from adapter.store import assertions, rows, verdicts
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
    verdicts: tuple[str, ...] = ()
    """What FHIR R4B has against the resources it was made from, as far as they were held to it: words, no values."""


class Guides(NamedTuple):
    """The mappings and settings that rows are made with."""

    csor: CsorMaps
    cohort: CohortRules
    identity: IdentitySettings
    made_by: str
    trace: TraceV2
    parts: PartsOf


class Explainer:
    """Explains rows; keeps what it opened, so that many rows of one child cost little more than one."""

    def __init__(self, conn: Connection, ring: KeyRing, *, guides: Guides) -> None:
        self._conn = conn
        self._ring = ring
        self._made_by = guides.made_by
        csor = guides.csor
        bodies = Bodies(conn, ring, trace=guides.trace, parts=guides.parts)
        refolder = Refolder(conn, ring, bodies=bodies, identity=guides.identity)
        drafting = Drafting(csor, record_id=partial(record_id_of, ring))
        self._tracer = RowTracer(refolder, csor=csor, rules=guides.cohort, drafting=drafting)
        self._derived = DerivedExplainer(self._tracer, rules=csor.outcome_rules)
        self._cases = CaseExplainer(self._tracer, rules=guides.cohort, codelists=csor.codelists)
        self._events = EventExplainer(self._tracer, derived=self._derived, cases=self._cases, rules=csor.outcome_rules)

    def explain(self, record_id: bytes) -> Explained | None:
        """None where there is no such row; a deleted row has no fields."""
        row = rows.get_many(self._conn, [record_id]).get(record_id)
        if row is None:
            return None
        content = unsealed(self._ring, row)
        found = () if row.deleted == RowState.DELETED else self._fields(row, content)
        said_in = tuple(sorted({assertions.message_of(number) for number in content.assertion_ids}))
        is_of_today = content.made_by == self._made_by
        refused = tuple(self._verdicts(content.assertion_ids))
        state = RowState(row.deleted)
        return Explained(row.kind, row.person_id, state, said_in, is_of_today, tuple(found), refused)

    def _verdicts(self, assertion_ids: Sequence[int]) -> Iterator[str]:
        for verdict in verdicts.of_assertions(self._conn, assertion_ids):
            name, at, rule = told(self._ring, verdict)
            yield f"message {assertions.message_of(verdict.assertion_id)}, {name}{at}: {rule}"

    def _fields(self, row: CsorRow, content: Content) -> Iterable[FieldLineage]:
        stored = content.fields
        if not stored:
            return ()
        if row.kind == "lab_result":
            return self._tracer.result(row, content.assertion_ids, stored)
        child = self._tracer.child(row.person_id)
        if row.kind == "condition_case":
            return self._cases.explain(child, stored)
        drafted = child.rows.get(row.record_id)
        return self._of_row(child, drafted, stored) if drafted is not None else ()

    def _of_row(self, child: Drafted, row: Row, stored: Mapping[str, Any]) -> Iterator[FieldLineage]:
        own = self._tracer.fields(child, row)
        if row.kind == "outcome_event":
            found: Iterable[FieldLineage | None] = self._events.explain(child, row)
        else:
            names = [name for name, value in row.fields.items() if value is not None]
            found = [own.get(name) or self._derived.explain(child, row, name) for name in names]
        for each in found:
            if each is not None and stored.get(each.field) is not None:
                yield as_stored(each, stored)
