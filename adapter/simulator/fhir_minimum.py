"""How few requests can bring everything of a patient, if the client makes no mistake and the rules are kept.

Pages are full, references are asked for by `_id`, as many at once as stand on a page, and what a search has given
is not asked for again.
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
_UNEVEN = (1.0, 0.0, 0.5)
"""How much of a page's length the first, second and third of three are given."""


def least_requests(
    archive: Archive, settings: Settings, patient_id: str, *, searches: Searches, references: Iterable[str] = ()
) -> int:
    """For one patient whose id is known. `references` are paths such as `Observation.specimen`."""
    desk = Desk(archive, settings, base="")
    requests, found = 0, dict[tuple[str, str], Resource]()
    for resource_type, parts in searches.items():
        for part in parts:
            asked = [(_patient_parameter(resource_type), patient_id), *part.items()]
            versions = desk.found_by(resource_type, asked)
            found.update((version.key, version.resource) for version in versions)
            requests += _pages(len(versions), asked, resource_type, settings)
    return requests + _referenced(archive, settings, found, list(references))


def _patient_parameter(resource_type: str) -> str:
    return "_id" if resource_type == "Patient" else "patient"


def _referenced(
    archive: Archive, settings: Settings, found: Mapping[tuple[str, str], Resource], paths: Sequence[str]
) -> int:
    wanted: dict[str, set[str]] = {}
    for resource in found.values():
        for path in paths:
            resource_type, _, inner = path.partition(".")
            if resource["resourceType"] == resource_type:
                for element in elements(resource, inner):
                    kind, _, resource_id = element.get("reference", "").partition("/")
                    if (kind, resource_id) not in found and archive.read(kind, resource_id) is not None:
                        wanted.setdefault(kind, set()).add(resource_id)
    return sum(_pages(len(ids), [("_id", "some")], kind, settings) for kind, ids in wanted.items())


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
