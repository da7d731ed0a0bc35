"""A simulated hospital: invented children, their clinical courses, and the messages a UK hospital would send of them.

The truth is written from the courses before anything is encoded, and the wire text has its own templates. The room
imports nothing else of the adapter: a truth made with our own mapping would agree with our own mistakes.
"""

from adapter.simulator.hospital import Lookalike, SentMessage, Simulation, hospital
from adapter.simulator.laboratory import LabCode, lab_codes_csv
from adapter.simulator.truth import TruthRow
from adapter.simulator.wards import Ward

__all__ = ["LabCode", "Lookalike", "SentMessage", "Simulation", "TruthRow", "Ward", "hospital", "lab_codes_csv"]
