"""Rows of the course of a child: wards, courses of drugs and nutrition, what came of it, and the mother kept apart."""

from typing import Literal

from adapter.csor.fields import Condition as RegisterCondition
from adapter.csor.fields import DrugClass, Leaves, OutcomeType, Row, Text, Time, WardKind, field, required

OutcomeRule = Literal[
    "patient-deceased", "discharge-method", "discharge-destination", "source-of-admission", "procedure-code",
    "after-index-operation",
]  # fmt: skip


class MotherBabyLink(Row):
    """That somebody is the mother, so that nothing of hers is taken for the child's; it never leaves (ruling R26)."""

    link_source: Literal["related-person", "nk1", "pid-21"] = required("What names the mother.", Leaves.WITHHELD)


class WardStay(Row):
    """One stay on one ward, without interruption."""

    spell_id: Text = field("The visit number inside the trust.", Leaves.WITHHELD)
    ward_code: Text = field("The ward in the trust's own code.", Leaves.WITHHELD)
    ward_type: WardKind = required("What the ward is for, from the trust's list of wards.", Leaves.AS_IS)
    start_dt: Time = field("When the child came to the ward.", Leaves.MINUTES_FROM_BIRTH)
    end_dt: Time = field("When the child left it; null while it goes on.", Leaves.MINUTES_FROM_BIRTH)


class MedicationCourse(Row):
    """One course: the same drug, or nutrition, given again before the gap that ends a course."""

    drug_class: DrugClass = required("What it is for; `unmapped` where no list names the drug.", Leaves.AS_IS)
    drug_code: Text = field("The drug, in the code that was sent.", Leaves.WITHHELD)
    drug_system: Text = field("The system of `drug_code`.", Leaves.WITHHELD)
    drug_name: Text = field("The drug, in the words that were sent.", Leaves.WITHHELD)
    basis: Literal["administered", "ordered"] | None = field(
        "Whether doses were recorded as given, or only ordered.", Leaves.AS_IS
    )
    start_dt: Time = field("The first dose, or when the order begins.", Leaves.MINUTES_FROM_BIRTH)
    end_dt: Time = field("The end of the last dose, or of the order.", Leaves.MINUTES_FROM_BIRTH)
    administrations: int | None = field("How many doses were recorded as given.", Leaves.AS_IS)
    route: Text = field("How it is given, in the code that was sent.", Leaves.WITHHELD)


class OutcomeEvent(Row):
    """Something that happened to the child, as a clean feed states it."""

    event_type: OutcomeType = required("What happened.", Leaves.AS_IS)
    event_dt: Time = field("When.", Leaves.MINUTES_FROM_BIRTH)
    condition: RegisterCondition | None = field(
        "The condition it belongs to, where one alone explains it.", Leaves.AS_IS
    )
    rule: OutcomeRule = required("What states it.", Leaves.AS_IS)
