"""How this room runs SQL: text prepared once, positional parameters, the same statement on both databases.

Statements are written with `?`; PostgreSQL's driver gets `%s`. SQLAlchemy's expression language is left to the schema
and the migrations: to look up a compiled expression costs more than most of these statements take to run.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult

CHUNK = 512
"""Values in one IN list; under every limit on parameters (SQLite 32,766; PostgreSQL 65,535)."""


@cache
def _for_dialect(statement: str, dialect: str) -> str:
    return statement if dialect == "sqlite" else statement.replace("?", "%s")


def run(conn: Connection, statement: str, parameters: tuple[Any, ...] = ()) -> CursorResult[*tuple[Any, ...]]:
    """One statement with its parameters in order."""
    return conn.exec_driver_sql(_for_dialect(statement, conn.dialect.name), parameters)


def run_many(conn: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """One statement for many rows in one call of the driver; the number of rows it changed."""
    if not rows:
        return 0
    # SQLite's driver binds exact tuples faster than named ones, by more than it costs to make them.
    return conn.exec_driver_sql(_for_dialect(statement, conn.dialect.name), list(map(tuple, rows))).rowcount


def select_in(
    conn: Connection, statement: str, values: Sequence[Any], *, after: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Rows of a SELECT that holds `IN ({})`, however many values; `after` are the parameters behind the list.

    Lists are padded with their last value to a power of two, so that few distinct statements exist to be prepared.
    """
    for start in range(0, len(values), CHUNK):
        part = list(values[start : start + CHUNK])
        width = 1 << (len(part) - 1).bit_length()
        part += [part[-1]] * (width - len(part))
        yield from run(conn, _with_list(statement, width), (*part, *after))


@cache
def _with_list(statement: str, width: int) -> str:
    return statement.format(",".join("?" * width))
