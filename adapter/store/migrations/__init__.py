"""Brings the schema up to date with Alembic when the store is opened, from a checkout or an installed wheel alike."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from adapter.errors import ExitCode, SetupError

HEAD = "0016"
"""The revision this version of the adapter works with; a test compares it with Alembic's own head."""


def bring_up_to_date(engine: Engine, *, migrate: bool) -> None:
    """Upgrade to HEAD in one transaction; SetupError STORE if a newer version wrote it, or if it may not be changed."""
    with engine.connect() as conn:
        found = _revision(conn)
    if found == HEAD:
        return
    if not migrate:
        raise _refused(f"the store has schema {found or 'none'}, this version needs {HEAD}: start the service once")
    with engine.execution_options(begin="BEGIN IMMEDIATE").begin() as conn:
        if conn.dialect.name == "postgresql":
            # Two processes may start at once; "csom" in ASCII.
            conn.execute(text("SELECT pg_advisory_xact_lock(1668509549)"))
        found = _revision(conn)
        if found != HEAD:
            _upgrade(conn, found)


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    revision: str | None = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _upgrade(conn: Connection, found: str | None) -> None:
    # Imported here because it costs a tenth of a second, and most starts find the schema as it should be.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise _refused(
            f"the store has schema {found}, which this version does not know: install the newer version again"
        )
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def _refused(reason: str) -> SetupError:
    return SetupError(reason, exit_code=ExitCode.STORE)
