"""TRANSLATE: HL7 v2 into canonical FHIR, and canonical FHIR into CSOR rows, by rules that stand in `mappings/`."""

from adapter.mapping.codelists import CodeLists, load_codelists
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.fhir_to_csor import CsorMaps, TracedProjection, load_csor_maps
from adapter.mapping.load import OwnCodes
from adapter.mapping.v2_to_fhir import STATE_TYPES, IsMeasure, V2Maps, is_of_two, load_v2_maps, state, to_bundle
from adapter.mapping.v2_whose import WhoseMaps

__all__ = [
    "STANDARD",
    "STATE_TYPES",
    "CodeLists",
    "CsorMaps",
    "FeedRules",
    "IsMeasure",
    "OwnCodes",
    "TracedProjection",
    "V2Maps",
    "WhoseMaps",
    "is_of_two",
    "load_codelists",
    "load_csor_maps",
    "load_v2_maps",
    "state",
    "to_bundle",
]
