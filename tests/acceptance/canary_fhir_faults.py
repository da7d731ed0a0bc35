"""What goes wrong at servers full of canaries: searches, whole turns, reads of a patient, each step of an export."""

from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Effect, Interaction
from tests.acceptance import canary_fhir as planted
from tests.acceptance.canary_fhir_run import Hospital
from tests.acceptance.canary_messages import SURNAME

_SEARCHED: tuple[Interaction, ...] = ("search", "page")
_LAST = "QuestionnaireResponse"
"""A turn that ends here has asked for much before it."""

OF_SEARCHES: dict[str, Effect] = {
    "Condition": planted.refusing(400, code=SURNAME.lower()),
    "Procedure": planted.refusing(404, code="not-found"),
    "ServiceRequest": planted.refusing(410),
    "RelatedPerson": planted.refusing(422),
    "DiagnosticReport": planted.page_of_html(403),
    "ImagingStudy": planted.no_page(),
    "Observation": planted.spoilt_page(),
    "Encounter": planted.spoilt_page(),
}
"""By type."""
OF_TURNS: dict[str, Effect] = {
    "500": planted.refusing(500),
    "502": planted.page_of_html(502),
    "401": planted.refusing(401, code="login"),
    "redirect": planted.redirect(),
    "breaks off": faults.truncated(),
    "no bundle": planted.page_of_html(200),
}
OF_PATIENTS: dict[str, Effect] = {
    "404": planted.refusing(404),
    "410": planted.refusing(410, code="deleted"),
    "403": planted.page_of_html(403),
    "another": planted.another_patient(),
    "survivor": planted.survivor(),
    "elsewhere": planted.redirect(),
}
_OF_EXPORTS: dict[str, tuple[Effect, Interaction, str, int | None]] = {
    "start fails": (planted.page_of_html(500), "export", "", 1),
    "start names": (planted.named_place(), "export", "", None),
    "state fails": (planted.refusing(500), "export-status", "", 1),
    "state busy": (planted.refusing(503), "export-status", "", 1),
    "state words": (planted.progress(), "export-status", "", None),
    "manifest": (planted.manifest(), "export-status", "", None),
    "deletions": (planted.deletions(), "export-file", "", None),
    "file lost": (planted.refusing(404), "export-file", "Condition", None),
    "file gone": (planted.refusing(410), "export-file", "Procedure", None),
    "file fails": (planted.refusing(500), "export-file", "Encounter", 1),
    "file breaks off": (faults.truncated(), "export-file", "DiagnosticReport", 1),
    "file elsewhere": (planted.sent_elsewhere(), "export-file", "ImagingStudy", None),
    "file spoilt": (planted.spoilt_lines(), "export-file", "Observation", None),
    "deletion fails": (planted.page_of_html(500), "export-delete", "", 1),
}
"""Effect, step, type of the file, how often."""


def break_searches(hospital: Hospital, source: str) -> list[str]:
    """Each type of one server in another way at the same time; the names of the faults."""
    for resource_type, effect in OF_SEARCHES.items():
        hospital.break_by(source, resource_type, effect, resource_type=resource_type, interactions=_SEARCHED)
    hospital.break_by(source, "metadata", planted.boasting(), interactions=("metadata",))
    return [f"{source}: {each}" for each in OF_SEARCHES]


def break_turn(hospital: Hospital, source: str, name: str) -> str:
    """As often as one turn tries."""
    hospital.break_by(source, name, OF_TURNS[name], times=3, resource_type=_LAST, interactions=_SEARCHED)
    return f"{source}: {name}"


def break_patient(hospital: Hospital, source: str, name: str) -> str:
    """The child itself, when it is read by its id."""
    effect = OF_PATIENTS[name]
    hospital.break_by(source, f"child {name}", effect, times=3, resource_type="Patient", interactions=("read",))
    return f"{source}: child {name}"


def break_links(hospital: Hospital, source: str) -> None:
    """Its pages lead to another host, which ends all reading from it."""
    hospital.break_by(source, "link", planted.next_link_elsewhere(), resource_type=_LAST, interactions=_SEARCHED)


def break_export(hospital: Hospital) -> list[str]:
    """Each step; the names of the faults."""
    for name, (effect, step, resource_type, times) in _OF_EXPORTS.items():
        hospital.break_by("bulk", name, effect, times=times, interactions=(step,), resource_type=resource_type)
    settings = hospital.servers["bulk"].exports.settings
    settings.names_earlier = True
    settings.outcomes = (planted.outcome(), planted.outcome(severity="information"))
    return [f"bulk: {name}" for name in _OF_EXPORTS]
