"""OUT: carry one frozen batch to where it belongs and say exactly what became of it.

A sink decides nothing about content, retries or order; it turns the world's answer into a Receipt or into one of
TryLater, Unsure and Refused. It must not open a batch beyond what its format needs.
"""

from adapter.sinks.csor_api import CsorApi, Timeouts
from adapter.sinks.folder import Folder
from adapter.sinks.receipt import Receipt

__all__ = ["CsorApi", "Folder", "Receipt", "Timeouts"]
