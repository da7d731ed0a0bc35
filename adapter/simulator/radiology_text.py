"""Writes a radiology report: varied in layout and words, and saying exactly the signs it is told to say."""

from collections.abc import Iterator, Sequence
from random import Random

from adapter.simulator.examinations import Sign
from adapter.simulator.sign_phrases import ABSENT_LIST, ABSENT_ONE, NOUN, PRESENT, UNCERTAIN

_BACKGROUND = {
    "abdominal_xray": (
        "Supine AP film of the abdomen.",
        "The nasogastric tube tip projects over the stomach.",
        "Umbilical catheters in satisfactory position.",
        "No bony abnormality.",
    ),
    "chest_abdominal_xray": (
        "AP supine chest and abdomen.",
        "ET tube tip at T2.",
        "The long line tip lies in the superior vena cava.",
        "Normal cardiac silhouette.",
    ),
    "chest_xray": (
        "AP supine chest.",
        "ET tube tip at T2, satisfactory.",
        "The long line tip lies at the cavoatrial junction.",
        "No pneumothorax.",
    ),
    "abdominal_ultrasound": ("Bedside study.", "Liver and spleen are of normal echotexture.", "Both kidneys normal."),
    "renal_ultrasound": ("Bipolar renal lengths recorded.", "Bladder scanned before and after voiding."),
    "cranial_ultrasound": (
        "Ventricles of normal size.",
        "No intraventricular haemorrhage.",
        "Normal grey-white differentiation.",
    ),
    "upper_gi_contrast": ("Water-soluble contrast given by tube under screening.", "Screening time 1.2 minutes."),
    "lower_gi_contrast": (
        "Water-soluble enema through a soft catheter, balloon not inflated.",
        "Screening time 2 min.",
    ),
    "mcug": ("Contrast run in through a 6Fr feeding tube under antibiotic cover.", "Bladder filled twice."),
    "renal_nuclear": ("99mTc MAG3 given intravenously.", "Differential function left 38%, right 62%."),
    "echocardiogram": ("Normal segmental connections.", "Good biventricular function."),
    "mr_head": ("Standard sequences without contrast.", "Normal for corrected age."),
    "other": ("Low dose acquisition.", "Lungs are clear."),
}
_ENDS = ("Reported by: Consultant Paediatric Radiologist", "Dr P Ellerby, Radiology", "Report verified electronically.")


def report_lines(
    rng: Random,
    *,
    study: str,
    indication: str,
    present: Sequence[Sign],
    absent: Sequence[Sign],
    uncertain: Sequence[Sign],
) -> tuple[str, ...]:
    """The text, one line per line."""
    findings = [*_background(rng, study), *_said(rng, present=present, absent=absent, uncertain=uncertain)]
    summary = _summary(present, uncertain)
    layout = rng.randrange(3)
    if layout == 0:
        return (
            f"Clinical details: {indication}",
            "Findings:",
            *findings,
            f"Conclusion: {summary}",
            rng.choice(_ENDS),
        )
    if layout == 1:
        return (f"INDICATION: {indication}", "REPORT:", " ".join(findings), f"IMPRESSION: {summary}")
    return (*findings, rng.choice(_ENDS))


def addendum(rng: Random, *, sign: Sign) -> tuple[str, ...]:
    """What a second reader adds: a sign that the first report did not speak of."""
    return ("ADDENDUM: Reviewed at the surgical radiology meeting.", rng.choice(PRESENT[sign]))


def _background(rng: Random, study: str) -> list[str]:
    lines = _BACKGROUND[study]
    return [lines[0], *rng.sample(lines[1:], k=min(2, len(lines) - 1))]


def _said(
    rng: Random, *, present: Sequence[Sign], absent: Sequence[Sign], uncertain: Sequence[Sign]
) -> Iterator[str]:  # fmt: skip
    for sign in present:
        yield rng.choice(PRESENT[sign])
    for sign in uncertain:
        noun = NOUN[sign]
        yield rng.choice(UNCERTAIN).format(sign=noun, Sign=noun[0].upper() + noun[1:])
    if len(absent) == 1:
        yield rng.choice(ABSENT_ONE).format(sign=NOUN[absent[0]])
    elif absent:
        *most, last = [NOUN[sign] for sign in absent]
        yield rng.choice(ABSENT_LIST).format(signs=f"{', '.join(most)} or {last}")


def _summary(present: Sequence[Sign], uncertain: Sequence[Sign]) -> str:
    if present:
        return f"{NOUN[present[0]].capitalize()}. Discussed with the surgical team."
    if uncertain:
        return "Equivocal study. Clinical correlation advised."
    return "No significant abnormality demonstrated."
