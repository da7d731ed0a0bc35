"""In which version of FHIR a source speaks: its setting, else that of its vendor; what no source sent tells itself."""

from collections.abc import Mapping

from adapter import fhir
from adapter.config import FhirSearchSource, TrustSettings, rules_of
from adapter.fhir import Part, Version


class Versions:
    """Of the feeds of one trust."""

    def __init__(self, settings: TrustSettings) -> None:
        self._of: Mapping[str, Version] = {
            source.name: Version(rules_of(source, settings.fhir_search).version)
            for source in settings.sources
            if isinstance(source, FhirSearchSource)
        }

    def of(self, feed: str, body: bytes) -> Version:
        """That of a body. Raises Unparsable where nobody says it and it shows itself to be DSTU2."""
        return self._of.get(feed) or fhir.version_said_by(body)

    def parts(self, feed: str, body: bytes) -> list[Part]:
        """The resources of a body in the form of R4."""
        return fhir.parts(body, version=self.of(feed, body))
