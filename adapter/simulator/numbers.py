"""Numbers the hospital gives out: unique within a simulation, and none that a person could have."""

from random import Random

LETTERS_OF_A_LABORATORY = "26L"


def check_digit(nine: str) -> str | None:
    """Modulus 11 as the NHS Data Dictionary defines it; None where the remainder makes the number invalid."""
    total = sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True))
    check = (11 - total % 11) % 11
    return None if check == 10 else str(check)


class NumberBook:
    """Gives each number once, in an order that the seed decides."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._given: set[str] = set()

    def nhs_number(self) -> str:
        """From the 999 range, which is never issued."""
        while True:
            nine = f"999{self._rng.randrange(1_000_000):06d}"
            check = check_digit(nine)
            if check is not None and nine not in self._given:
                self._given.add(nine)
                return nine + check

    def hospital_number(self) -> str:
        """Seven digits."""
        return self._unused("", 1_000_000, 9_999_999)

    def temporary_number(self) -> str:
        """What the labour ward writes on the wristband before the hospital number exists."""
        return self._unused("T", 100_000, 999_999)

    def visit_number(self) -> str:
        """PV1-19."""
        return self._unused("V", 10_000_000, 99_999_999)

    def order_number(self) -> str:
        """OBR-3."""
        return self._unused(LETTERS_OF_A_LABORATORY, 1_000_000, 9_999_999)

    def accession_number(self) -> str:
        """OBR-3 of a radiology report; eleven signs, as many systems hold no more."""
        return self._unused("RXX", 10_000_000, 99_999_999)

    def placer_number(self) -> str:
        """ORC-2 of a request to radiology."""
        return self._unused("", 100_000_000, 999_999_999)

    def prescription_number(self) -> str:
        """ORC-2 of an order of a drug."""
        return self._unused("RX", 1_000_000, 9_999_999)

    def record_number(self) -> str:
        """Of a set of measurements or a form."""
        return self._unused("F", 1_000_000, 9_999_999)

    def study_uid(self) -> str:
        """DICOM Study Instance UID, under the root of UUIDs (PS3.5, B.2)."""
        return f"2.25.{self._rng.getrandbits(100)}"

    def _unused(self, prefix: str, least: int, most: int) -> str:
        while (number := f"{prefix}{self._rng.randint(least, most)}") in self._given:
            pass
        self._given.add(number)
        return number
