"""A FHIR source in a trust file: the vendor's rules under it, and each wrong setting told where it stands."""

from datetime import date, time, timedelta
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
        ("    types: {Observation: {incremental: none}}\n", "without _lastUpdated a type cannot be read whole"),
        ("    types: {Observation: {scope: group}}\n", '"group" is not one of: system, patient'),
        (
            "    types: {Observation: {scope: patient, parameters: {patient: '1'}}}\n",
            "patient is set by the adapter: see `scope`",
        ),
        (
            "    types: {Observation: {scope: patient, incremental: {param: issued}}}\n",
            "issued does not tell of changes: mode should be created",
        ),
        (
            "    types: {Observation: {incremental: {param: _lastUpdated, mode: created}}}\n",
            "_lastUpdated tells of every change",
        ),
        ("    limits: {peak: {hours: 7-19, requests_per_second: 1}}\n", 'should be two times of day such as "07:00'),
        ("    limits: {blackout: ['Sunday 02:00-05:00']}\n", "days are Mon, Tue"),
        ("    limits: {blackout: ['02:00-02:00']}\n", "begins and ends at the same time"),
        ("    limits: {parallel: 0}\n", "greater than or equal to 1"),
        ("    requests_per_second: 2\n", 'unknown key "requests_per_second"'),
        ("    allowed_hosts: [https://files.example]\n", "should be a host, or HOST:PORT, without https:// and path"),
        ("    allowed_hosts: ['files.example:99999']\n", "is not a URL"),
        ("    patients: {triggered_by: [erp]}\n", "triggered_by: erp is no HL7 v2 source; known here: epr"),
        ("    patients: {look_up: name}\n", '"name" is not one of: identifier, match, none'),
        ("    outcome_rules: [{code: '4119', action: mark-incomplet}]\n", 'did you mean "mark-incomplete"?'),
        ("    hydrate: [{from: result}]\n", "pattern"),
        ("    paging: {expired: ['http 404']}\n", "a code of FHIR's own"),
        ("    outcome_rules: [{code: smith, action: ignore}]\n", "a code of FHIR's own"),
        ("    outcome_rules: [{code: '123456', action: ignore}]\n", "a vendor's number of at most five digits"),
        ("    bulk: {types: [Observations]}\n", 'did you mean "Observation"?'),
        ("    headers: {Epic-Client-ID: abc}\n", "a secret is never written here"),
        ("    headers: {Authorization: {env: X}}\n", "Authorization is set by the adapter: see `token` and `auth`"),
        ("    version: R5\n", '"R5" is not one of: R4, R4B, STU3'),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, added: str, told: str) -> None:
    text = refused(tmp_path, added)

    assert told in text
    assert "abc" not in text


@pytest.mark.behaviour(15)
@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (
            "parameters: {date: ge2026}, exclusive: [[date, _lastUpdated]]",
            "date and _lastUpdated are asked for together",
        ),
        ("split: {date: [ge2026]}, exclusive: [[_lastUpdated, date]]", "_lastUpdated and date are asked for together"),
        ("parameters: {'date:missing': 'no'}, exclusive: [[date, _lastUpdated]]", "date and _lastUpdated are asked"),
        ("parameters: {_id: '1'}, exclusive: [[_id, '*']]", "_id and _lastUpdated are asked for together"),
        (
            "scope: patient, patient_param: subject, incremental: {param: issued, mode: created},"
            " exclusive: [[subject, issued]]",
            "subject and issued are asked for together",
        ),
    ],
)
def test_parameters_that_the_server_takes_only_apart_are_refused(tmp_path: Path, rules: str, told: str) -> None:
    text = refused(tmp_path, f"    types: {{Observation: {{{rules}}}}}\n")

    assert told in text
    assert "which `exclusive` forbids" in text


@pytest.mark.parametrize(
    "rules",
    [
        "parameters: {code: '1'}, exclusive: [[date, _lastUpdated], [_id, '*']]",
        "scope: patient, incremental: none, parameters: {date: ge2026}, exclusive: [[date, _lastUpdated]]",
    ],
)
def test_what_is_not_asked_for_together_excludes_nothing(tmp_path: Path, rules: str) -> None:
    _, found = loaded(tmp_path, f"    types: {{Observation: {{{rules}}}}}\n")
    assert found.types is not None
    assert found.types["Observation"].exclusive[0] == ("date", "_lastUpdated")


PATIENT_BY_PATIENT = """\
    allowed_hosts: [files.example, "127.0.0.1:8443"]
    version: STU3
    patients: {triggered_by: [epr], look_up: match}
    types:
      Observation:
        scope: patient
        split: {category: [laboratory, vital-signs]}
        incremental: {param: issued, mode: created}
        overlap: PT6H
        full_reread: P3D
        max_pages: 20
    post: yes
    lenient: yes
    hydrate: [{from: DiagnosticReport.result, depth: 2}, {from: Encounter.location.location, by: search}]
    paging: {expired: [http-404, "4113"]}
    outcome_rules: [{code: "4119", action: mark-incomplete}]
    limits: {parallel: 3, peak: {hours: "07:00-19:00", requests_per_second: 0.5}, blackout: ["Sat-Mon 23:30-05:00"]}
    bulk: {groups: [G1], type_join: repeat, delete_after: no}
"""


def test_a_server_that_is_read_patient_by_patient(tmp_path: Path) -> None:
    source, rules = loaded(tmp_path, PATIENT_BY_PATIENT)
    assert rules.types is not None
    values = rules.types["Observation"]

    assert (values.scope, values.patient_param, values.max_pages) == ("patient", "patient", 20)
    assert (values.overlap, values.full_reread) == (timedelta(hours=6), timedelta(days=3))
    assert values.incremental is not None
    assert (values.incremental.param, values.incremental.mode) == ("issued", "created")
    assert source.allowed_hosts == ("files.example", "127.0.0.1:8443")
    assert (rules.version, rules.post, rules.lenient, rules.patients.look_up) == ("STU3", True, True, "match")
    assert [(each.path, each.depth, each.by) for each in rules.hydrate] == [
        ("DiagnosticReport.result", 2, "read"),
        ("Encounter.location.location", 1, "search"),
    ]
    assert rules.paging.expired == ("http-404", "4113")
    assert [(each.code, each.action) for each in rules.outcome_rules] == [("4119", "mark-incomplete")]
    assert rules.limits.peak is not None
    assert rules.limits.peak.hours == (time(7), time(19))
    assert rules.limits.blackout[0].days == {5, 6, 0}
    assert (rules.bulk.groups, rules.bulk.type_join, rules.bulk.delete_after) == (("G1",), "repeat", False)


def test_what_a_source_says_stands_over_its_vendors_facts_setting_by_setting(tmp_path: Path) -> None:
    (tmp_path / "vendors").mkdir()
    text = (Path(config.packaged("config/vendors")) / "uk-generic.yaml").read_text()
    facts = [
        "{about: fhir_search.limits, is: {requests_per_second: 5, parallel: 4}, source: seen, dated: unconfirmed}",
        "{about: fhir_search.bulk.type_join, is: repeat, source: seen, dated: unconfirmed}",
        "{about: fhir_search.outcome_rules, is: [{code: '1', action: person}, {code: '2', action: deleted}],"
        " source: seen, dated: unconfirmed}",
        "{about: fhir_search.lenient, is: yes, source: seen, dated: unconfirmed}",
    ]
    added = "facts:\n" + "".join(f"  - {fact}\n" for fact in facts)
    (tmp_path / "vendors" / "uk-generic.yaml").write_text(text.replace("facts:\n", added, 1))
    ours = "    limits: {requests_per_second: 1}\n    outcome_rules: [{code: '1', action: ignore}]\n    lenient: no\n"

    source, rules = loaded(tmp_path, ours)

    assert (rules.limits.requests_per_second, rules.limits.parallel) == (1, 4)
    assert [(each.code, each.action) for each in rules.outcome_rules][:2] == [("1", "ignore"), ("1", "person")]
    assert (source.bulk, rules.bulk.type_join, rules.lenient) == (None, "repeat", False)


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
