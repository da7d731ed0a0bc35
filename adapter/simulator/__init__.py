"""A simulated hospital: invented children, their clinical courses, and the messages a UK hospital would send of them.

The truth is written from the courses before anything is encoded, and the wire text has its own templates. The room
imports nothing else of the adapter: a truth made with our own mapping would agree with our own mistakes.
"""

from adapter.simulator.course import Course
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_server import running as fhir_running
from adapter.simulator.fhir_settings import Settings as FhirSettings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER, also_as_fhir
from adapter.simulator.hospital import hospital
from adapter.simulator.laboratory import LabCode, lab_codes_csv
from adapter.simulator.pharmacy import drugs_csv
from adapter.simulator.radiology_codes import imaging_codes_csv
from adapter.simulator.simulation import Lookalike, SentMessage, Simulation
from adapter.simulator.truth_row import TruthRow
from adapter.simulator.wards import Site, Ward

__all__ = [
    "HOSPITAL_NUMBER",
    "Course",
    "FhirServer",
    "FhirSettings",
    "LabCode",
    "Lookalike",
    "SentMessage",
    "Simulation",
    "Site",
    "TruthRow",
    "Ward",
    "also_as_fhir",
    "drugs_csv",
    "fhir_running",
    "fhir_timeline",
    "hospital",
    "imaging_codes_csv",
    "lab_codes_csv",
]
