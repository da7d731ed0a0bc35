"""Every resource that messages make, held to FHIR R4B: `python -m tests.mappings.v2_r4b PATH...`.

Each PATH is a file of messages or a folder of such files, at any depth; `--simulator` adds what a simulated hospital
sends, `--mutants N` as many messages spoilt at random: segments left out or swapped, fields emptied, nulled, garbled.
Prints how many resources of each type were made and how many R4B refuses, each with its element and the message. Exit 1
where there is any.
"""

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from adapter import config, mapping, simulator
from adapter.errors import MessageError
from adapter.fhir.validate import validate
from adapter.hl7v2 import Message, batch

LONDON = ZoneInfo("Europe/London")
SUFFIXES = frozenset({".hl7", ".txt", ".er7"})
Named = Iterable[tuple[str, bytes]]


@dataclass
class Verdict:
    """What was made of some messages."""

    messages: int = 0
    unreadable: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@cache
def packaged_maps() -> mapping.V2Maps:
    return mapping.load_v2_maps(config.packaged("mappings"))


def validated(messages: Named, *, maps: mapping.V2Maps | None = None) -> Verdict:
    """All resources of all messages."""
    verdict = Verdict()
    for name, raw in messages:
        verdict.messages += 1
        try:
            made = mapping.to_bundle(Message.parse(raw), maps or packaged_maps(), timezone=LONDON)["entry"]
        except MessageError as error:
            verdict.unreadable.append(f"{name}: {error}")
            continue
        for entry in made:
            kind = str(entry["resource"]["resourceType"])
            verdict.made[kind] += 1
            faults = validate(entry["resource"], at=kind)
            verdict.failed[kind] += bool(faults)
            verdict.failures += [f"{name}: {fault.at}: {fault.text}" for fault in faults]
    return verdict


def messages_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each message of a file, or of all files of a folder."""
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
    for file in files:
        for number, raw in enumerate(batch.split(file.read_bytes()).messages, start=1):
            yield f"{file}[{number}]", raw


def simulated(*, seed: int = 3, infants: int = 6) -> Iterator[tuple[str, bytes]]:
    """What a simulated hospital of all conditions sends."""
    hospital = simulator.hospital(seed=seed, infants=infants)
    for number, sent in enumerate(hospital.messages, start=1):
        if sent.raw[:3] == b"MSH":
            yield f"simulator[{number}]", sent.raw


_GARBLED = (
    *(b"", b"", b'""', b'""', b" ", b"&&x", b"^&y", b"~x", b"^^^^^^x", b'""^x', b"\\X00\\", b"\\.br\\", b"a\tb"),
    *(b"20260230", b"2026013", b"2026", b"abc", b"-1", b"1.5", b"<5", b"1 2"),
)
"""What stands in a field of a message that is spoilt; most often nothing."""


def mutated(messages: Named, *, count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Messages of these, spoilt: their headers stay headers, all else may go."""
    chance = random.Random(seed)
    known = list(messages)
    for number in range(count):
        name, raw = chance.choice(known)
        lines = re.split(rb"[\r\n]+", raw.strip())
        for _ in range(chance.randint(1, 6)):
            _spoil(chance, lines)
        yield f"{name}, mutant {number}", b"\r".join(filter(None, lines))


def _spoil(chance: random.Random, lines: list[bytes]) -> None:
    at = chance.randrange(len(lines))
    fields = lines[at].split(lines[0][3:4])
    way = chance.random()
    if way < 0.1 and at:
        lines[at] = b""
    elif way < 0.2 and at:
        other = chance.randrange(1, len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif len(fields) > 2:
        field = chance.randrange(2 if at == 0 else 1, len(fields))
        pieces = fields[field].split(b"^")
        if way < 0.6:
            pieces = [chance.choice(_GARBLED)]
        else:
            pieces[chance.randrange(len(pieces))] = chance.choice(_GARBLED)
        fields[field] = b"^".join(pieces)
        lines[at] = lines[0][3:4].join(fields)


def printed(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.messages} messages, {len(verdict.unreadable)} that cannot be read"
    yield from verdict.unreadable
    for kind, count in sorted(verdict.made.items()):
        yield f"  {kind:<28}{count:>8} made {verdict.failed[kind]:>6} refused"
    yield f"  {'all':<28}{sum(verdict.made.values()):>8} made {sum(verdict.failed.values()):>6} refused"
    yield from verdict.failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--simulator", action="store_true", help="also what a simulated hospital sends")
    parser.add_argument("--mutants", type=int, default=0, help="so many of the messages again, spoilt at random")
    asked = parser.parse_args()
    sources: list[Named] = [messages_of(path) for path in asked.paths]
    sources += [simulated()] if asked.simulator else []
    messages = [message for source in sources for message in source]
    verdict = validated([*messages, *mutated(messages, count=asked.mutants)])
    print("\n".join(printed(verdict)))
    return 1 if verdict.failures or not verdict.messages else 0


if __name__ == "__main__":
    sys.exit(main())
