"""What one result's row is, from all that is said of that result. Pure, so that another process may make it ahead."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapter.assertion import Assertion, ItemKind
from adapter.chart import live
from adapter.chart.fresh import Made
from adapter.chart.sealed import ENCODER
from adapter.errors import HOLDING, Problem, ProblemCode
from adapter.settle.projection import Draft, Project, Projected, RowState, Said, Source, scoped_key
from adapter.settle.row_versions import content_of, end_of_content

KIND = "lab_result"

DISAGREE = Problem(
    code=ProblemCode.SOURCES_DISAGREE,
    text="two sources give different values of this result; the later statement stands until they agree",
)


def result_draft(project: Project, record_id: bytes, said: Sequence[Said], *, born: str | None) -> Draft:
    """The statements folded, and projected. `born`: the day."""
    if len(said) == 1 and not said[0].item.cleared:
        item, source = said[0]
        made = project(KIND, item.resources[0], source.assertion.context, born)
        return _drafted(record_id, made, (source,))
    statements = sorted(said, key=lambda each: live.order(each.item))
    items = [each.item for each in statements]
    sources = tuple(each.source for each in statements)
    sampled = sources[live.names_specimen(items)] if len(items) > 1 else sources[0]
    draft = _drafted(record_id, project(KIND, live.fold(items), sampled.assertion.context, born), sources)
    if draft.state is not RowState.DELETED and _disagree(project, statements):
        return draft._replace(problems=(*draft.problems, DISAGREE))
    return draft


def _disagree(project: Project, statements: Sequence[Said]) -> bool:
    """Whether the last words of two feeds are different values."""
    last = {each.source.assertion.feed: each for each in statements}
    if len(last) == 1:
        return False
    values = set()
    for each in last.values():
        made = project(KIND, live.fold([each.item]), each.source.assertion.context, None)
        if made is not None:
            values.add(_value(made.fields))
    return len(values) > 1


def _value(fields: Mapping[str, Any]) -> tuple[object, ...]:
    """The number, of which `7.10` and `7.1` are the same; where there is none the text."""
    number = fields.get("value_num")
    if number is None:
        return (fields.get("value_original"),)
    return (Decimal(number).normalize(), fields.get("comparator"), fields.get("unit_ucum"))


def _drafted(record_id: bytes, made: Projected | None, sources: tuple[Source, ...]) -> Draft:
    if made is None:
        return Draft(record_id, KIND, {}, (), sources, RowState.DELETED)
    return Draft(record_id, KIND, made.fields, made.problems, sources, _state(made.problems))


def _state(problems: Sequence[Problem]) -> RowState:
    is_held = bool(problems) and any(problem.code in HOLDING for problem in problems)
    return RowState.HELD if is_held else RowState.LIVE


class Maker:
    """Makes the rows of an assertion before it is known whose they are."""

    def __init__(self, result_id: Callable[[bytes], bytes], *, project: Project, made_by: str) -> None:
        """`result_id`: from the natural key to the record id."""
        self._result_id = result_id
        self._project = project
        self._made_by = made_by

    def make(self, assertion_id: int, assertion: Assertion, born: str | None) -> list[Made] | None:
        """None where two of its statements speak of one result: those are folded, and with what is stored.

        None, too, where it lists the results of an order: what others said of that order must be read.
        """
        source = Source(assertion_id, 0, 0, b"", assertion)
        project, result_id, encode = self._project, self._result_id, ENCODER.encode
        context, ids = assertion.context, [assertion_id]
        made: dict[bytes, Made] = {}
        ends: dict[tuple[Problem, ...], tuple[bytes, int]] = {}
        count = 0
        for item in assertion.items:
            if item.kind is not ItemKind.OBSERVATION:
                if item.kind is ItemKind.RESULT_LIST:
                    return None
                continue
            count += 1
            record_id = result_id(scoped_key(item, source).encode())
            projected = None if item.cleared else project(KIND, item.resources[0], context, born)
            if projected is None:
                draft = result_draft(project, record_id, [Said(item, source)], born=born)
                fields = encode(draft.fields)
                content = content_of(fields, ids, draft.problems, self._made_by)
                made[record_id] = (record_id, content, len(fields), draft.state.value)
                continue
            problems = projected.problems  # nearly every result: the same without a draft
            end = ends.get(problems)
            if end is None:
                end = ends[problems] = end_of_content(ids, problems, self._made_by), _state(problems).value
            fields = encode(projected.fields)
            made[record_id] = (record_id, b"[" + fields + end[0], len(fields), end[1])
        return list(made.values()) if len(made) == count else None
