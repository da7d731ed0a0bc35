"""The lists of examinations of two radiology departments, and the register's word for each."""

import csv
import io
from collections.abc import Iterable

from adapter.simulator.examinations import ImagingCode

EPIC_RADIOLOGY = "RADIANT"
CAREFLOW_RADIOLOGY = "CRIS"

# study of the register: modality, code and words of either department
_STUDIES = (
    ("abdominal_xray", "CR", "XABDO", "XR Abdomen", "1041", "X-ray abdomen"),
    ("chest_xray", "DX", "XCHES", "XR Chest", "1012", "X-ray chest"),
    ("chest_abdominal_xray", "CR", "XCHAB", "XR Chest and abdomen", "1043", "X-ray chest and abdomen neonatal"),
    ("abdominal_ultrasound", "US", "UABDO", "US Abdomen", "2041", "Ultrasound abdomen"),
    ("renal_ultrasound", "US", "URENT", "US Renal tract", "2055", "Ultrasound urinary tract"),
    ("cranial_ultrasound", "US", "UCRAN", "US Cranial", "2001", "Ultrasound head neonatal"),
    ("upper_gi_contrast", "RF", "FUGIC", "FL Upper GI contrast", "3021", "Contrast swallow and meal"),
    ("lower_gi_contrast", "RF", "FENEM", "FL Contrast enema", "3034", "Contrast enema neonatal"),
    ("mcug", "RF", "FMCUG", "FL Micturating cystourethrogram", "3061", "MCUG"),
    ("renal_nuclear", "NM", "NMAG3", "NM MAG3 renogram", "5052", "MAG3"),
    ("echocardiogram", "US", "UECHO", "Echocardiogram", "2080", "Echo paediatric"),
    ("mr_head", "MR", "MHEAD", "MR Head", "4001", "MRI brain"),
    ("other", "CT", "CCHES", "CT Chest", "6012", "CT thorax"),
)


def _codes(*, is_epic: bool) -> dict[str, ImagingCode]:
    return {
        study: ImagingCode(
            code=epic if is_epic else careflow,
            words=epic_words if is_epic else careflow_words,
            system=EPIC_RADIOLOGY if is_epic else CAREFLOW_RADIOLOGY,
            study=study,
            modality=modality,
        )
        for study, modality, epic, epic_words, careflow, careflow_words in _STUDIES
    }


IMAGING: dict[str, dict[str, ImagingCode]] = {"epic": _codes(is_epic=True), "careflow": _codes(is_epic=False)}
"""By dialect of the site, then by study."""


def imaging_codes() -> tuple[ImagingCode, ...]:
    """Both lists."""
    return tuple(code for codes in IMAGING.values() for code in codes.values())


def imaging_codes_csv(codes: Iterable[ImagingCode]) -> str:
    """The same as the text of the trust's table of examinations."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("code", "system", "study", "modality"))
    table.writerows((code.code, code.system, code.study, code.modality) for code in codes)
    return text.getvalue()
