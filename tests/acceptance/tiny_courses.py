"""Small histories of what else is told of a child: moves, measurements, films, drugs, operation notes, and by FHIR."""

from collections.abc import Callable

from adapter.simulator import HOSPITAL_NUMBER, SentMessage
from adapter.simulator.fhir_notes import CHOICES, RECORD_NUMBER, questionnaire
from adapter.simulator.fhir_terms import ORDER_NUMBER, VISIT_NUMBER
from tests.acceptance.tiny_histories import NICU, OWN, Resource, Teller, at

THEATRE, SURGICAL = ("TH1", "171"), ("PSW", "171")
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": HOSPITAL_NUMBER, "value": OWN}],
    "gender": "female",
    "birthDate": "2026-09-01",
}
SUBJECT = {"subject": {"reference": "Patient/p1"}}
WINPATH = "https://fhir.rxx.example/CodeSystem/winpath"


def _type(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code}]}


ORDER = {"type": _type("FILL"), "system": ORDER_NUMBER, "value": "L1"}
REQUEST = {
    "resourceType": "ServiceRequest",
    "id": "s1",
    **SUBJECT,
    "status": "active",
    "intent": "order",
    "identifier": [ORDER],
    "code": {"coding": [{"system": WINPATH, "code": "CRP"}]},
}


def _film(t: Teller, hour: float, status: str, text: str) -> SentMessage:
    obr = f"OBR|1|9001|RXX55^RADIANT|XCHAB^XR Chest and abdomen^RADIANT|||{at(2)}{'|' * 15}{at(hour)}||RAD|{status}"
    return t.say("R01", hour, "ORC|RE|9001|RXX55", obr, f"OBX|1|TX|GDT^Report text^RADIANT||{text}||||||{status}")


def _film_asked_for(t: Teller, hour: float) -> SentMessage:
    obr = f"OBR|1|9001|RXX55|XCHAB^XR Chest and abdomen^RADIANT{'|' * 9}Distended{'|' * 11}RAD"
    return t.say("O01", hour, f"ORC|NW|9001|RXX55||SC||||{at(hour)}", obr)


def _report_read_three_times(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        _film(t, 3, "P", "Free gas seen."),
        _film(t, 4, "F", "No free gas."),
        _film(t, 6, "C", "There is pneumatosis."),
    ]


def _report_and_its_order(t: Teller) -> list[SentMessage]:
    return [t.confirmed(1), _film_asked_for(t, 1.5), _film(t, 3, "F", "No free gas."), _film_asked_for(t, 5)]


def _prescribed(t: Teller, hour: float, number: str, control: str = "NW") -> SentMessage:
    rxe = "RXE||AB2002^Benzylpenicillin injection^WILLOW|20||mg"
    times = f"TQ1|1||||||{at(2)}|{at(40)}"
    return t.say("O11", hour, f"ORC|{control}|{number}|||||||{at(hour)}", rxe, times)


def _given(t: Teller, hour: float, number: str, *, status: str = "CP") -> SentMessage:
    drug = "AB2002^Benzylpenicillin injection^WILLOW"
    return t.say("O17", hour, f"ORC|RE|{number}", f"RXA|0|1|{at(hour)}|{at(hour)}|{drug}|20|mg{'|' * 13}{status}")


def _doses_in_disorder(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        _prescribed(t, 2, "RX1"),
        _given(t, 3, "RX1"),
        _given(t, 15, "RX1"),
        _given(t, 27, "RX1", status="NA"),
        _given(t, 39, "RX1"),
    ]


def _order_cancelled(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        _prescribed(t, 2, "RX1"),
        _prescribed(t, 3, "RX2"),
        _given(t, 4, "RX2"),
        _prescribed(t, 5, "RX1", "CA"),
    ]


def _moves(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.confirmed(1.5),
        t.say("A02", 2, place=THEATRE),
        t.say("A02", 3, place=NICU),
        t.say("A02", 7, place=SURGICAL),
        t.say("A03", 9, place=SURGICAL, discharged=9),
    ]


def _weighed(t: Teller, hour: float, value: str, status: str) -> SentMessage:
    obr = f"OBR|1||F1^EPIC|OBS^Observations^EPIC|||{at(2)}{'|' * 15}{at(hour)}|||{status}"
    return t.say("R01", hour, obr, f"OBX|1|NM|WT^Weight^EPIC||{value}|kg|||||{status}")


def _measurement_corrected(t: Teller) -> list[SentMessage]:
    return [t.confirmed(1), _weighed(t, 2, "21.0", "F"), _weighed(t, 4, "2.10", "C"), _weighed(t, 5, "2.10", "C")]


def _observation(hour: float, value: float, status: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": "o1",
        **SUBJECT,
        "status": status,
        "basedOn": [{"reference": "ServiceRequest/s1", "identifier": ORDER}],
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": WINPATH, "code": "CRP1"}]},
        "effectiveDateTime": _moment(2),
        "issued": _moment(hour),
        "valueQuantity": {"value": value, "unit": "mg/L"},
    }


def _encounter(hour: float, *, ended: float | None = None) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        **SUBJECT,
        "identifier": [{"type": _type("VN"), "system": VISIT_NUMBER, "value": "V1"}],
        "status": "finished" if ended else "in-progress",
        "class": {"code": "IMP"},
        "period": {"start": _moment(0), **({"end": _moment(ended)} if ended else {})},
        "location": [{"location": {"identifier": {"value": "NICU"}}, "period": {"start": _moment(hour)}}],
    }


def _moment(hour: float) -> str:
    text = at(hour)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:00+01:00"


def _result_over_both(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        t.page(1, PATIENT),
        t.result(3, "L1", "12", status="P"),
        t.page(3.5, _observation(3, 12, "preliminary"), REQUEST),
        t.result(5, "L1", "14"),
        t.page(5.5, _observation(5, 14, "final"), REQUEST),
    ]


def _visit_over_both(t: Teller) -> list[SentMessage]:
    return [
        t.say("A01", 0),
        t.page(0.5, PATIENT, _encounter(0)),
        t.confirmed(1),
        t.say("A03", 9, discharged=9),
        t.page(9.5, _encounter(0, ended=9)),
    ]


def _note(hour: float, status: str, **answers: str) -> Resource:
    operated = {"linkId": "procedure.operated", "answer": [{"valueDateTime": _moment(2)}]}
    chosen = [
        {
            "linkId": f"findings.{name.replace('_', '-')}",
            "answer": [{"valueCoding": {"system": CHOICES, "code": value}}],
        }
        for name, value in answers.items()
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "q1",
        **SUBJECT,
        "identifier": {"system": RECORD_NUMBER, "value": "F1"},
        "questionnaire": questionnaire("gastroschisis"),
        "status": status,
        "authored": _moment(hour),
        "item": [{"linkId": "procedure", "item": [operated]}, {"linkId": "findings", "item": chosen}],
    }


def _note_amended(t: Teller) -> list[SentMessage]:
    return [
        t.confirmed(1),
        t.page(2, PATIENT),
        t.page(2.5, _note(2.5, "in-progress")),
        t.page(4, _note(4, "completed", bowel_state="matted")),
        t.page(8, _note(4, "amended", bowel_state="perforation")),
    ]


MOTHER = f"NK1|1|QUILLFEATHER^ORIEL|MTH^Mother^HL70063{'|' * 30}3100001^^^RXX^MR"


def _mother_named_late(t: Teller) -> list[SentMessage]:
    return [t.say("A01", 0), t.confirmed(2), t.say("A31", 6, MOTHER, visit=""), t.say("A08", 7, visit="V1")]


COURSES: dict[str, tuple[Callable[[Teller], list[SentMessage]], int]] = {
    "a film's report read three times": (_report_read_three_times, 8),
    "a film's report and its order": (_report_and_its_order, 7),
    "doses in disorder": (_doses_in_disorder, 6),
    "an order of a drug cancelled": (_order_cancelled, 6),
    "moves": (_moves, 9),
    "a measurement corrected": (_measurement_corrected, 6),
    "a result over both channels": (_result_over_both, 6),
    "a visit over both channels": (_visit_over_both, 6),
    "an operation note amended": (_note_amended, 6),
    "the mother named late": (_mother_named_late, 7),
}
"""Each with the count of rows it leads to, whatever the order."""
