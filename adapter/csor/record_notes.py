"""The structured operation note of a condition (rulings R3, R20)."""

from typing import Literal

from adapter.csor.fields import Availability, Condition, Leaves, Number, Row, Time, field, required

NOTE = (Availability.OPERATIVE_RECORD,)

Technique = Literal[
    "duhamel", "soave", "swenson", "endorectal_pull_through", "levelling_stoma",
    "primary_closure", "sutureless", "silo", "staged",
    "primary_repair", "patch_repair", "muscle_flap",
    "primary_anastomosis", "delayed_anastomosis", "fistula_ligation",
    "peritoneal_drain", "resection_stoma", "resection_anastomosis", "clip_and_drop", "open_close",
    "valve_ablation", "vesicostomy", "other",
]  # fmt: skip
Extent = Literal["short", "long", "total_colonic", "total_intestinal", "focal", "multifocal", "pan_intestinal"]
BowelState = Literal["healthy", "matted", "atresia", "perforation", "necrosis"]


class OperationNote(Row):
    """One completed CSOR operative record: it confirms its condition, and describes the operation."""

    condition: Condition = required("The condition it is a record of.", Leaves.AS_IS)
    status: Literal["completed", "amended"] | None = field("Only completed records make a row.", Leaves.AS_IS)
    operated_dt: Time = field("When the operation began.", Leaves.MINUTES_FROM_BIRTH, available=NOTE)
    recorded_dt: Time = field("When the record was completed.", Leaves.WITHHELD, available=NOTE)
    technique: Technique | None = field("How it was done, in the words of the register.", Leaves.AS_IS, available=NOTE)
    approach: Literal["open", "laparoscopic", "thoracoscopic", "converted", "endoscopic", "cot-side"] | None = field(
        "How the field was reached.", Leaves.AS_IS, available=NOTE
    )
    urgency: Literal["immediate", "urgent", "expedited", "elective"] | None = field(
        "NCEPOD class (ruling R16).", Leaves.AS_IS, available=NOTE
    )
    decision_dt: Time = field(
        "When it was decided to operate, from an explicit field only (ruling R15).",
        Leaves.MINUTES_FROM_BIRTH,
        available=NOTE,
    )
    extent: Extent | None = field("Extent of disease, in the words of the register.", Leaves.AS_IS, available=NOTE)
    bowel_state: BowelState | None = field("State of the bowel.", Leaves.AS_IS, available=NOTE)
    bowel_remaining_cm: Number = field("Bowel left, in centimetres.", Leaves.AS_IS, available=NOTE)
    stoma_formed: bool | None = field("Whether a stoma was made.", Leaves.AS_IS, available=NOTE)
    patch_used: bool | None = field("Whether a patch was used.", Leaves.AS_IS, available=NOTE)
    defect_size: Literal["A", "B", "C", "D"] | None = field(
        "Size of the defect of the diaphragm (CDHSG).", Leaves.AS_IS, available=NOTE
    )
    side: Literal["left", "right", "bilateral"] | None = field("Side of the defect.", Leaves.AS_IS, available=NOTE)
    liver_up: bool | None = field("Whether the liver lay in the chest.", Leaves.AS_IS, available=NOTE)
    on_ecmo: bool | None = field("Whether it was done on ECMO.", Leaves.AS_IS, available=NOTE)
    gap_cm: Number = field("Gap between the ends of the oesophagus, in centimetres.", Leaves.AS_IS, available=NOTE)
    oa_type: Literal["A", "B", "C", "D", "E"] | None = field("Gross type.", Leaves.AS_IS, available=NOTE)
    histology_confirmed: bool | None = field("Whether histology confirmed it.", Leaves.AS_IS, available=NOTE)
    silo_days: int | None = field("Days with a silo.", Leaves.AS_IS, available=NOTE)
    catheter_days: int | None = field("Days with a catheter.", Leaves.AS_IS, available=NOTE)
