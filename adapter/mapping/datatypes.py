"""The named conversions of v2 data types into FHIR data types (HL7 v2-to-FHIR IG, data type maps).

Each takes the raw text of one repetition and gives the FHIR value, or None where there is none. What is wrong is told
to the reader as a fault; a wrong value is never made up.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from adapter.errors import ProblemCode
from adapter.mapping.rules import Conversion, FieldRule
from adapter.mapping.v2_codes import code, codeable_concept, coding, entity_identifier, identifier, licence
from adapter.mapping.v2_people import (
    address,
    called_by,
    contact_point,
    human_name,
    interpreter,
    location,
    organization,
    practitioner,
)
from adapter.mapping.v2_reader import Json, Reader
from adapter.mapping.v2_statuses import result_status
from adapter.mapping.v2_values import attachment, dose, observation_value, performed, period, quantity, reference_range

Convert: TypeAlias = Callable[..., Json | None]
"""`(reader, raw text, rule, further fields…)`."""


def string(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """The whole field as text, bare delimiters kept."""
    return reader.text(text) or None


def narrative(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """Text of one or more lines; repetitions are lines."""
    return reader.lines(reader.repetitions(text)) or None


def annotation(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """A comment as Annotation."""
    lines = narrative(reader, text, rule)
    return {"text": lines} if lines else None


def flag(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """Y or N (HL7 table 0136) as boolean."""
    value = reader.text(reader.parts(text)[0])
    known = {"Y": True, "YES": True, "N": False, "NO": False}.get(value.upper())
    return None if known is None else reader.derive("yes-no", value, known)


def integer(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """A whole number."""
    value = reader.text(text)
    if not value:
        return None
    if not value.isdecimal() or len(value) > 9:
        reader.fault(ProblemCode.NOT_A_NUMBER, "not a whole number; left out")
        return None
    return reader.derive("integer", value, int(value))


def date(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """A date, partial where it was sent partial; a time of day is left out."""
    return reader.date(reader.parts(text)[0])


def birth_time(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """The time of birth as the extension on birthDate, where there is a time and not only a date."""
    time = reader.time(reader.parts(text)[0])
    if time is None or len(time) <= 10:
        return None
    return {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": time}]}


def date_time(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """A time with the precision and offset as sent, else the site's offset."""
    return reader.time(reader.parts(text)[0])


def instant(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """A time of day on a date: FHIR has no less precise instant, and none is made up."""
    time = reader.time(reader.parts(text)[0])
    if time is None or len(time) > 10:
        return time
    reader.fault(ProblemCode.BAD_TIME, "a date where a time of day is needed; left out")
    return None


CONVERSIONS: Mapping[Conversion, Convert] = {
    Conversion.STRING: string,
    Conversion.TEXT: narrative,
    Conversion.CODE: code,
    Conversion.FLAG: flag,
    Conversion.INTEGER: integer,
    Conversion.DATE: date,
    Conversion.BIRTH_TIME: birth_time,
    Conversion.DATE_TIME: date_time,
    Conversion.INSTANT: instant,
    Conversion.PERIOD: period,
    Conversion.CODEABLE_CONCEPT: codeable_concept,
    Conversion.CODING: coding,
    Conversion.IDENTIFIER: identifier,
    Conversion.LICENCE: licence,
    Conversion.ENTITY_IDENTIFIER: entity_identifier,
    Conversion.HUMAN_NAME: human_name,
    Conversion.CALLED_BY: called_by,
    Conversion.ADDRESS: address,
    Conversion.CONTACT_POINT: contact_point,
    Conversion.PRACTITIONER: practitioner,
    Conversion.INTERPRETER: interpreter,
    Conversion.ORGANIZATION: organization,
    Conversion.LOCATION: location,
    Conversion.ANNOTATION: annotation,
    Conversion.QUANTITY: quantity,
    Conversion.DOSE: dose,
    Conversion.ATTACHMENT: attachment,
    Conversion.OBSERVATION_VALUE: observation_value,
    Conversion.PERFORMED: performed,
    Conversion.RESULT_STATUS: result_status,
    Conversion.REFERENCE_RANGE: reference_range,
}

WHOLE_FIELD = frozenset(
    {
        Conversion.STRING,
        Conversion.TEXT,
        Conversion.ANNOTATION,
        Conversion.DOSE,
        Conversion.ATTACHMENT,
        Conversion.OBSERVATION_VALUE,
        Conversion.PERFORMED,
        Conversion.REFERENCE_RANGE,
    }
)
"""These take the field with its repetitions; the others take one repetition."""
