"""One invented child with something of everything, written by hand: a twin who had NEC, and was coded late."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapter.simulator.births import Birth, Measured, Measurements
from adapter.simulator.course import (
    Course,
    Diagnosis,
    LabTest,
    Operation,
    Order,
    OrderReport,
    Report,
    Stay,
    UndoneDischarge,
    Value,
    Visit,
)
from adapter.simulator.examinations import Examination, ImagingCode, Reading
from adapter.simulator.operative_records import OperativeRecord
from adapter.simulator.people import Person
from adapter.simulator.prescriptions import Dose, Drug, Prescription
from adapter.simulator.wards import NICU, SURGICAL, THEATRE

BORN = datetime(2026, 10, 1, 4, 12, tzinfo=UTC)


def day(days: float, hours: float = 0, minutes: float = 0) -> datetime:
    return BORN + timedelta(days=days, hours=hours, minutes=minutes)


MOTHER = Person(
    hospital_number="3000001", nhs_number="9990000018", family="Quillfeather", given="Oriel", sex="F",
    born=datetime(1996, 3, 1, tzinfo=UTC), street="1 Larch Mews", postcode="ZZ99 3AA", ethnic_category="A",
)  # fmt: skip
CHILD = replace(
    MOTHER, hospital_number="3000002", nhs_number="9990000026", given="Torin", sex="M", born=BORN, mother=MOTHER,
    named_at=day(2), numbered_at=day(1), birth_order=2, died_at=day(40),
)  # fmt: skip

CRP = LabTest(
    code="CRPB", words="C-reactive protein", unit="mg/L", decimals=0, analyte="crp", unit_ucum="mg/L",
    reference="<5", loinc="1988-5", system="WINPATH",
)  # fmt: skip
SODIUM = LabTest(
    code="UENA", words="Sodium", unit="mmol/L", decimals=0, analyte="sodium", unit_ucum="mmol/L",
    reference="133-146", loinc="2951-2", system="WINPATH",
)  # fmt: skip
HAEMOGLOBIN = LabTest(
    code="BHHB", words="Haemoglobin", unit="g/dL", decimals=2, analyte="haemoglobin", unit_ucum="g/L", factor=10,
    reference="14.0-20.0", loinc="718-7", system="WINPATH",
)  # fmt: skip

ORDER = Order(number="26L1", panel="UE", panel_words="Urea", specimen="capillary", collected_at=day(3))
FILM = ImagingCode(code="XABDO", words="XR Abdomen", system="RADIANT", study="abdominal_xray", modality="CR")
BAG = Drug(code="PN1001", words="Neonatal PN bag", system="WILLOW", drug_class="parenteral_nutrition", dose_unit="mL")
GENTAMICIN = Drug(code="AB2001", words="Gentamicin injection", system="WILLOW", drug_class="antibiotic", dose_unit="mg")

VISIT = Visit(
    number="V1",
    stays=(
        Stay(ward=NICU, since=BORN),
        Stay(ward=THEATRE, since=day(12)),
        Stay(ward=NICU, since=day(12, hours=3)),
        Stay(ward=SURGICAL, since=day(20)),
    ),
    discharged_at=day(40),
    diagnoses=(
        Diagnosis(code="P07.3", words="Other preterm infants", made_at=BORN, coded_at=day(1), snomed="395507008"),
        Diagnosis(code="P77", words="Necrotizing enterocolitis", made_at=day(11), coded_at=day(50)),
        Diagnosis(code="Q79.3", words="Gastroschisis", made_at=BORN, coded_at=day(2), struck_at=day(3)),
    ),
    operations=(
        Operation(code="G69.3", words="Ileectomy", at=day(12), ended_at=day(12, hours=2), coded_at=day(12, hours=3)),
        Operation(code="Y50.2", words="Laparotomy approach NEC", at=day(12), coded_at=day(50)),
    ),
    undone=UndoneDischarge(at=day(37), undone_at=day(37, hours=2)),
    discharge_method="4",
    destination="79",
)
MISTAKE = Visit(
    number="V2", stays=(Stay(ward=SURGICAL, since=day(41)),), discharged_at=day(41), cancelled_at=day(41, hours=1)
)


def _reported(at: datetime, status: str, *values: Value, note: str = "") -> Report:
    return Report(at=at, orders=(OrderReport(order=ORDER, status=status, values=values),), note=note)


COURSE = Course(
    person=CHILD,
    visits=(VISIT, MISTAKE),
    reports=(
        _reported(day(3, hours=1), "P", Value(test=CRP, number="4")),
        _reported(
            day(3, hours=2),
            "F",
            Value(test=CRP, number="1", comparator="<"),
            Value(test=SODIUM, number="138"),
            Value(test=HAEMOGLOBIN, number="15.50"),
            note="Slightly haemolysed",
        ),
        _reported(day(3, hours=20), "C", Value(test=SODIUM, number="136")),
    ),
    confirmed=("nec",),
    channel="fhir",
    birth=Birth(gestation_days=214, weight_g=1320, apgar_1=6, apgar_5=9, is_multiple=True),
    measurements=(
        Measurements(
            number="M1",
            at=BORN,
            entered_at=day(0, minutes=50),
            values=(
                Measured(measure="birth_weight", value=Decimal(1320)),
                Measured(measure="gestational_age_birth", value=Decimal(214)),
                Measured(measure="apgar_1min", value=Decimal(6)),
                Measured(measure="apgar_5min", value=Decimal(9)),
            ),
        ),
        Measurements(
            number="M2",
            at=day(7),
            entered_at=day(7, hours=1),
            values=(
                Measured(measure="body_weight", value=Decimal("1.280")),
                Measured(measure="body_length", value=Decimal("39.5")),
                Measured(measure="head_circumference", value=Decimal("27.5")),
            ),
        ),
    ),
    examinations=(
        Examination(
            accession="A100",
            placer="P100",
            study_uid="1.2.826.0.1.3680043.10.999.1",
            code=FILM,
            indication="?NEC",
            requested_at=day(11),
            performed_at=day(11, hours=1),
            readings=(
                Reading(at=day(11, hours=2), status="preliminary", lines=("Dilated loops.",)),
                Reading(at=day(11, hours=9), status="final", lines=("Pneumatosis.", "No free gas.")),
            ),
            n_series=2,
            n_instances=3,
        ),
    ),
    records=(
        OperativeRecord(
            number="N1", visit="V1", condition="nec", operated_at=day(12), recorded_at=day(12, hours=9),
            status="amended",
            answers={
                "technique": "resection_stoma", "extent": "multifocal", "stoma_formed": True,
                "decision_dt": day(11, hours=20), "bowel_remaining_cm": Decimal("95.5"),
            },
        ),
    ),
    prescriptions=(
        Prescription(
            number="RX1", drug=BAG, ordered_at=day(1), begins_at=day(1, hours=2), ends_at=day(3),
            doses=(Dose(number=1, at=day(1, hours=2), until=day(2), amount=Decimal(90)),),
        ),
        Prescription(
            number="RX2", drug=GENTAMICIN, ordered_at=day(11), begins_at=day(11), ends_at=day(13),
            doses=(
                Dose(number=1, at=day(11, hours=1), until=day(11, hours=2), amount=Decimal("6.5")),
                Dose(number=2, at=day(12, hours=13), until=day(12, hours=14), amount=Decimal("6.5"), was_given=False),
            ),
        ),
    ),
)  # fmt: skip
MERGED = replace(COURSE, person=replace(CHILD, temporary_number="T1", merged_at=day(4)))


def a_course(**changes: Any) -> Course:
    return replace(COURSE, **changes)
