"""Stays on wards, out of the moves of one visit."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from adapter.csor.derive.stated import Derived, Stated, begins, keys, span

_by_start = begins("start_dt")


class _Stay(NamedTuple):
    moves: tuple[Stated, ...]
    end: str | None


def ward_stays(moves: Iterable[Stated], *, discharged: str | None = None) -> list[Derived]:
    """One row per stay on one ward without interruption; `discharged` is the end of the visit.

    A move between beds of one ward is no new stay. A stay ends where the source says so, else with the next move, else
    with the visit. Where no message tells of a move, the one ward that is named is one stay of unknown beginning.
    """
    known = [move for move in moves if move.fields.get("ward_code") or move.fields.get("start_dt")]
    placed = sorted((move for move in known if span(move.fields.get("start_dt")) is not None), key=_by_start)
    if placed:
        stays = list(_joined(placed, discharged))
    elif len({move.fields.get("ward_code") for move in known}) == 1:
        stays = [_Stay(tuple(sorted(known, key=lambda move: move.key)), discharged)]
    else:
        stays = []
    return [_row(stay) for stay in stays]


def _joined(placed: Sequence[Stated], discharged: str | None) -> Iterator[_Stay]:
    """Moves to the ward where the child already is go on with the stay."""
    runs: list[list[Stated]] = []
    for move in placed:
        if runs and _ward(runs[-1][-1]) == _ward(move) and not _is_away_between(runs[-1], move):
            runs[-1].append(move)
        else:
            runs.append([move])
    for number, run in enumerate(runs):
        after = runs[number + 1][0].fields.get("start_dt") if number + 1 < len(runs) else discharged
        yield _Stay(tuple(run), _earlier(_stated_end(run), after))


def _ward(move: Stated) -> object:
    return move.fields.get("ward_code")


def _stated_end(run: Sequence[Stated]) -> str | None:
    """The end of the last move; an open move among them means that the stay goes on."""
    ends = [move.fields.get("end_dt") for move in run]
    if any(end is None for end in ends):
        return None
    return max(ends, key=lambda end: span(end) or ())


def _is_away_between(run: Sequence[Stated], move: Stated) -> bool:
    """Whether the source says that the child had left the ward before it came again."""
    left, came = span(_stated_end(run)), span(move.fields.get("start_dt"))
    return left is not None and came is not None and left.last < came.first


def _earlier(one: str | None, other: str | None) -> str | None:
    first, second = span(one), span(other)
    if first is None or second is None:
        return one or other
    return one if first.first <= second.first else other


def _row(stay: _Stay) -> Derived:
    first = stay.moves[0]
    fields: dict[str, Any] = dict(first.fields)
    fields["end_dt"] = stay.end
    return Derived(f"{fields.get('ward_code')}|{fields.get('start_dt') or ''}", fields, keys(stay.moves))
