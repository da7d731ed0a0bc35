"""Invented people. What the hospital knows of a child changes: a wristband number, "BABY", then a name and a number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook

FAMILIES = (
    "Quillfeather", "Ambrelow", "Thistlewaye", "Corrandine", "Maplethwick", "Ossingham", "Verrinder-Loach", "Brackwyth",
    "Dunmallow", "Ellerswick", "Farthingoe", "Gossamere", "Hartlebrook", "Inglethorn", "Jessamory", "Kestreline",
    "Larkenby", "Mirrowick", "Nettleshaw", "O'Tarrow", "Pennyfold", "Rushmarrow", "Silverlatch", "Tamblewood",
    "Umberleigh", "Wexcombe", "Yarrowden", "Zellaby", "Crosswillow", "Birchanger", "Müllerby", "Ó Fearnley",
)  # fmt: skip
GIVEN = {
    "F": ("Oriel", "Tamsin", "Brielle", "Saffi", "Linnet", "Maren", "Zinnia", "Perdita", "Elowen", "Juniper"),
    "M": ("Caspian", "Aurel", "Torin", "Jory", "Lucan", "Wilder", "Emrys", "Piran", "Osric", "Tavish"),
}
STREETS = ("Larch Mews", "Old Ropewalk", "Candle Row", "Heron Bank", "Tannery Lane", "Far Orchard")
ETHNIC = ("A", "B", "C", "D", "G", "H", "J", "K", "M", "N", "R", "S", "Z")
"""Ethnic categories of the NHS Data Dictionary (England)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody the hospital knows."""

    hospital_number: str
    nhs_number: str
    family: str
    given: str
    sex: str
    """`F`, `M`, or `U` for unknown, as in PID-8."""
    born: datetime
    street: str
    postcode: str
    ethnic_category: str
    mother: "Person | None" = None
    named_at: datetime | None = None
    """Until then the child is called BABY."""
    numbered_at: datetime | None = None
    """When the NHS number is known; until then its trace is postponed (status 08)."""
    temporary_number: str | None = None
    merged_at: datetime | None = None
    """When the temporary number was merged into the hospital number."""
    birth_order: int | None = None
    """Of twins."""
    died_at: datetime | None = None

    def number_at(self, moment: datetime) -> str:
        """The hospital number in use."""
        if self.temporary_number and self.merged_at and moment < self.merged_at:
            return self.temporary_number
        return self.hospital_number

    def given_at(self, moment: datetime) -> str:
        """The given name in use."""
        return "BABY" if self.named_at and moment < self.named_at else self.given

    def is_numbered_at(self, moment: datetime) -> bool:
        """Whether the NHS number is known."""
        return self.numbered_at is None or moment >= self.numbered_at


def a_baby(book: NumberBook, rng: Random, *, born: datetime) -> Person:
    """A newborn with a mother, not yet named and without NHS number."""
    mother = an_adult(book, rng, born=after(born, days=-365.25 * rng.uniform(19, 42)), sex="F")
    sex = rng.choice("FM")
    return Person(
        hospital_number=book.hospital_number(),
        nhs_number=book.nhs_number(),
        family=mother.family,
        given=rng.choice(GIVEN[sex]),
        sex=sex,
        born=after(born),
        street=mother.street,
        postcode=mother.postcode,
        ethnic_category=rng.choice(ETHNIC),
        mother=mother,
        named_at=after(born, days=rng.uniform(1, 6)),
        numbered_at=after(born, days=rng.uniform(0.5, 4)),
    )


def a_twin(book: NumberBook, first: Person) -> Person:
    """Born eleven minutes later: same mother, family, address and date; only the numbers and the order differ."""
    return replace(
        first,
        hospital_number=book.hospital_number(),
        nhs_number=book.nhs_number(),
        given=next(given for given in GIVEN[first.sex] if given != first.given),
        born=after(first.born, minutes=11),
        birth_order=2,
        temporary_number=None,
        merged_at=None,
    )


def an_adult(book: NumberBook, rng: Random, *, born: datetime, sex: str) -> Person:
    """An adult with name and number long known."""
    return Person(
        hospital_number=book.hospital_number(),
        nhs_number=book.nhs_number(),
        family=rng.choice(FAMILIES),
        given=rng.choice(GIVEN[sex]),
        sex=sex,
        born=born,
        street=f"{rng.randint(1, 240)} {rng.choice(STREETS)}",
        postcode=_postcode(rng),
        ethnic_category=rng.choice(ETHNIC),
    )


def _postcode(rng: Random) -> str:
    """From the ZZ99 area, which the ONS uses for no place."""
    letters: Sequence[str] = "ABDEFGHJLNPQRSTUWXYZ"
    return f"ZZ99 {rng.randint(1, 9)}{rng.choice(letters)}{rng.choice(letters)}"
