"""Holds the converter to the UK examples: `python -m tests.mappings.uk_examples [--show] [NAME…]`.

Each example is a message and, beside it, the resources that the official tables and the UK's documents give for it,
written before the maps. Every expected value must be produced (recall), and the resources of the main types may hold no
other value, nor may there be another resource of them (precision).
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ConfigDict

from adapter import config, mapping
from adapter.assertion import Resource
from adapter.datafile import Positioned, load_model
from adapter.hl7v2 import Message
from adapter.service.feeds import FeedReading, overlay_of, rules_of_reading
from tests.mappings.alike import Difference, agreeing, align, leaf_count, plain

MAPPINGS = Path(__file__).parents[2] / "mappings"
FOLDER = MAPPINGS / "examples" / "v2-uk"

MAIN_TYPES = (
    "Patient",
    "RelatedPerson",
    "Encounter",
    "Condition",
    "Procedure",
    "Observation",
    "DiagnosticReport",
    "ServiceRequest",
    "Specimen",
    "DocumentReference",
    "Appointment",
    "MedicationRequest",
    "MedicationAdministration",
)


class Expected(Positioned):
    """One resource, without its id and its meta: they are ours, not the sender's."""

    label: str
    """How other resources of the example refer to it: `-> label`."""
    resource: str
    fields: dict[str, Any]


class UkExample(Positioned):
    """What must come of the message of the same name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["v2-uk-example"]
    profile: str
    """The vendor of `config/vendors/` whose habits the message shows."""
    means: str
    source: list[str]
    """Where each expectation stands: table and row of the guide, a numbered behaviour, or our own documents."""
    corrected: list[str] = []
    """Where the first writing was wrong, and the row that says so."""
    cleared: list[str] = []
    """Elements that `\"\"` deletes."""
    retired: list[str] = []
    """Numbers that the message merges into its patient's."""
    resources: list[Expected]


class Verdict(NamedTuple):
    """How far one example is met."""

    expected: int
    produced: int
    agreeing: int
    differences: list[Difference]

    @property
    def recall(self) -> float:
        return self.agreeing / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        return self.agreeing / self.produced if self.produced else 1.0


def example_files() -> list[Path]:
    return sorted(FOLDER.glob("*/*.yaml"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@cache
def example(path: Path) -> UkExample:
    return load_model(path, UkExample)


@cache
def reading_of(profile: str) -> FeedReading:
    """The message is read as the feeds of that vendor are read."""
    overlay = overlay_of(MAPPINGS, profile)
    rules = rules_of_reading(config.vendor_reading(profile))
    return FeedReading(mapping.load_v2_maps(MAPPINGS, vendor=overlay), rules, ZoneInfo("Europe/London"))


def message_of(path: Path) -> Message:
    return reading_of(example(path).profile).parse(path.with_suffix(".hl7").read_bytes())


def bundle_of(path: Path) -> list[Resource]:
    """Every resource made of the message, as `csor-adapter convert` makes them."""
    made = reading_of(example(path).profile).bundle(message_of(path))
    return [entry["resource"] for entry in made.get("entry", [])]


def judge(path: Path) -> Verdict:
    """Every difference between the example and what is made of its message."""
    wanted = example(path)
    produced = _by_reference(reading_of(wanted.profile).bundle(message_of(path)))
    pairs = dict(_pairs(wanted.resources, produced))
    labels = {reference: f"-> {label}" for label, reference in pairs.items()}
    differences: list[Difference] = []
    agreed = 0
    for each in wanted.resources:
        got = plain(produced[pairs[each.label]], labels) if each.label in pairs else {}
        agreed += agreeing(each.fields, got)
        differences += align(each.fields, got, f"{each.resource}[{each.label}]")
    left = [reference for reference in produced if reference not in labels]
    for reference in left:
        differences += align(
            {}, plain(produced[reference], labels), f"{produced[reference]['resourceType']}[unexpected]"
        )
    said = _beside(path)
    told = {"cleared": sorted(wanted.cleared), "retired": sorted(wanted.retired)}
    differences += align(told, said, "message")
    agreed += agreeing(told, said)
    expected = sum(leaf_count(each.fields) for each in wanted.resources) + leaf_count(told)
    made = sum(leaf_count(plain(resource, labels)) for resource in produced.values()) + leaf_count(said)
    return Verdict(expected, made, agreed, differences)


def _by_reference(bundle: Resource) -> dict[str, Resource]:
    entries = bundle.get("entry", [])
    return {each["fullUrl"]: each["resource"] for each in entries if each["resource"]["resourceType"] in MAIN_TYPES}


def _pairs(wanted: list[Expected], produced: dict[str, Resource]) -> Iterator[tuple[str, str]]:
    """Greedily, the most agreeing first; a reference counts for its type until all are paired."""
    types = {reference: f"-> {resource['resourceType']}" for reference, resource in produced.items()}
    kinds = {f"-> {each.label}": f"-> {each.resource}" for each in wanted}
    scored = sorted(
        (
            (-agreeing(plain(each.fields, kinds), plain(resource, types)), number, order)
            for number, each in enumerate(wanted)
            for order, resource in enumerate(produced.values())
            if resource["resourceType"] == each.resource
        ),
    )
    references = list(produced)
    numbers: set[int] = set()
    orders: set[int] = set()
    for _, number, order in scored:
        if number not in numbers and order not in orders:
            numbers.add(number)
            orders.add(order)
            yield wanted[number].label, references[order]


def _beside(path: Path) -> dict[str, list[str]]:
    """What a Bundle cannot say."""
    statement = reading_of(example(path).profile).state(message_of(path))
    cleared = {element for item in statement.items for element in item.cleared}
    retired = {each["value"] for patient in statement.prior for each in patient.get("identifier", [])}
    return {"cleared": sorted(cleared), "retired": sorted(retired)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="profile, or profile/example; default: all")
    parser.add_argument("--quiet", action="store_true", help="without the single differences")
    options = parser.parse_args()
    rows: dict[str, list[Verdict]] = defaultdict(list)
    for path in example_files():
        if options.names and not {name_of(path), path.parent.name} & set(options.names):
            continue
        verdict = judge(path)
        rows[path.parent.name].append(verdict)
        if not options.quiet:
            for each in verdict.differences:
                print(f"{name_of(path)}: {each}")
    print(f"{'profile':20s} {'messages':>8s} {'values':>7s} {'recall':>7s} {'precision':>9s}")
    for profile, verdicts in [*rows.items(), ("all", [each for row in rows.values() for each in row])]:
        expected, produced, agreed = (sum(each[i] for each in verdicts) for i in range(3))  # type: ignore[misc]
        share = f"{agreed / expected if expected else 1:7.3f} {agreed / produced if produced else 1:9.3f}"
        print(f"{profile:20s} {len(verdicts):8d} {expected:7d} {share}")


if __name__ == "__main__":
    main()
