"""What an infant's blood would show at a time: plausible for a neonatal ward, not predictive."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

# analyte: well, very ill, spread, least that the method can tell
_LEVELS: dict[str, tuple[float, float, float, float]] = {
    "haemoglobin": (150, 105, 12, 20),
    "haematocrit": (0.45, 0.32, 0.03, 0.06),
    "platelets": (270, 52, 28, 5),
    "wcc": (11.5, 3.4, 1.8, 0.1),
    "neutrophils": (5.2, 0.9, 1.0, 0.1),
    "lymphocytes": (4.4, 2.0, 0.8, 0.1),
    "crp": (2, 130, 3, 1),
    "procalcitonin": (0.3, 18, 0.15, 0.05),
    "sodium": (138, 130, 2.2, 100),
    "potassium": (4.6, 5.7, 0.4, 1.5),
    "chloride": (104, 101, 2.5, 70),
    "urea": (3.6, 9.5, 1.0, 0.5),
    "creatinine": (38, 92, 7, 4),
    "bicarbonate": (22, 15, 1.6, 5),
    "bilirubin_total": (35, 60, 12, 3),
    "bilirubin_conjugated": (8, 14, 3, 2),
    "albumin": (33, 22, 2, 10),
    "alt": (22, 60, 7, 3),
    "ast": (35, 90, 9, 5),
    "alp": (260, 310, 45, 30),
    "ggt": (70, 110, 20, 5),
    "calcium_total": (2.38, 2.05, 0.1, 1.0),
    "phosphate": (1.9, 1.5, 0.25, 0.3),
    "magnesium": (0.82, 0.70, 0.07, 0.2),
    "triglycerides": (1.1, 2.4, 0.35, 0.1),
    "glucose": (4.9, 11, 0.8, 1.1),
    "lactate": (1.6, 7.2, 0.4, 0.3),
    "ph": (7.36, 7.14, 0.03, 6.6),
    "hydrogen_ion": (43, 72, 3, 15),
    "pco2": (5.6, 7.6, 0.5, 2.0),
    "po2": (7.4, 6.2, 0.9, 2.0),
    "base_excess": (-1.5, -11, 1.4, -30),
    "calcium_ionised": (1.22, 1.05, 0.06, 0.4),
    "inr": (1.2, 1.9, 0.1, 0.8),
    "prothrombin_time": (14, 22, 1.2, 8),
    "aptt": (42, 68, 5, 18),
    "fibrinogen": (2.3, 1.3, 0.4, 0.4),
    "ammonia": (48, 75, 12, 10),
    "cystatin_c": (1.6, 2.2, 0.2, 0.3),
}
_JAUNDICE_UMOL_L = 150.0
_CHOLESTASIS_PER_WEEK_UMOL_L = 17.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Illness:
    """When results are those of a very ill infant, and how ill (0 to 1)."""

    since: datetime
    until: datetime
    severity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Physiology:
    """What decides the results of one infant."""

    born: datetime
    illnesses: tuple[Illness, ...] = ()
    nutrition_since: datetime | None = None
    """Parenteral nutrition makes cholestasis after two weeks."""
    nutrition_until: datetime | None = None
    creatinine_peak: float = 0.0
    """Above the usual, as behind an obstructed urethra; it halves in five days."""
    breathing_until: datetime | None = None
    """Until then carbon dioxide is high, as of small lungs."""

    def measure(self, analyte: str, at: datetime, rng: Random) -> tuple[float, float]:
        """A value, and the least that the method can tell."""
        well, ill, spread, least = _LEVELS[analyte]
        mean = well + (ill - well) * self._severity(at) + self._extra(analyte, (at - self.born).total_seconds() / 86400)
        return rng.gauss(mean + self._lungs(analyte, at) + self._liver(analyte, at), spread), least

    def _severity(self, at: datetime) -> float:
        return max((illness.severity for illness in self.illnesses if illness.since <= at <= illness.until), default=0)

    def _extra(self, analyte: str, age_days: float) -> float:
        if analyte == "creatinine":
            # In the first three days it is the mother's.
            fallen = float(0.5 ** (max(age_days, 0) / 5))
            return self.creatinine_peak * fallen + (32 if age_days < 3 else 0)
        if analyte == "bilirubin_total":
            return max(0.0, _JAUNDICE_UMOL_L * (1 - abs(age_days - 4) / 8))
        return 0.0

    def _lungs(self, analyte: str, at: datetime) -> float:
        if self.breathing_until is None or at > self.breathing_until:
            return 0.0
        return {"pco2": 2.4, "ph": -0.12, "hydrogen_ion": 17.0, "po2": -1.4}.get(analyte, 0.0)

    def _liver(self, analyte: str, at: datetime) -> float:
        if self.nutrition_since is None or self.nutrition_until is None:
            return 0.0
        weeks = (min(at, self.nutrition_until) - self.nutrition_since).total_seconds() / 604800
        rise = max(0.0, weeks - 2) * _CHOLESTASIS_PER_WEEK_UMOL_L
        return {"bilirubin_conjugated": rise, "bilirubin_total": rise, "alt": rise * 1.4, "ggt": rise * 2}.get(
            analyte, 0.0
        )
