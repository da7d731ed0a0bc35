"""A FHIR source in a trust file: the vendor's rules under it, and each wrong setting told where it stands."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from adapter import config
from adapter.config import FhirSearchSource
from adapter.config.fhir_auth import PrivateKeyJwt
from adapter.errors import SetupError
from tests.unit.config.test_load import TRUST, a_trust

SOURCE = """\
sources:
  - {name: epr, kind: mllp, port: 2575}
  - name: epr-fhir
    kind: fhir-search
    base_url: https://fhir.example.nhs.uk/r4/
    from: 2026-01-01
"""


def loaded(folder: Path, added: str = "", *, source: str = SOURCE) -> tuple[FhirSearchSource, config.FhirSearchRules]:
    settings = config.load_trust(a_trust(folder, text=TRUST + source + added))
    found = settings.sources[-1]
    assert isinstance(found, FhirSearchSource)
    return found, config.rules_of(found, settings.fhir_search)


def refused(folder: Path, added: str = "", *, source: str = SOURCE) -> str:
    with pytest.raises(SetupError) as caught:
        loaded(folder, added, source=source)
    return str(caught.value)


def test_what_a_source_leaves_out_stands_in_the_vendor_file(tmp_path: Path) -> None:
    source, rules = loaded(tmp_path)

    assert source.first == date(2026, 1, 1)
    assert source.base_url == "https://fhir.example.nhs.uk/r4"
    assert rules.types is not None
    assert list(rules.types)[:3] == ["Patient", "RelatedPerson", "Encounter"]
    assert (rules.overlap, rules.count) == (timedelta(minutes=10), 100)
    assert rules.types["Observation"].parameters["_include"] == ("Observation:specimen", "Observation:based-on")
    assert rules.types["Encounter"].parameters["_include"] == ("Encounter:location",)


def test_a_sources_own_rules_replace_the_vendors(tmp_path: Path) -> None:
    added = "    types: {Observation: {split: {category: [laboratory]}}}\n    overlap: PT6H\n    order_numbers: epr\n"
    source, rules = loaded(tmp_path, added)

    assert rules.types is not None
    assert {name: each.split for name, each in rules.types.items()} == {"Observation": {"category": ("laboratory",)}}
    assert (rules.overlap, rules.count, source.order_numbers) == (timedelta(hours=6), 100, "epr")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/fhir", "http://localhost/fhir", "http://[::1]:80/fhir"])
def test_loopback_needs_no_tls(tmp_path: Path, url: str) -> None:
    source, _ = loaded(tmp_path, source=SOURCE.replace("https://fhir.example.nhs.uk/r4/", url))

    assert source.base_url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://fhir.example.nhs.uk/r4", "should begin with https"),
        ("https://reader:word@fhir.example.nhs.uk/r4", "should hold no credentials"),
        ("https://fhir.example.nhs.uk/r4?tenant=1", "without query or fragment"),
        ("fhir.example.nhs.uk/r4", "should be https://HOST"),
        ("https://[fhir", "is not a URL"),
    ],
)
def test_an_address_that_would_show_patient_data_is_refused_at_its_line(tmp_path: Path, url: str, told: str) -> None:
    text = refused(tmp_path, source=SOURCE.replace("https://fhir.example.nhs.uk/r4/", url))

    assert told in text
    assert "t.yaml:11:15" in text


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("    types: {Observations: {}}\n", 'did you mean "Observation"?'),
        ("    types: {}\n", "at least 1 item"),
        ("    types: {Patient: {parameters: {_lastUpdated: gt2026}}}\n", "_lastUpdated is set by the adapter"),
        ("    types: {Observation: {split: {category: [a], code: [b]}}}\n", "a type is split by one parameter"),
        ("    types: {Observation: {split: {category: [a]}, parameters: {category: b}}}\n", "in both parameters and"),
        ("    overlap: PT0S\n", "one second (PT1S) or longer"),
        ("    every: 300\n", "should be an ISO 8601 duration"),
        ("    order_numbers: eprr\n", "order_numbers names no HL7 v2 source; known here: epr"),
        ("    token: abc\n", "a secret is never written here"),
        ("    evry: PT1M\n", 'did you mean "every"?'),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, added: str, told: str) -> None:
    text = refused(tmp_path, added)

    assert told in text
    assert "abc" not in text


def test_the_first_day_must_be_said(tmp_path: Path) -> None:
    assert "from" in refused(tmp_path, source=SOURCE.replace("    from: 2026-01-01\n", ""))


def test_a_vendor_without_types_leaves_them_to_the_source(tmp_path: Path) -> None:
    (tmp_path / "vendors").mkdir()
    (tmp_path / "vendors" / "ours.yaml").write_text(
        "vendor: ours\nmeans: own engine\nfacts:\n"
        "  - {about: identity.types, is: [MR], source: seen, dated: unconfirmed}\n"
        "  - {about: identity.verified_statuses, is: ['01'], source: seen, dated: 2026-01-01}\n"
    )
    with pytest.raises(SetupError, match="source epr-fhir: `types` are named neither here nor in the vendor file"):
        config.load_trust(a_trust(tmp_path, text=TRUST.replace("uk-generic", "ours") + SOURCE))


def test_the_example_of_the_documentation_can_be_loaded(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "fhir-source.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0].replace("sources:\n", SOURCE.partition("  - name")[0])

    source, rules = loaded(tmp_path, source=example)

    assert (source.order_numbers, rules.limits.requests_per_day, rules.count) == ("epr", 20_000, 100)
    assert rules.types is not None
    assert list(rules.types) == ["Patient", "Observation"]


AUTH = """\
    auth:
      method: private_key_jwt
      token_url: https://fhir.example.nhs.uk/oauth2/token
      client_id: csor
      scopes: [system/Patient.rs, system/Observation.rs]
      keys: [{kid: k1, key: {file: k1.pem}}, {kid: k2, key: {file: k2.pem}}]
      active: k2
"""


def test_a_source_signs_in_by_a_key(tmp_path: Path) -> None:
    source, _ = loaded(tmp_path, AUTH)
    auth = source.auth
    assert isinstance(auth, PrivateKeyJwt)
    assert (auth.alg, auth.active, auth.jwt_lifetime_s) == ("RS384", "k2", 240)
    assert auth.keys[0].key.file == tmp_path / "trusts" / "k1.pem"


@pytest.mark.behaviour(154)
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("https://fhir.example.nhs.uk/oauth2", "http://fhir.example.nhs.uk/oauth2", "should begin with https"),
        ("      active: k2\n", "", "active should say which key signs: k1, k2"),
        ("active: k2", "active: k3", "active names no key of the list: k1, k2"),
        ("kid: k2", "kid: k1", "two keys have the same kid"),
        ("method: private_key_jwt", "method: private_key", "private_key"),
        ("{file: k1.pem}", "MIIEvQIBADANBg", "a secret is never written here"),
        ("client_id: csor", "client_id: ''", "client_id"),
        ("active: k2", "active: k2\n      jwt_lifetime_s: 301", "less than or equal to 300"),
        ("    auth:", "    token: {file: token}\n    auth:", "a token is either given (`token`) or asked for (`auth`)"),
        ("    auth:", "    certificate: ours.pem\n    auth:", "`certificate` and `key` are given together"),
    ],
)
def test_a_sign_in_that_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in AUTH
    text = refused(tmp_path, AUTH.replace(old, new))
    assert told in text
    assert "MIIEvQ" not in text
