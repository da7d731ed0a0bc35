"""What an ADT message says of visits, and what an identity event says of numbers: HL7 v2.5.1 chapter 3, by event.

Which event says what of numbers stands in `mappings/v2-to-fhir/tables/identity-events.csv`. Whose they are is not
decided here.
"""

from collections.abc import Iterable, Mapping

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.errors import Problem, ProblemCode
from adapter.mapping.load import IDENTITY_EVENTS, NO_WORD
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_engine import Engine, Made
from adapter.mapping.v2_reader import Table
from adapter.statement import Statement, VisitChange, Word

CANCELS = frozenset({"A11", "A12", "A13", "A23", "A27", "A38", "A52", "A53"})
"""Of two statements with one clock the cancel is the later."""
CANCEL_RANK = 10
PERSON_EVENTS = frozenset({"A28", "A29", "A31"})
"""They speak of the person, as all identity events do; no visit is made or changed by them."""
TRIAGE_ENCOUNTER = "triage-encounter"

OF_TWO = (Word.LINK, Word.UNLINK)
"""A message of these is about two patients, whose data nobody may mix."""
_OF_NUMBERS = (Word.MERGE, Word.RENAME, Word.MOVE_NUMBER)


_CHARGES = frozenset({"P03", "P11"})
"""Detail financial transactions (DFT, HL7 v2.5.1 §6.4.3, §6.4.11)."""


def word_of(tables: Mapping[str, Table], kind: str, event: str) -> Word | None:
    """What the event says of numbers; None for all others."""
    if not kind.startswith("ADT^"):
        return None
    entry = tables.get(IDENTITY_EVENTS, {}).get(event)
    return None if entry is None or entry.target == NO_WORD else Word(str(entry.target))


def place_visit(statement: Statement, made: Made, visit: str) -> None:
    """An ADT message states a visit; PV1 of a person event or a result only tells where the patient is."""
    statement.visit = visit
    is_of_person = statement.event in PERSON_EVENTS or statement.word is not None
    is_adt = statement.kind.startswith("ADT^") and not is_of_person
    if is_adt and visit:
        rank = CANCEL_RANK if statement.event in CANCELS else 0
        resources = [made.resource]
        item = Item(
            ItemKind.ENCOUNTER, visit, made.clock_us, rank, statement.event, Form.PATCH, resources, made.cleared
        )
        statement.items.append(item)
        return
    statement.context[TRIAGE_ENCOUNTER] = made.resource
    if is_adt:
        text = "PV1-19 is missing: the visit cannot be told from others"
        statement.problems.append(Problem(code=ProblemCode.NO_VISIT_NUMBER, text=text, at="PV1[1]-19"))


def list_item(made: list[Made], kind: ItemKind, key: str, *, event: str, engine: Engine) -> Item:
    """The list of one message, whole or of actions; an entry without a code is an emptied list, not an entry.

    The codes of a charge are those of what was charged, never all that the visit has: they add, and strike nothing.
    """
    is_action = event in _CHARGES or engine.rules.list_rule(made[0].plan.compiled.segment) == "action"
    named = ("code", "identifier") if is_action else ("code",)
    resources = [entry.resource for entry in made if any(name in entry.resource for name in named)]
    form = Form.ACTION if is_action else Form.PATCH
    return Item(kind, key, max(entry.clock_us for entry in made), 0, event, form, resources)


def add_numbers(statement: Statement, made_here: Iterable[Made]) -> None:
    """The account of an ADT message; of an identity event all numbers that it speaks of."""
    named = [made for made in made_here if made.plan.item in _NUMBERED]
    of_patient = next((made.key for made in named if _is_account(made, "PID")), "")
    statement.account = of_patient
    if statement.word in OF_TWO:
        _set_apart(statement, [made.resource for made in named if made.plan.item is Role.PATIENT])
    elif statement.word in _OF_NUMBERS:
        statement.prior = [made.resource for made in named if made.plan.item is Role.PRIOR]
    elif statement.word is not None:
        statement.changes = list(_changes(named, of_patient))
        statement.items += _renamings(statement)


_NUMBERED = frozenset({Role.PATIENT, Role.PRIOR, Role.PRIOR_VISIT, Role.ACCOUNT, Role.ENCOUNTER})


def _is_account(made: Made, segment: str) -> bool:
    return made.plan.item is Role.ACCOUNT and made.plan.compiled.segment == segment


def _set_apart(statement: Statement, patients: list[Resource]) -> None:
    """Of two patients in one message nothing is learnt but what is said of their numbers."""
    statement.patient = patients[0] if patients else None
    statement.prior = patients[1:]
    statement.items.clear()
    statement.related.clear()
    statement.context.clear()


def _changes(named: Iterable[Made], account: str) -> Iterable[VisitChange]:
    """One for each MRG; PV1 follows the MRG it belongs to (ADT^A45: `{MRG PV1}`)."""
    changes: dict[int, dict[str, object]] = {}
    for made in named:
        role, segment = made.plan.item, made.plan.compiled.segment
        if segment == "MRG":
            said = changes.setdefault(made.line, {})
            if role is Role.PRIOR:
                said["prior"] = made.resource
            else:
                said["prior_visit" if role is Role.PRIOR_VISIT else "prior_account"] = made.key
        elif role is Role.ENCOUNTER and changes:
            list(changes.values())[-1].setdefault("visit", _whole(made.key))
    for said in changes.values():
        prior = said.get("prior")
        yield VisitChange(
            prior=prior if isinstance(prior, dict) else None,
            prior_visit=_whole(said.get("prior_visit")),
            visit=_whole(said.get("visit")),
            prior_account=_whole(said.get("prior_account")),
            account=account,
        )


def _whole(key: object) -> str:
    """A key with a number behind its kind; empty where there is none."""
    return str(key) if key and str(key).partition("|")[2] else ""


def _renamings(statement: Statement) -> Iterable[Item]:
    """That numbers of visits and accounts are others now; a moved visit may get a new number at the same time."""
    for change in statement.changes:
        pairs = [(change.prior_account, change.account), (change.prior_visit, change.visit)]
        if statement.word is Word.VISIT_NUMBER:
            pairs = pairs[1:]
        elif statement.word is Word.ACCOUNT_NUMBER and change.prior_account:
            pairs = pairs[:1]
        for old, new in pairs:
            if old and new and old != new:
                resource = {"resourceType": "Encounter", "partOf": {"reference": new}}
                yield Item(ItemKind.VISIT_NUMBER, old, statement.clock_us, 0, statement.event, Form.PATCH, [resource])
