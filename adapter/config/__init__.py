"""What one trust decided: typed settings, the vendor's facts under them, secrets only by reference.

Read once at start. Only `cli` and `service` look in here; everybody else is handed the few values it needs.
"""

from adapter.config.fhir_push import Subscriptions
from adapter.config.fhir_source import FhirSearchRules, FhirSearchSource, rules_of
from adapter.config.load import Effective, effective, load_trust, vendor_reading
from adapter.config.packaged import packaged
from adapter.config.reading import Reading
from adapter.config.secrets import SecretRef
from adapter.config.settings import (
    CsorApiSink,
    FolderSink,
    HospitalNumber,
    LegalBasis,
    Nation,
    TrustSettings,
    Ward,
    WardType,
)
from adapter.config.v2_source import LOOPBACK, FolderSource, HttpSource, Listening, MllpSource, Tls, V2Source
from adapter.config.vendors import Vendor, load_vendor, vendor_paths

__all__ = [
    "LOOPBACK",
    "CsorApiSink",
    "Effective",
    "FhirSearchRules",
    "FhirSearchSource",
    "FolderSink",
    "FolderSource",
    "HospitalNumber",
    "HttpSource",
    "LegalBasis",
    "Listening",
    "MllpSource",
    "Nation",
    "Reading",
    "SecretRef",
    "Subscriptions",
    "Tls",
    "TrustSettings",
    "V2Source",
    "Vendor",
    "Ward",
    "WardType",
    "effective",
    "load_trust",
    "load_vendor",
    "packaged",
    "rules_of",
    "vendor_paths",
    "vendor_reading",
]
