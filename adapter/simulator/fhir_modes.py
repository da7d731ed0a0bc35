"""Servers as vendors make them: each refuses what that vendor refuses, and is awkward where it is (VENDORS, a.1, a.2).

What no document says is chosen here so that it is hardest for a client: statuses of Epic's errors, which `_include`
it heeds. In one thing the Oracle server is kinder than its documents: an Observation keeps its specimen and its order,
and both can be had by id, since without a specimen no laboratory value can be told from another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zlib import crc32

from adapter.simulator.fhir_cases import survivor_of
from adapter.simulator.fhir_parameters import PARAMETERS
from adapter.simulator.fhir_rules import (
    DateForm,
    dates,
    id_alone,
    not_together,
    one_of_needed,
    one_patient,
    patient_needed,
    somebody_needed,
    value_needed,
)
from adapter.simulator.fhir_settings import Codes, Mode, Read, Settings, Sizes, Unknown
from adapter.simulator.fhir_token import Client, TokenDesk
from adapter.simulator.fhir_versions import Resource

Json = dict[str, Any]
EPIC_WORDS = "urn:oid:1.2.840.114350.1.13.0.1.7.4.696784.21080"
"""One of the systems that a site makes itself."""
FREE_TEXT = "Seen with mother, Ms Quillfeather"
"""What stands under it for a code; nothing of it may be copied."""
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ANYBODYS = frozenset(PARAMETERS) - {"Patient", "Location", "Medication"}
"""Types that tell of one patient each."""
_SUBJECT = frozenset({"_id", "patient", "subject"})

_EPIC: Mapping[str, Iterable[str]] = {
    "Patient": {"identifier", "birthdate", "gender", "active"},
    "RelatedPerson": {"patient", "identifier", "relationship"},
    "Encounter": {*_SUBJECT, "class", "date", "identifier", "location", "status"},
    "Condition": {
        *_SUBJECT, "category", "clinical-status", "code", "encounter", "onset-date", "recorded-date", "identifier",
        "verification-status",
    },
    "Procedure": {*_SUBJECT, "category", "code", "date", "identifier", "encounter", "status"},
    "ServiceRequest": {*_SUBJECT, "authored", "category", "code", "encounter", "identifier", "status"},
    "Specimen": (),
    "Observation": {
        *_SUBJECT, "based-on", "category", "code", "date", "issued", "encounter", "identifier", "specimen", "status",
    },
    "DiagnosticReport": {
        *_SUBJECT, "category", "code", "date", "identifier", "based-on", "encounter", "issued", "result", "status",
    },
    "ImagingStudy": {*_SUBJECT, "identifier", "basedon", "encounter", "modality", "started", "status"},
    "MedicationRequest": {*_SUBJECT, "intent", "status", "authoredon", "category", "code", "encounter", "medication"},
    "MedicationAdministration": {*_SUBJECT, "context", "effective-time", "request", "status", "code", "medication"},
    "Medication": (),
    "Location": {"identifier", "status"},
    "QuestionnaireResponse": {*_SUBJECT, "encounter", "authored", "questionnaire", "status", "identifier"},
}  # fmt: skip
"""As the statement of May 2026 lists them; `_id` at every type, `_lastUpdated` at none of these."""

_ORACLE: Mapping[str, Iterable[str]] = {
    "Patient": {"identifier", "birthdate", "gender"},
    "RelatedPerson": {"patient", "identifier", "-relationship-level"},
    "Encounter": {*_SUBJECT, "identifier", "date", "status", "_lastUpdated"},
    "Condition": {*_SUBJECT, "clinical-status", "category", "encounter", "_lastUpdated"},
    "Procedure": {*_SUBJECT, "date", "_lastUpdated"},
    "ServiceRequest": {*_SUBJECT, "code", "_lastUpdated"},
    "Specimen": (),
    "Observation": {*_SUBJECT, "code", "date", "category", "_lastUpdated"},
    "DiagnosticReport": {*_SUBJECT, "encounter", "date", "category", "code", "_lastUpdated"},
    "MedicationRequest": {*_SUBJECT, "status", "intent", "_lastUpdated"},
    "MedicationAdministration": {*_SUBJECT, "status", "effective-time"},
    "Location": {"identifier"},
}
"""As the pages of 2024 list them; no ImagingStudy, and QuestionnaireResponse for social history only."""

_UK_CORE: Mapping[str, Iterable[str]] = {
    "Patient": {"identifier"},
    **{each: {"_id", "patient", *(PARAMETERS[each].keys() & {"status", "clinical-status", "category", "code", "date"})}
       for each in _ANYBODYS},
    "Medication": (),
    "Location": {"identifier"},
}  # fmt: skip

_BOUNDS = DateForm()
_ORDERS = DateForm(prefixes=frozenset({"ge", "le"}), needs_time=True)


def hapi() -> Settings:
    """A HAPI server: strict, with whole searches by `_lastUpdated`, links relative to the host, 410 on an old one."""
    return Settings(mode=Mode(name="hapi"), is_next_relative=True)


def epic(*, quota: Mapping[str, int] | None = None) -> Settings:
    """Epic, by its captured R4 statement of May 2026 and its list of error codes."""
    mode = Mode(
        name="epic",
        rules=(
            patient_needed(_ANYBODYS, vendor_code="4111"),
            somebody_needed(vendor_code="4110"),
            one_patient(vendor_code="4112"),
            one_of_needed("Observation", ("category", "code"), vendor_code="59108"),
        ),
        parameters=_with_ids(_EPIC),
        controls=frozenset({"_count", "_include", "_revinclude", "_format"}),
        includes=frozenset({"Encounter:location", "MedicationRequest:medication"}),
        id_overrides=True,
        is_post_query_ignored=True,
        most_patients=100,
        quota=quota or {},
        codes=_EPIC_CODES,
        expired_status=400,
        shape=_as_epic_shows,
        hides=_is_left_out,
        redirects_merged=True,
    )
    return Settings(mode=mode, on_unknown=Unknown.WARN)


def oracle() -> Settings:
    """Oracle Health Millennium, by its pages of 2024."""
    mode = Mode(
        name="oracle",
        rules=(
            patient_needed(_ANYBODYS),
            somebody_needed(),
            one_patient(),
            id_alone(),
            value_needed("RelatedPerson", "-relationship-level", "Patient"),
            not_together(("date", "_lastUpdated"), types=("Observation", "Procedure", "DiagnosticReport")),
            dates(_last_updated_forms(), row="_lastUpdated"),
            dates(
                {
                    ("Procedure", "date"): DateForm(needs_time=True, must_close=True),
                    ("DiagnosticReport", "date"): DateForm(needs_time=True, must_close=True),
                    ("MedicationAdministration", "effective-time"): DateForm(
                        prefixes=frozenset({"ge", "gt", "le", "lt"}), needs_time=True
                    ),
                }
            ),
        ),
        parameters=_with_ids(_ORACLE),
        controls=frozenset({"_count", "_revinclude", "_format"}),
        pages={
            "Patient": Sizes(20, 100),
            "Observation": Sizes(50, 200),
            "DiagnosticReport": Sizes(10, 100),
        },
        most_patients=1000,
        shape=_as_oracle_shows,
        hides=_is_not_searched,
        hides_from_ids=True,
        is_newest_first=True,
        is_uneven=True,
        shows_stale=True,
    )
    return Settings(mode=mode, is_paging_stable=False, has_total=False)


def oracle_while_working(*, a_page_takes: timedelta) -> Settings:
    """The same while the hospital works: its clock moves with every page, and rows move under the reader."""
    settings = oracle()
    return replace(settings, mode=replace(settings.mode, a_page_takes=a_page_takes))


def uk_core() -> Settings:
    """A server that does what UK Core Access demands and nothing else: patient by patient, no `_lastUpdated`."""
    mode = Mode(
        name="uk-core",
        rules=(patient_needed(_ANYBODYS), somebody_needed(), one_patient()),
        parameters=_with_ids(_UK_CORE),
        controls=frozenset({"_count", "_format"}),
    )
    return Settings(mode=mode)


def epic_tokens(*clients: Client) -> TokenDesk:
    """Its token endpoint: an hour, by an assertion that is signed anew each time."""
    return TokenDesk(clients=clients, lives_s=3600)


def oracle_tokens(*clients: Client) -> TokenDesk:
    """Its token endpoint: 570 seconds, and whoever asks more than once a minute waits."""
    return TokenDesk(clients=clients, lives_s=570, least_between_s=60)


_EPIC_CODES = Codes(
    system="urn:oid:1.2.840.114350.1.13.0.1.7.2.657369",
    of={
        "nothing-found": "4101",
        "not-found": "4102",
        "deleted": "4103",
        "merged": "4107",
        "expired": "4113",
        "incomplete": "4119",
        "too-many": "4127",
        "quota": "4135",
        "ignored": "59100",
    },
    severities={
        "4101": "warning",
        "4102": "fatal",
        "4103": "fatal",
        "4107": "fatal",
        "4113": "fatal",
        "4119": "warning",
        "4127": "fatal",
        "4130": "fatal",
        "4131": "fatal",
        "4134": "information",
        "4135": "fatal",
        "59133": "information",
        "59100": "information",
    },
)


def _with_ids(parameters: Mapping[str, Iterable[str]]) -> Mapping[str, frozenset[str]]:
    return {each: frozenset({"_id", *names}) & frozenset(PARAMETERS[each]) for each, names in parameters.items()}


def _last_updated_forms() -> Mapping[tuple[str, str], DateForm]:
    held = {"Encounter", "Condition", "Procedure", "Observation", "DiagnosticReport"}
    orders = {"ServiceRequest", "MedicationRequest"}
    return {
        **{(each, "_lastUpdated"): _BOUNDS for each in held},
        **{(each, "_lastUpdated"): _ORDERS for each in orders},
    }


def _as_epic_shows(resource: Json, _: Read) -> Json:
    """Neither version nor time of update (behaviours 16 and 17), displays that end in a space, free text for a code."""
    shown = {name: value for name, value in resource.items() if name != "meta"}
    if isinstance(code := shown.get("code"), dict) and "coding" in code:
        spaced = [{**one, "display": f"{one['display']} "} if "display" in one else one for one in code["coding"]]
        shown["code"] = {**code, "coding": [*spaced, {"system": EPIC_WORDS, "code": FREE_TEXT, "display": FREE_TEXT}]}
    return shown


def _is_left_out(resource: Resource) -> bool:
    """A third of the laboratory's values, always the same ones, are in no search but by id (behaviour 30)."""
    is_member = resource["resourceType"] == "Observation" and "specimen" in resource
    return is_member and crc32(resource["id"].encode()) % 3 == 0


def _is_not_searched(resource: Resource) -> bool:
    """Merged patients, and reports without text."""
    if resource["resourceType"] == "DiagnosticReport":
        return not resource.get("conclusion")
    return bool(survivor_of(resource))


def _as_oracle_shows(resource: Json, read: Read) -> Json:
    """A merged patient says no more than into whom; wards and medicines come inside what refers to them."""
    if survivor_of(resource):
        absent = [{"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}]
        kept = {name: resource[name] for name in ("resourceType", "id", "active", "link")}
        return {**kept, "meta": {"versionId": resource["meta"]["versionId"]}, "name": absent}
    contained: Json = {}
    if "medicationReference" in resource:
        resource = {**resource, "medicationReference": _inside(resource["medicationReference"], read, contained)}
    if resource["resourceType"] == "Encounter":
        stays = [{**stay, "location": _inside(stay["location"], read, contained)} for stay in resource["location"]]
        resource = {**resource, "location": stays}
    return {**resource, "contained": list(contained.values())} if contained else resource


def _inside(reference: Json, read: Read, contained: Json) -> Json:
    target = read(*reference.get("reference", "/").split("/", 1))
    if target is None:
        return reference
    inner = {name: value for name, value in target.resource.items() if name != "meta"}
    contained[inner["id"]] = inner
    return {**reference, "reference": f"#{inner['id']}"}
