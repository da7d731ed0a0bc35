"""How a Bundle tells that two patients are one: Patient.link, where a statement has `prior`."""

from collections.abc import Callable, Sequence

from adapter.assertion import Resource
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_engine import Made
from adapter.statement import Word

_ONE_PATIENT = (Word.MERGE, Word.RENAME)
_OF_A_VISIT = (Word.ACCOUNT_NUMBER, Word.VISIT_NUMBER, Word.MOVE_ACCOUNT, Word.MOVE_VISIT)


def without_others(made_here: Sequence[Made], word: Word | None) -> list[Made]:
    """What the Bundle holds: of a moved visit or account, not the patient in MRG-1, of whom nothing is said."""
    if word not in _OF_A_VISIT:
        return list(made_here)
    return [made for made in made_here if made.plan.item is not Role.PRIOR]


def links(made_here: Sequence[Made], word: Word | None, refer: Callable[[str], str]) -> dict[str, list[Resource]]:
    """By the reference of a Patient, its links: a merge retires the patient of each MRG, a link (A24) joins two."""
    if word is Word.LINK:
        patients = [refer(made.name) for made in made_here if made.plan.item is Role.PATIENT]
        return {each: [_link(other, "seealso") for other in patients if other != each] for each in patients}
    if word not in _ONE_PATIENT:
        return {}
    found: dict[str, list[Resource]] = {}
    survivor = ""
    for made in made_here:
        if made.plan.item is Role.PATIENT:
            survivor = refer(made.name)
        elif made.plan.item is Role.PRIOR and survivor:
            prior = refer(made.name)
            found.setdefault(survivor, []).append(_link(prior, "replaces"))
            found[prior] = [_link(survivor, "replaced-by")]
    return found


def _link(other: str, kind: str) -> Resource:
    return {"other": {"reference": other}, "type": kind}
