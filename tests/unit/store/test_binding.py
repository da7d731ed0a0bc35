"""A database belongs to one master key."""

from pathlib import Path

import pytest

from adapter.errors import ExitCode, SetupError
from adapter.store.binding import bind
from adapter.store.database import Database
from adapter.store.sealing import KeyRing


def test_a_new_key_file_under_another_master_key_beside_an_old_database_is_refused(
    database: Database, tmp_path: Path
) -> None:
    ring = KeyRing.open(tmp_path / "keys", b"\x01" * 32, create=True)
    bind(database, ring)
    bind(database, ring)
    with pytest.raises(SetupError) as refused:
        bind(database, KeyRing.open(tmp_path / "other", b"\x02" * 32, create=True))
    assert str(refused.value) == "the master key is not the one this store was sealed with"
    assert refused.value.exit_code is ExitCode.SEALING
