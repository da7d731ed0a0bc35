"""How final a result is: OBX-11 beside OBR-25, which speaks of the whole order (behaviour 127)."""

from adapter.errors import ProblemCode
from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_codes import code
from adapter.mapping.v2_reader import Json, Reader

DISAGREEING = "disagreeing-status"
"""`F P`: the order is final (OBR-25) and the result preliminary (OBX-11) → what the result is by the order."""


def result_status(reader: Reader, text: str, rule: FieldRule, order: str = "") -> Json | None:
    """OBX-11 through the table; where OBR-25 (`order`) contradicts it, that is told, and the feed says which holds."""
    status = code(reader, text, rule)
    if not order:
        return status
    own, whole = (reader.text(reader.parts(each)[0]) for each in (text, order))
    said_of_order = reader.look_up(DISAGREEING, f"{whole} {own}")
    if said_of_order is None:
        return status
    reader.fault(ProblemCode.STATUSES_DISAGREE, "OBX-11 and OBR-25 contradict each other about how final the result is")
    return reader.derive("status-of-order", own, said_of_order.target) if reader.order_decides else status
