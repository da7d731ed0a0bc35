"""Real FHIR resources and Bundles, spoiled, through the reading of the service and on to rows.

    python -m tests.generative.mutated_resources FOLDER --count 100000 [--seed N]

FOLDER holds `.json` files at any depth. Told and judged as by `mutated_messages`: each ends as statements or as a
problem of the list.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from adapter.envelope import Media
from tests.generative.mutated_messages import Outcome, arguments, outcome_of
from tests.generative.spoiled_resources import LONGEST, Spoiler


def run(bodies: Sequence[bytes], *, count: int, seed: int) -> Outcome:
    """`count` bodies made of those given."""
    return outcome_of(Spoiler(list(bodies), seed=seed).next, media=Media.FHIR, count=count)


def bodies_of(folder: Path) -> list[bytes]:
    """Those that are JSON and of a size that can be spoiled quickly."""
    found = (path.read_bytes() for path in sorted(folder.rglob("*.json")))
    return [body for body in found if len(body) < LONGEST and isinstance(json.loads(body), dict)]


def main() -> int:
    given = arguments(__doc__)
    bodies = bodies_of(given.folder)
    if not bodies:
        print(f"{given.folder}: no .json file", file=sys.stderr)
        return 2
    outcome = run(bodies, count=given.count, seed=given.seed)
    print(f"{len(bodies)} real bodies, seed {given.seed}\n{outcome}")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
