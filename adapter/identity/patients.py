"""Who one message says the patient is: hospital numbers, NHS number, birth, sex. Never a name.

Only a contradiction inside the one message is raised here; what differs between messages is for `persons`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from adapter.assertion import Resource, SourceIdentifier
from adapter.errors import IdentityConflict, Problem, ProblemCode
from adapter.identity.identifiers import Meaning, Named, read_identifier
from adapter.identity.nhs_number import NhsNumber, NumberKind, kind_of, parse, plain_digits

_BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
_SELF = frozenset({"SEL", "ONESELF"})
"""HL7 table 0063 and v3-RoleCode: a next-of-kin entry that is the patient."""
MOTHER_CODES = frozenset({"MTH", "NMTH", "NMTHF", "GESTM"})
"""HL7 table 0063 and v3-RoleCode: the mother who bore the child, or is said to be the mother."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What the trust's file says about its identifiers."""

    test_mode: bool
    hospital_authorities: Mapping[str, str]
    """Assigning authority as sent (CX.4) → the one name it is kept under. An authority not sent is `""`."""
    fhir_systems: Mapping[str, str] = field(default_factory=dict)
    """Identifier.system as sent → the one name it is kept under."""
    types: frozenset[str] = frozenset({"MR", "PI", "PT", "MEDREC", "HOSP", "U"})
    """Identifier types (CX.5) that make a patient number; an identifier without a type counts by its authority."""
    verified_statuses: frozenset[str] = frozenset({"01", "number-present-and-verified"})
    absent_status_is_verified: bool = False
    """For feeds that never send a trace status: whether their NHS numbers may link records."""
    foreign_authorities: frozenset[str] = frozenset()
    """Hospitals whose messages stray into these feeds: a message with a number of theirs is nobody's here."""


class PatientFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one message says of its patient."""

    identifiers: tuple[SourceIdentifier, ...]
    """Hospital numbers, the primary first; of a patient with none, the NHS number itself. Never empty."""
    nhs_number: NhsNumber | None
    nhs_status: str
    """Trace status as two digits, `01` to `08`; empty where not said."""
    nhs_verified: bool
    """Traced: may link records and go to linkage. Status 08 (a newborn) waits, without an error."""
    national_kind: NumberKind | None
    """Whose national number was sent, also where it is not an NHS number."""
    birth: str | None
    """FHIR date or dateTime, as partial as it came."""
    sex: str | None
    birth_order: int | None
    problems: tuple[Problem, ...]


def read_patient(patient: Resource, *, related: Sequence[Resource], settings: IdentitySettings) -> PatientFacts:
    """Raises IdentityConflict where the message contradicts itself or names no patient that can be found again."""
    named = [read_identifier(identifier) for identifier in patient.get("identifier", [])]
    problems: list[Problem] = []
    nhs_number, status = _nhs_number(named, settings=settings, problems=problems)
    national_kind = _national_kind(named, nhs_number)
    identifiers = _hospital_numbers(named, settings=settings, problems=problems)
    if related:
        _refuse_mothers_numbers(related, nhs_number=nhs_number, identifiers=identifiers, settings=settings)
    return PatientFacts(
        identifiers=identifiers or _last_resort(named, nhs_number),
        nhs_number=nhs_number,
        nhs_status=status,
        nhs_verified=nhs_number is not None and _is_verified(status, settings=settings),
        national_kind=national_kind,
        birth=birth_of(patient),
        sex=patient.get("gender"),
        birth_order=patient.get("multipleBirthInteger"),
        problems=tuple(problems),
    )


def mother_named_by(related: Iterable[Resource]) -> str | None:
    """What names the mother: `related-person`, `nk1` or `pid-21`; never who she is (ruling R26).

    The translation of PID-21 makes a relative with a number and no name; only a FHIR resource has an id.
    """
    for relative in related:
        concepts = relative.get("relationship", [])
        if any(coding.get("code") in MOTHER_CODES for concept in concepts for coding in concept.get("coding", [])):
            if relative.get("id"):
                return "related-person"
            return "nk1" if relative.get("name") else "pid-21"
    return None


def birth_of(patient: Resource) -> str | None:
    """The birth time where it was sent and is of the birth date, else the birth date, as partial as it came."""
    day: str | None = patient.get("birthDate")
    beside = patient.get("_birthDate")
    for extension in beside.get("extension", ()) if beside else ():
        moment = extension.get("valueDateTime")
        if extension.get("url") == _BIRTH_TIME and moment and (day is None or moment.startswith(day)):
            return str(moment)
    return day


def day_of(birth: str | None) -> str | None:
    """The day of a birth; None where it is not known to the day."""
    return birth[:10] if birth and len(birth) >= len("2026-01-03") else None


def _nhs_number(
    named: Iterable[Named], *, settings: IdentitySettings, problems: list[Problem]
) -> tuple[NhsNumber | None, str]:
    """The one valid NHS number of the message and its trace status."""
    found: dict[NhsNumber, str] = {}
    said_status = ""
    for number in named:
        is_meant = number.meaning is Meaning.NHS
        if number.is_old or not (is_meant or number.meaning is Meaning.PERHAPS_NHS):
            continue
        said_status = said_status or number.trace_status
        read = parse(number.value, test_mode=settings.test_mode)
        if isinstance(read, NhsNumber):
            found[read] = found.get(read) or number.trace_status
        elif is_meant and number.value:
            problems.append(read)
    if len(found) > 1:
        raise _conflict(ProblemCode.TWO_NHS_NUMBERS, "two different valid NHS numbers stand in one message")
    for nhs_number, status in found.items():
        return nhs_number, status or said_status
    return None, said_status


def _is_verified(status: str, *, settings: IdentitySettings) -> bool:
    return status in settings.verified_statuses if status else settings.absent_status_is_verified


def _national_kind(named: Iterable[Named], nhs_number: NhsNumber | None) -> NumberKind | None:
    if nhs_number is not None:
        return NumberKind.NHS
    kinds = {kind_of(number.value) for number in named if number.meaning in (Meaning.NHS, Meaning.OTHER_NATION)}
    others = kinds & {NumberKind.CHI, NumberKind.HCN}
    return min(others) if others else None


def _hospital_numbers(
    named: Iterable[Named], *, settings: IdentitySettings, problems: list[Problem]
) -> tuple[SourceIdentifier, ...]:
    """By configured authority only: the same digits of another hospital are another child."""
    current: list[SourceIdentifier] = []
    old: list[SourceIdentifier] = []
    for number in named:
        if number.meaning is not Meaning.LOCAL or not number.value:
            continue
        if number.authority in settings.foreign_authorities:
            text = (
                "a patient number of a hospital that the trust file names as foreign: the message is not for this one"
            )
            raise _conflict(ProblemCode.FOREIGN_AUTHORITY, text)
        if number.type and number.type not in settings.types:
            continue
        authority = _canonical(number, settings=settings)
        if authority is None:
            problems.append(
                Problem(
                    code=ProblemCode.FOREIGN_AUTHORITY,
                    text="a patient number of an authority that the trust file does not name was ignored",
                )
            )
            continue
        (old if number.is_old else current).append(SourceIdentifier(authority, number.value))
    return tuple(dict.fromkeys(current + old))


def _canonical(number: Named, *, settings: IdentitySettings) -> str | None:
    if number.system in settings.fhir_systems:
        return settings.fhir_systems[number.system]
    if number.system and not number.authority:
        return None
    return settings.hospital_authorities.get(number.authority)


def _last_resort(named: Iterable[Named], nhs_number: NhsNumber | None) -> tuple[SourceIdentifier, ...]:
    """A patient without a hospital number is found again by the national one, if that is whole."""
    if nhs_number is not None:
        return (SourceIdentifier(NumberKind.NHS.value, nhs_number.digits),)
    for number in named:
        kind = kind_of(number.value)
        if number.meaning is Meaning.OTHER_NATION and kind in (NumberKind.CHI, NumberKind.HCN):
            return (SourceIdentifier(kind.value, plain_digits(number.value)),)
    raise _conflict(ProblemCode.NO_IDENTIFIER, "no hospital number of a configured authority and no valid NHS number")


def _refuse_mothers_numbers(
    related: Iterable[Resource],
    *,
    nhs_number: NhsNumber | None,
    identifiers: Iterable[SourceIdentifier],
    settings: IdentitySettings,
) -> None:
    """A baby's message that carries the mother's number would put her results into the baby's record (R9)."""
    own = set(identifiers)
    own_values = {identifier.value for identifier in own}
    for relative in related:
        if _is_patient_self(relative):
            continue
        for number in map(read_identifier, relative.get("identifier", [])):
            authority = _canonical(number, settings=settings)
            is_same = authority is not None and SourceIdentifier(authority, number.value) in own
            if not number.authority and not number.system:
                is_same = is_same or number.value in own_values
            if is_same or (nhs_number is not None and plain_digits(number.value) == nhs_number.digits):
                raise _conflict(ProblemCode.MOTHERS_NUMBER, "the patient's number is also that of the mother or kin")


def _is_patient_self(relative: Resource) -> bool:
    concepts = relative.get("relationship", [])
    return any(coding.get("code") in _SELF for concept in concepts for coding in concept.get("coding", []))


def _conflict(code: ProblemCode, text: str) -> IdentityConflict:
    return IdentityConflict(Problem(code=code, text=text))
