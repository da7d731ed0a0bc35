"""What is put aside at a glance is what the whole message would put aside, and nothing of its results is read."""

import random
from collections.abc import Iterator

import pytest

from adapter.config import packaged
from adapter.pipeline.keeping import Read
from adapter.store.sql import run
from tests.integration.conftest import Make
from tests.integration.messages import GASTROSCHISIS, NICU, POSTNATAL, RADIOLOGY, Baby, a_baby, an_adt, an_oru
from tests.integration.trust import Trust

AGES = {"newborn": "202609010230", "child": "20190304", "adult": "19860412", "unknown": "", "unreadable": "1986-13-45"}
WARDS = (NICU, POSTNATAL, RADIOLOGY, "DEL^501", "^")
MOTHER = "O35.0^Maternal care for suspected malformation^I10"
GLAND = "Z38.0^Singleton, born in hospital^I10"


class _Whole:
    """Reads every message whole, as if there were no glance."""

    def __init__(self, translate: object) -> None:
        self._translate = translate

    def __call__(self, feed: str, media: str, body: bytes) -> Read:
        return self._translate(feed, media, body)  # type: ignore[operator,no-any-return]

    first = __call__


def _told(baby: Baby, at: str) -> Iterator[bytes]:
    number = baby.number[-3:]
    for nth, ward in enumerate(WARDS):
        yield an_oru(baby, order=f"L{number}{nth}", value="12", at=at, ward=ward)
        yield an_adt("A08", baby, at=at, ward=ward, codes=[[MOTHER], [GLAND], None][nth % 3])
    yield an_adt("A28", baby, at=at)
    yield an_adt("A45", baby, at=at)


def _odd(baby: Baby) -> Iterator[bytes]:
    """Messages of which only the whole tells."""
    plain = an_oru(baby, order=f"X{baby.number}", value="7", ward=RADIOLOGY)
    pid = baby.pid().encode()
    other = a_baby(950).pid().encode()
    yield plain.replace(pid + b"\r", pid + b"\r" + other + b"\r")
    yield plain.replace(pid + b"\r", b"")
    yield plain.replace(b"ORU^R01", b"ZZZ^Z99")
    yield plain.replace(b"^^^RXX^MR", b"^^^ELSEWHERE^MR").replace(b"^^^NHS^NH", b"^^^OTHER^XX")
    yield plain.replace(b"MARROWSIDE", b"MARROW\xff\xfe")
    yield plain.replace(b"|20260902", b"|notatime")
    yield an_oru(baby.but(nhs=baby.nhs + " " + a_baby(951).nhs), order="X2", value="7", ward=RADIOLOGY)
    yield an_oru(baby.but(mother=f"{baby.number}^^^RXX^MR"), order="X3", value="7", ward=RADIOLOGY)
    yield an_adt("A40", baby, at="202609030900", prior=a_baby(952).number)
    yield an_adt("A08", baby, at="202609030901", codes=[GASTROSCHISIS], ward=RADIOLOGY)


def _messages() -> list[bytes]:
    told: list[bytes] = []
    for nth, born in enumerate(AGES.values()):
        baby = a_baby(900 + nth, born=born)
        told += _told(baby, "202609020900")
        told += _odd(a_baby(920 + nth, born=born))
        told += [an_oru(a_baby(940 + nth, born=born, nhs=""), order=f"N{nth}", value="7", ward=RADIOLOGY)]
    examples = packaged("mappings") / "examples" / "v2-uk"
    return told + [path.read_bytes() for path in sorted(examples.rglob("*.hl7"))]


def _left(trust: Trust) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], dict[str, int]]:
    columns = "id, state, reason, subject, stampless, expires_us, size, content"
    with trust.works.database.read() as conn:
        messages = [tuple(row) for row in run(conn, f"SELECT {columns} FROM message ORDER BY id")]
        names = [tuple(row) for row in run(conn, "SELECT blind, message_id FROM aside_name ORDER BY 1, 2")]
    return messages, names, {name: n for name, n in trust.counts().items() if not name.startswith("problem.")}


@pytest.mark.behaviour(135)
@pytest.mark.parametrize("seed", range(3))
def test_a_glance_and_the_whole_message_put_the_same_aside(a_trust: Make, seed: int) -> None:
    glancing, whole = a_trust(reads_ahead=seed > 0), a_trust()
    whole.works.pipeline._translate = _Whole(whole.works.pipeline._translate)
    told = _messages()
    random.Random(seed).shuffle(told)
    for trust in (glancing, whole):
        for start in range(0, len(told), 40):
            trust.receive(*told[start : start + 40])
    assert _left(glancing) == _left(whole)
    assert sorted(map(str, glancing.rows(every=True))) == sorted(map(str, whole.rows(every=True)))
    assert {row[1] for row in _left(glancing)[0]} >= {"not_ours", "processed", "parked"}


@pytest.mark.behaviour(135)
def test_results_of_somebody_who_is_not_ours_are_not_read(trust: Trust) -> None:
    adult = a_baby(960, born="19860412")
    trust.receive(an_oru(adult, order="L1", value="7", unit="no unit").replace(b"|||202609020900|", b"|||a bad time|"))
    assert not [name for name in trust.counts() if name.startswith("problem.")]
    baby = a_baby(961)
    trust.receive(an_oru(baby, order="L2", value="7").replace(b"|||202609020900|", b"|||a bad time|"))
    assert [name for name in trust.counts() if name.startswith("problem.")]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_who_becomes_ours_by_the_nhs_number_alone_gets_what_was_put_aside(trust: Trust, is_one_batch: bool) -> None:
    baby = a_baby(962)
    elsewhere = baby.but(number="799962")
    send = trust.receive if is_one_batch else trust.each
    send(
        an_oru(elsewhere, order="L1", value="11", ward=RADIOLOGY),
        an_adt("A01", baby, at="202609020901", codes=[GASTROSCHISIS]),
    )
    assert trust.values() == ["11"]


@pytest.mark.behaviour(135)
def test_a_second_patient_who_is_hidden_in_a_message_about_a_stranger_is_seen_by_a_person(trust: Trust) -> None:
    baby, adult = a_baby(970), a_baby(971, born="19860412")
    trust.receive(an_adt("A01", baby, at="202609020900", codes=[GASTROSCHISIS]))
    for nth, other in enumerate((" PID|", "pid|")):
        hidden = baby.pid().replace("PID|", other) + f"\rOBR|2||H{nth}|BIO\rOBX|1|NM|CRPB^^WINPATH||99|mg/L|||||F\r"
        trust.receive(an_oru(adult, order=f"L{nth}", value="7", ward=RADIOLOGY) + hidden.encode())
        trust.receive(
            an_oru(a_baby(970), order=f"M{nth}", value="8") + hidden.replace(baby.pid()[6:], adult.pid()[6:]).encode()
        )
    assert trust.parked() == ["P203"] * 4
    assert trust.values() == []
