"""The receiver's settings file: relative paths, references to secrets, and messages that name the key."""

from pathlib import Path

import pytest

from adapter.receiver import Settings, SettingsError, load_settings
from adapter.receiver import settings as module

EXAMPLE = Path(module.__file__).with_name("example.yaml")


def a_file(folder: Path, text: str) -> Path:
    path = folder / "receiver.yaml"
    path.write_text(text)
    return path


def test_the_example_shows_every_key_and_paths_stand_beside_the_file() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.data_folder == EXAMPLE.parent / "receiver-data"
    assert settings.model_fields_set == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data-folder: d\nprot: 1\n", "prot: Extra inputs are not permitted"),
        ("port: 1\n", "data-folder: Field required"),
        ("data-folder: d\nport: eighty\n", "port: Input should be a valid integer"),
        ("data-folder: d\ntoken: hunter2\n", "token: Input should be a valid"),
        ("data-folder: d\nbind: 0.0.0.0\n", "bind: an address other than loopback needs both tls and token"),
        ("data-folder: [\n", "is not YAML"),
        ("- x\n", "file: Input should be a valid"),
    ],
)
def test_a_fault_names_file_and_key_and_never_shows_a_secret(tmp_path: Path, text: str, told: str) -> None:
    path = a_file(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load_settings(path)
    assert told in str(raised.value)
    assert str(path) in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(Path("nowhere.yaml"))


@pytest.mark.parametrize("content", [None, b"\n"])
def test_a_secret_that_is_missing_or_empty_is_told(tmp_path: Path, content: bytes | None) -> None:
    settings = load_settings(a_file(tmp_path, "data-folder: d\ntoken: {file: secret}\n"))
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    assert settings.token is not None
    with pytest.raises(SettingsError, match="secret"):
        settings.token.read()
