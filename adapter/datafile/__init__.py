"""Files that people write (YAML and CSV), read strictly and validated whole: every fault at once, with its place.

Every scalar is text until a model asks for something else, so that `NO`, `012`, `1.10` and `Q43` survive. Nothing here
knows what a mapping or a setting means.
"""

from adapter.datafile.known_keys import known_keys
from adapter.datafile.models import (
    CONCEALED,
    Duration,
    Positioned,
    did_you_mean,
    hyphenated,
    load_model,
    positions_of,
    validate_node,
)
from adapter.datafile.nodes import Node, Place, read_yaml
from adapter.datafile.tables import read_csv

__all__ = [
    "CONCEALED",
    "Duration",
    "Node",
    "Place",
    "Positioned",
    "did_you_mean",
    "hyphenated",
    "known_keys",
    "load_model",
    "positions_of",
    "read_csv",
    "read_yaml",
    "validate_node",
]
