"""Subscriptions in a trust file: what is refused, and what the server's team is handed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.app import app
from tests.unit.config.test_fhir_source import SOURCE, loaded, refused
from tests.unit.config.test_load import TRUST, a_trust

TOLD = "    subscriptions: {{port: 8443, secret: {{file: hook}}, criteria: [{}]{}}}\n"
RESULTS = "{name: results, criteria: 'Observation?category=laboratory'}"
TOPIC = "{name: anything, criteria: 'https://epr.example/topics/any', filters: ['Observation?status=final']}"


def said(*criteria: str, **more: str) -> str:
    return TOLD.format(", ".join(criteria), "".join(f", {name}: {value}" for name, value in more.items()))


def test_what_is_left_out_of_subscriptions_has_a_safe_value(tmp_path: Path) -> None:
    source, _ = loaded(tmp_path, said(RESULTS, TOPIC))

    assert source.subscriptions is not None
    told = source.subscriptions
    assert (told.bind, told.path, told.header) == ("127.0.0.1", "/fhir-notifications", "Authorization")
    assert (told.heartbeat, told.catch_up, told.reactivate) == (None, None, "no")
    assert (told.gap_grace, told.look_every) == (timedelta(seconds=30), timedelta(hours=1))
    assert [each.is_topic for each in told.criteria] == [False, True]


@pytest.mark.parametrize(
    ("written", "because"),
    [
        (said(RESULTS, bind="0.0.0.0"), "without `tls`"),
        (said(RESULTS).replace("{file: hook}", "s3cret"), "a secret is never written here"),
        (said(RESULTS, RESULTS), "criteria of the same name: results"),
        (said(RESULTS, heartbeat="PT15M"), "none of the criteria is one"),
        (said(RESULTS, reactivate="yes"), "reactivate needs `address`"),
        (said(RESULTS, path="hooks"), "path"),
        (said(RESULTS, address="'ftp://x'"), "as the server reaches this machine"),
        (said(), "criteria"),
        (said(RESULTS.replace("}", ", filters: [a]}")), "filters belong to a topic"),
        (said(RESULTS).replace("8443", "2575"), "address of a port given twice"),
    ],
)
def test_what_cannot_be_meant_of_subscriptions_is_refused(tmp_path: Path, written: str, because: str) -> None:
    assert because in refused(tmp_path, written)


def test_the_servers_team_is_handed_each_subscription_without_the_secret(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("the-hooks-secret")
    address = "'https://csor.trust.example:8443'"
    written = said(RESULTS.replace("results,", "results, id: s-1,"), TOPIC, address=address, heartbeat="PT15M")
    file = a_trust(tmp_path, text=TRUST + SOURCE + written)
    printed = CliRunner().invoke(app, ["subscribe", "--config", str(file)])

    assert printed.exit_code == 0, printed.output
    assert "the-hooks-secret" not in printed.output
    plain, topic = json.loads(printed.output)
    assert plain == {
        "resourceType": "Subscription",
        "id": "s-1",
        "status": "requested",
        "reason": "changes for the CSOR adapter",
        "criteria": "Observation?category=laboratory",
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://csor.trust.example:8443/fhir-notifications/results",
            "payload": "application/fhir+json",
            "header": ["Authorization: Bearer SECRET"],
        },
    }
    assert topic["criteria"] == "https://epr.example/topics/any"
    assert topic["channel"]["extension"][0]["valueUnsignedInt"] == 450
    assert topic["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only"
    assert topic["_criteria"]["extension"][0]["valueString"] == "Observation?status=final"


@pytest.mark.parametrize("written", ["", said(RESULTS)])
def test_without_subscriptions_or_an_address_there_is_nothing_to_hand_over(tmp_path: Path, written: str) -> None:
    file = a_trust(tmp_path, text=TRUST + SOURCE + written)
    printed = CliRunner().invoke(app, ["subscribe", "--config", str(file)])

    assert printed.exit_code == 10


def test_check_finds_a_secret_that_is_not_there(tmp_path: Path) -> None:
    file = a_trust(tmp_path, text=TRUST + SOURCE + said(RESULTS))
    checked = CliRunner().invoke(app, ["check", "--config", str(file)])

    assert checked.exit_code == 10
    assert "hook} cannot be read" in checked.output.replace("\n", "")
