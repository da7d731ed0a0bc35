"""How few requests can bring everything of some patients, if the client makes no mistake and the rules are kept.

Pages are full, references are asked for by `_id`, as many at once as stand on a page, what a search has given is not
asked for again, and what belongs to no patient (wards, medicines) is asked for once for all.
"""

from collections.abc import Iterable, Mapping, Sequence

from adapter.simulator.fhir_parameters import elements
from adapter.simulator.fhir_query import page_sizes
from adapter.simulator.fhir_rules import Asked, Parameters
from adapter.simulator.fhir_search import Desk
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_versions import Archive, Resource

Searches = Mapping[str, Sequence[Mapping[str, str]]]
"""By type: the parameters of each search besides the patient; one empty mapping for a type that is not split."""
Names = set[tuple[str, str]]
_NOBODYS = frozenset({"Location", "Medication"})
_UNEVEN = (1.0, 0.0, 0.5)
"""How much of a page's length the first, second and third of three are given."""


def least_requests(
    archive: Archive,
    settings: Settings,
    patient_ids: Iterable[str],
    *,
    searches: Searches,
    references: Sequence[str] = (),
) -> int:
    """For patients whose ids are known. `references` are paths such as `Observation.specimen`."""
    desk, requests, shared = Desk(archive, settings, base=""), 0, Names()
    for patient_id in patient_ids:
        found: dict[tuple[str, str], Resource] = {}
        for resource_type, parts in searches.items():
            for part in parts:
                asked = [(_patient_parameter(resource_type), patient_id), *part.items()]
                versions = desk.found_by(resource_type, asked)
                found.update((version.key, version.resource) for version in versions)
                requests += _pages(len(versions), asked, resource_type, settings)
        wanted = _referenced(archive, found, references)
        own = {name for name in wanted if name[0] not in _NOBODYS}
        shared |= wanted - own
        requests += _batches(own, settings)
    return requests + _batches(shared, settings)


def _patient_parameter(resource_type: str) -> str:
    return "_id" if resource_type == "Patient" else "patient"


def _referenced(archive: Archive, found: Mapping[tuple[str, str], Resource], paths: Sequence[str]) -> Names:
    """What is referred to, also by what is referred to, and was not found."""
    wanted, left = Names(), list(found.values())
    while left:
        named = {name for resource in left for path in paths for name in _named(resource, path)}
        fresh = {name: version for name in named - wanted - set(found) if (version := archive.read(*name)) is not None}
        wanted |= set(fresh)
        left = [version.resource for version in fresh.values()]
    return wanted


def _named(resource: Resource, path: str) -> Iterable[tuple[str, str]]:
    resource_type, _, inner = path.partition(".")
    if resource["resourceType"] == resource_type:
        for element in elements(resource, inner):
            kind, _, resource_id = element.get("reference", "").partition("/")
            yield kind, resource_id


def _batches(names: Names, settings: Settings) -> int:
    """Searches by `_id`."""
    served = settings.mode.parameters
    kinds = {kind for kind, _ in names if served is None or kind in served}
    counts = {kind: sum(each == kind for each, _ in names) for kind in kinds}
    return sum(_pages(count, [("_id", "some")], kind, settings) for kind, count in counts.items())


def _pages(matches: int, asked: Parameters, resource_type: str, settings: Settings) -> int:
    """One page at least; where `_count` cannot be said, pages are as long as the server makes them."""
    sizes = page_sizes(resource_type, settings)
    sized = Asked(resource_type=resource_type, parameters=[*asked, ("_count", "1")])
    length = sizes.default if any(rule(sized) for rule in settings.mode.rules) else sizes.limit
    pages, left = 0, float(matches)
    while pages == 0 or left > 0:
        place = pages % 3 if settings.mode.is_uneven else 0
        left -= max(_UNEVEN[place] * length, 1 if place == 2 else 0)
        pages += 1
    return pages
