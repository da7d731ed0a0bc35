"""No legal basis, no send: the gate, case by case."""

from datetime import date
from itertools import product
from typing import Any

import pytest

from adapter.disclosure import Child, GateSettings, LegalBasis, Nation, NumberClass, Objection, Peer, PeerKind, Reason
from tests.unit.disclosure.builders import (
    BASIS,
    FOLDER,
    LOOPBACK,
    REMOTE,
    TODAY,
    a_child,
    a_real_child,
    settings,
    verdict,
)

PRODUCTION = settings(test_mode=False)
UNDER_BASIS = settings(test_mode=False, legal_basis=BASIS)


def test_without_a_basis_a_test_child_may_go_to_this_machine_and_to_a_folder() -> None:
    assert verdict(a_child(), LOOPBACK, settings()) is None
    assert verdict(a_child(), FOLDER, settings()) is None


@pytest.mark.parametrize(
    ("child", "peer", "chosen", "reason"),
    [
        (a_child(), LOOPBACK, None, Reason.NOT_CONFIGURED),
        (a_child(), REMOTE, settings(), Reason.NOT_LOOPBACK),
        (a_child(number=NumberClass.NONE), LOOPBACK, settings(), Reason.NO_NUMBER),
        (a_child(number=NumberClass.NONE), FOLDER, settings(), Reason.NO_NUMBER),
        (a_child(number=NumberClass.REAL), LOOPBACK, settings(), Reason.REAL_NUMBER_IN_TEST_MODE),
        (a_child(), LOOPBACK, PRODUCTION, Reason.TEST_NUMBER_OUTSIDE_TEST_MODE),
        (a_real_child(), LOOPBACK, PRODUCTION, Reason.NO_LEGAL_BASIS),
        (a_real_child(), REMOTE, PRODUCTION, Reason.NO_LEGAL_BASIS),
        (a_real_child(), FOLDER, PRODUCTION, Reason.NO_LEGAL_BASIS),
        (a_child(objection=Objection.RAISED), LOOPBACK, settings(), Reason.OBJECTION),
    ],
)
def test_withheld_without_a_basis(child: Child, peer: Peer, chosen: GateSettings | None, reason: Reason) -> None:
    assert verdict(child, peer, chosen) is reason


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_these_addresses_are_this_machine(address: str) -> None:
    assert verdict(a_child(), Peer(kind=PeerKind.HOST, addresses=(address,)), settings()) is None


@pytest.mark.parametrize(
    "addresses",
    [
        (),
        ("",),
        ("localhost",),
        ("0.0.0.0",),  # noqa: S104 - an address that must be refused, not bound
        ("::",),
        ("10.0.0.1",),
        ("192.168.1.1",),
        ("169.254.169.254",),
        ("::ffff:203.0.113.7",),
        ("127.0.0.1", "203.0.113.7"),
        ("127.0.0.1.example.org",),
        ("2130706433",),
        ("0x7f.0.0.1",),
        ("127.1",),
    ],
)
def test_any_other_address_is_remote(addresses: tuple[str, ...]) -> None:
    assert verdict(a_child(), Peer(kind=PeerKind.HOST, addresses=addresses), settings()) is Reason.NOT_LOOPBACK


def test_a_proxy_on_this_machine_leads_elsewhere() -> None:
    proxied = Peer(kind=PeerKind.HOST, addresses=("127.0.0.1",), proxied=True)
    assert verdict(a_child(), proxied, settings()) is Reason.THROUGH_A_PROXY


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": ""},
        {"reference": "  "},
        {"valid_from": None},
        {"valid_to": None},
        {"valid_to": date(2026, 11, 21)},
        {"valid_from": date(2026, 11, 23)},
    ],
)
def test_a_blank_expired_or_future_basis_is_none(changes: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"reference": "26/CAG/0001", "valid_from": TODAY, "valid_to": TODAY}
    assert LegalBasis(**whole).holds_on(TODAY)
    chosen = settings(test_mode=False, legal_basis=LegalBasis(**(whole | changes)))
    assert verdict(a_real_child(), REMOTE, chosen) is Reason.NO_LEGAL_BASIS
    in_test = settings(legal_basis=LegalBasis(**(whole | changes)))
    assert verdict(a_child(), REMOTE, in_test) is Reason.NOT_LOOPBACK


@pytest.mark.parametrize("peer", [REMOTE, LOOPBACK, FOLDER])
def test_with_a_basis_a_child_with_all_checks_may_go(peer: Peer) -> None:
    assert verdict(a_real_child(), peer, UNDER_BASIS) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": NumberClass.NONE}, Reason.NO_NUMBER),
        ({"number": NumberClass.TEST}, Reason.TEST_NUMBER_OUTSIDE_TEST_MODE),
        ({"objection": Objection.UNKNOWN}, Reason.OBJECTION_UNKNOWN),
        ({"objection": Objection.RAISED}, Reason.OBJECTION),
        ({"nation": Nation.WALES}, Reason.NATION_NOT_CONFIGURED),
        ({"nation": Nation.NORTHERN_IRELAND}, Reason.NATION_NOT_CONFIGURED),
        ({"nation": Nation.SCOTLAND}, Reason.NATION_NOT_CONFIGURED),
        ({"nation": Nation.UNKNOWN}, Reason.NATION_NOT_CONFIGURED),
    ],
)
def test_a_basis_alone_is_not_enough(changes: dict[str, Any], reason: Reason) -> None:
    assert verdict(a_real_child(**changes), REMOTE, UNDER_BASIS) is reason


def test_a_nation_may_be_configured_but_never_the_unknown_one() -> None:
    chosen = settings(test_mode=False, legal_basis=BASIS, nations=frozenset({Nation.WALES, Nation.UNKNOWN}))
    assert verdict(a_real_child(nation=Nation.WALES), REMOTE, chosen) is None
    assert verdict(a_real_child(nation=Nation.UNKNOWN), REMOTE, chosen) is Reason.NATION_NOT_CONFIGURED


def test_of_all_cases_without_a_basis_only_test_children_of_test_mode_pass_and_only_to_here() -> None:
    peers = [
        Peer(kind=kind, addresses=addresses, proxied=proxied)
        for kind, addresses, proxied in product(PeerKind, [(), ("127.0.0.1",), ("203.0.113.7",)], [True, False])
    ]
    children = [Child(number=n, nation=a, objection=o) for n, a, o in product(NumberClass, Nation, Objection)]
    for child, peer, test_mode in product(children, peers, [True, False]):
        if verdict(child, peer, settings(test_mode=test_mode)) is None:
            assert test_mode
            assert child.number is NumberClass.TEST
            assert peer.kind is PeerKind.FOLDER or (peer.addresses == ("127.0.0.1",) and not peer.proxied)
