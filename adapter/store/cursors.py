"""Named positions that move in the transaction of the work they stand for: inbox position, FHIR watermarks."""

from sqlalchemy import Connection

from adapter.store.sql import run


def get(conn: Connection, name: str) -> str | None:
    """The position, as its owner wrote it."""
    value: str | None = run(conn, "SELECT value FROM cursor WHERE name = ?", (name,)).scalar()
    return value


def set(conn: Connection, name: str, value: str) -> None:  # noqa: A001  (read as cursors.set)
    """Write the position; it holds a number or a time, never patient data."""
    statement = "INSERT INTO cursor (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    run(conn, statement, (name, value))


def of_prefix(conn: Connection, prefix: str) -> dict[str, str]:
    """The positions whose name begins so, by name."""
    statement = "SELECT name, value FROM cursor WHERE name LIKE ? ORDER BY name"
    return {row[0]: row[1] for row in run(conn, statement, (f"{prefix}%",))}


def counts(conn: Connection, prefix: str) -> dict[str, int]:
    """How many positions whose name begins so hold each value; those without one are left out."""
    statement = "SELECT value, count(*) FROM cursor WHERE name LIKE ? AND value <> '' GROUP BY value ORDER BY value"
    return {row[0]: row[1] for row in run(conn, statement, (f"{prefix}%",))}
