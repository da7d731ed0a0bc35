"""Real messages, spoiled, through the reading of the service: each ends as a statement or as a problem of the list.

    python -m tests.generative.mutated_messages FOLDER --count 1000000 [--seed N]

FOLDER holds `.hl7` files at any depth. Prints what became of them, the CPU time of the slowest (an outlier is read
three times more, and the least counts) and the memory. Exit 1: anything unforeseen, over 50 ms, growing memory.
"""

import argparse
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from adapter import cohort, config, simulator
from adapter.cli.convert_rows import Rows
from adapter.envelope import Media
from adapter.errors import MessageError, ProblemCode
from adapter.hl7v2.message import Message
from adapter.pipeline.told import Teller
from adapter.service.assembly import Mappings, Translator, rules_of
from tests.acceptance.hospital import trust_file
from tests.generative.mutations import Mutator

FEED = "epic"
MOST_CPU_S = 0.050
REPEATED = 3
GROWTH = 1.15
"""Memory at the end ÷ memory after a tenth."""
_TOLD_EVERY = 50_000
CONVERTED = 10
"""Every tenth message is also made a Bundle and rows, as `convert` does."""


class Outcome(NamedTuple):
    """What a run found."""

    ends: Counter[str]
    unforeseen: list[str]
    slowest_s: float
    outliers: int
    memory_mib: tuple[float, float]

    @property
    def is_good(self) -> bool:
        early, late = self.memory_mib
        return not self.unforeseen and self.slowest_s <= MOST_CPU_S and late <= early * GROWTH

    def __str__(self) -> str:
        total = sum(self.ends.values())
        lines = [f"{total} messages: " + ", ".join(f"{count} {end}" for end, count in self.ends.most_common())]
        lines.append(f"unforeseen: {len(self.unforeseen)}")
        lines += self.unforeseen[:20]
        slowest = (
            f"slowest {self.slowest_s * 1e3:.1f} ms of CPU (limit {MOST_CPU_S * 1e3:.0f}), {self.outliers} read again"
        )
        lines.append(slowest)
        lines.append(f"memory {self.memory_mib[0]:.0f} MiB after a tenth, {self.memory_mib[1]:.0f} MiB at the end")
        return "\n".join(lines)


class Reader:
    """Reads a body as the service does: parse, map, and say who it is; now and then to rows as well."""

    def __init__(self, folder: Path, *, media: Media = Media.HL7V2) -> None:
        simulation = simulator.hospital(seed=1, infants=1)
        settings = config.load_trust(trust_file(folder, simulation=simulation))
        mappings = Mappings.load(settings)
        self._translate = Translator(settings, mappings)
        self._teller = Teller(rules_of(settings, mappings))
        self._media = media
        rules = cohort.load_rules(
            config.packaged("mappings") / "cohort",
            codelists=mappings.csor.codelists.code_rows(),
            normalise=mappings.csor.codelists.normalise,
        )
        self._rows = Rows(
            reading=mappings.feeds.of(FEED), csor=mappings.csor, rules=rules, timezone=settings.site.timezone
        )

    def bundle(self, raw: bytes) -> None:
        """As `convert --to fhir`; whether it can be read at all was asked before."""
        if self._media is Media.HL7V2:
            with suppress(MessageError):
                self._rows.reading.bundle(Message.parse(raw))

    def rows(self, raw: bytes) -> None:
        """As `convert --to csor`."""
        with suppress(MessageError):
            if self._media is Media.FHIR:
                self._rows.of_fhir(raw)
            else:
                self._rows.of_messages([Message.parse(raw)])

    def read(self, raw: bytes) -> str:
        """How it ended: `read`, or the code of the problem. Anything else that is raised is unforeseen."""
        try:
            for statement in self._translate(FEED, self._media, raw).statements:
                for problem in statement.problems:
                    ProblemCode(problem.code)
                if statement.patient is not None:
                    self._teller.tell(FEED, statement)
        except MessageError as error:
            return str(ProblemCode(error.problem.code).value)
        return "read"


def run(messages: Sequence[bytes], *, count: int, seed: int) -> Outcome:
    """`count` messages made of those given."""
    return outcome_of(Mutator(list(messages), seed=seed).next, media=Media.HL7V2, count=count)


def outcome_of(spoiled: Callable[[], bytes], *, media: Media, count: int) -> Outcome:
    """What becomes of so many bodies."""
    with silent():
        return _outcome_of(spoiled, media=media, count=count)


@contextmanager
def silent() -> Iterator[None]:
    """Logs nothing meanwhile."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.configure(**before)


def _outcome_of(spoiled: Callable[[], bytes], *, media: Media, count: int) -> Outcome:
    ends, unforeseen = Counter[str](), list[str]()
    slowest, outliers, early = 0.0, 0, 0.0
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        reader = Reader(Path(folder), media=media)
        for number in range(count):
            raw = spoiled()
            begun = time.process_time()
            try:
                ends[reader.read(raw)] += 1
                spent = time.process_time() - begun
                for further in (reader.bundle, reader.rows) if number % CONVERTED == 0 else ():
                    begun = time.process_time()
                    further(raw)
                    spent = max(spent, time.process_time() - begun)
            except Exception as error:  # noqa: BLE001 - the very question is what else is raised
                ends["unforeseen"] += 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                unforeseen.append(f"  {number}: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}")
                continue
            if spent > MOST_CPU_S:
                outliers += 1
                spent = max(_least(partial(read, raw)) for read in (reader.read, reader.bundle, reader.rows))
            slowest = max(slowest, spent)
            if number == count // 10:
                early = _memory_mib()
            if number and number % _TOLD_EVERY == 0:
                print(f"{number} read, {len(unforeseen)} unforeseen, slowest {slowest * 1e3:.1f} ms", file=sys.stderr)
    return Outcome(ends, unforeseen, slowest, outliers, (early, _memory_mib()))


def _least(read: Callable[[], object]) -> float:
    """The CPU time of the quickest of several readings."""
    took = []
    for _ in range(REPEATED):
        begun = time.process_time()
        read()
        took.append(time.process_time() - begun)
    return min(took)


def _memory_mib() -> float:
    """What the process holds now; its peak would tell of the largest message alone."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def messages_of(folder: Path) -> list[bytes]:
    """The real ones, segments ended by CR as on the wire."""
    return [path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r") for path in sorted(folder.rglob("*.hl7"))]


def arguments(description: str | None) -> argparse.Namespace:
    """Of the command line: where the bodies are, how many, the seed."""
    asked = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--count", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=1)
    return asked.parse_args()


def main() -> int:
    given = arguments(__doc__)
    messages = messages_of(given.folder)
    if not messages:
        print(f"{given.folder}: no .hl7 file", file=sys.stderr)
        return 2
    outcome = run(messages, count=given.count, seed=given.seed)
    print(f"{len(messages)} real messages, seed {given.seed}\n{outcome}")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
