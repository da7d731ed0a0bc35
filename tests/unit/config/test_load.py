"""Trust files: the vendor's facts under them, secrets by reference, every fault at its place."""

import base64
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapter import config
from adapter.errors import ExitCode, SetupError

KEY = bytes(range(32))

TRUST = """\
vendor: uk-generic
site: {ods_code: RXX, name: Example}
data_folder: data
sealing: {master_key: {file: master.key}}
identity:
  hospital_numbers: [{authority: RXX}]
"""


def a_trust(folder: Path, *, text: str = TRUST, key: bytes = KEY.hex().encode()) -> Path:
    trusts = folder / "trusts"
    trusts.mkdir(exist_ok=True)
    (trusts / "master.key").write_bytes(key + b"\n")
    path = trusts / "t.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> SetupError:
    with pytest.raises(SetupError) as caught:
        config.load_trust(a_trust(folder, text=text))
    return caught.value


def test_the_vendors_facts_stand_under_the_trusts_settings(tmp_path: Path) -> None:
    settings = config.load_trust(a_trust(tmp_path))

    assert settings.site.timezone == ZoneInfo("Europe/London")
    assert "MR" in settings.identity.types
    assert settings.hold.unknown == timedelta(days=3)


def test_a_list_of_the_trust_replaces_the_vendors(tmp_path: Path) -> None:
    settings = config.load_trust(a_trust(tmp_path, text=TRUST + "  types: [U]\n"))

    assert settings.identity.types == ("U",)


def test_a_trusts_own_vendor_file_is_found_beside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "vendors").mkdir()
    (tmp_path / "vendors" / "ours.yaml").write_text(
        "vendor: ours\nmeans: own engine\nfacts:\n"
        "  - {about: identity.types, is: [X], source: seen, dated: unconfirmed}\n"
        "  - {about: identity.verified_statuses, is: ['01'], source: seen, dated: 2026-01-01}\n"
    )
    settings = config.load_trust(a_trust(tmp_path, text=TRUST.replace("uk-generic", "ours")))

    assert settings.identity.types == ("X",)


def test_relative_paths_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    settings = config.load_trust(a_trust(tmp_path))

    assert settings.data_folder == tmp_path / "trusts" / "data"


@pytest.mark.parametrize("written", [KEY.hex().encode(), base64.b64encode(KEY)])
def test_the_master_key_is_read_from_its_reference(tmp_path: Path, written: bytes) -> None:
    assert config.load_trust(a_trust(tmp_path, key=written)).sealing.master() == KEY


def test_a_master_key_of_another_length_is_refused(tmp_path: Path) -> None:
    settings = config.load_trust(a_trust(tmp_path, key=b"abcd"))

    with pytest.raises(SetupError, match="is not 32 bytes") as caught:
        settings.sealing.master()
    assert caught.value.exit_code is ExitCode.SEALING


def test_a_secret_file_that_is_not_there_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    path = a_trust(tmp_path)
    (path.parent / "master.key").unlink()

    with pytest.raises(SetupError, match=r"t\.yaml:4:23: the secret .* cannot be read: No such file"):
        config.load_trust(path).sealing.master()


def test_a_secret_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY.hex())
    text = TRUST.replace("{file: master.key}", "{env: A_KEY}")

    assert config.load_trust(a_trust(tmp_path, text=text)).sealing.master() == KEY


@pytest.mark.parametrize("written", ["hunter2", "{value: hunter2}", "{file: a, env: hunter2}", "[hunter2]"])
@pytest.mark.behaviour(154)
def test_a_literal_secret_is_refused_and_not_shown(tmp_path: Path, written: str) -> None:
    error = refusal(tmp_path, TRUST.replace("{file: master.key}", written))

    assert "t.yaml:4:23: a secret is never written here: give {file: PATH} or {env: NAME}" in str(error)
    assert "hunter2" not in str(error)
    assert error.exit_code is ExitCode.CONFIG


@pytest.mark.parametrize("written", ["postgresql://u:hunter2@db/x", "{value: hunter2}"])
def test_a_password_in_the_stores_url_is_refused_and_not_shown(tmp_path: Path, written: str) -> None:
    error = refusal(tmp_path, TRUST + f"store:\n  url: {written}\n")

    assert "is never written here" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.behaviour(154)
def test_an_unknown_key_is_shown_with_caret_and_a_suggestion(tmp_path: Path) -> None:
    error = refusal(tmp_path, TRUST + "hold:\n  unkown: P3D\n")

    assert "\n".join(str(error).splitlines()[1:]) == (
        f'{tmp_path}/trusts/t.yaml:8:3: unknown key "unkown"\n      unkown: P3D\n      ^\n    did you mean "unknown"?'
    )


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("hold: {unknown: 3}\n", "should be an ISO 8601 duration"),
        ("sources: [{name: a, kind: mlp, port: 1}]\n", 'did you mean "mllp"?'),
        ("sources: [{name: a, kind: mllp, port: 70000}]\n", "less than or equal to 65535"),
        ("sources: [{name: Jo Smith, kind: mllp, port: 1}]\n", "should match pattern"),
        ("sources: [{name: a, kind: mllp, port: 1}, {name: a, kind: mllp, port: 2}]\n", "source name given twice: a"),
        ("wards: [{code: A, type: nicu}, {code: A, type: hdu}]\n", "ward code given twice: A"),
        ("wards: [{code: A, type: nicuu}]\n", '"nicuu" is not one of: nicu, picu'),
        ("disclosure: {legal_basis: {reference: '', valid_from: 2026-01-01, valid_to: 2027-01-01}}\n", "at least 3"),
        ("disclosure: {legal_basis: {reference: abc, valid_from: 2027-01-01, valid_to: 2026-01-01}}\n", "is before"),
        ("test_mode: perhaps\n", "should be a valid boolean"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, added: str, told: str) -> None:
    assert told in str(refusal(tmp_path, TRUST + added))


def test_an_unknown_vendor_is_told_with_a_suggestion(tmp_path: Path) -> None:
    error = refusal(tmp_path, TRUST.replace("uk-generic", "uk-genric"))

    assert 't.yaml:1:9: unknown vendor "uk-genric"' in str(error)
    assert 'did you mean "uk-generic"?' in str(error)


def test_a_vendors_wrong_fact_is_told_in_the_vendors_file(tmp_path: Path) -> None:
    (tmp_path / "vendors").mkdir()
    (tmp_path / "vendors" / "ours.yaml").write_text(
        "vendor: ours\nmeans: own engine\nfacts:\n"
        "  - {about: identity.types, is: [X], source: seen}\n"
        "  - {about: hold.unknow, source: seen, dated: unconfirmed}\n"
    )
    told = str(refusal(tmp_path, TRUST.replace("uk-generic", "ours")))

    assert 'ours.yaml:4:5: "dated" is missing here' in told
    assert 'ours.yaml:5:5: "is" is missing here' in told


def test_the_digest_changes_with_either_file(tmp_path: Path) -> None:
    first = config.load_trust(a_trust(tmp_path)).digest()

    assert config.load_trust(a_trust(tmp_path)).digest() == first
    assert config.load_trust(a_trust(tmp_path, text=TRUST + "# changed\n")).digest() != first


def test_the_example_trust_can_be_loaded() -> None:
    settings = config.load_trust(config.packaged("config/trusts") / "example-trust.yaml")

    assert settings.test_mode
    assert [source.name for source in settings.sources] == ["epr", "inbox-folder"]


def test_each_value_in_force_names_the_file_and_line_it_came_from(tmp_path: Path) -> None:
    values = {each.setting: (each.value, each.at) for each in config.effective(a_trust(tmp_path))}

    assert values["site.ods_code"] == ("RXX", "t.yaml:2")
    assert values["identity.types[0]"][1].startswith("uk-generic.yaml:")
