"""How a source's HL7 v2 is read: `reading:` of a source over what the trust says for all, over its vendor's facts."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from adapter.datafile import Positioned


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("is no character set that is known here, such as cp1252, utf-8 or iso8859-1") from None


class Reading(Positioned):
    """What the standard leaves to the sender, and where a sender leaves the standard."""

    null: Literal["clear", "ignore"] = "clear"
    """What `\"\"` does."""
    empty: Literal["keep", "clear"] = "keep"
    """What an empty field does."""
    lists: Mapping[Literal["DG1", "PR1", "OBX"], Literal["snapshot", "action"]] = {}
    """Whether the segments of a message are the whole list."""
    status_precedence: Literal["obx", "obr"] = "obx"
    """Which status holds where OBX-11 and OBR-25 disagree."""
    documents: Literal["drop", "keep-inside"] = "drop"
    """What becomes of a PDF in a message; it is never sent on."""
    encoding: Annotated[str, AfterValidator(_codec)] | None = None
    """The character set the source really uses, whatever MSH-18 says."""


class V2(Positioned):
    """What holds for all HL7 v2 sources that do not say otherwise."""

    reading: Reading = Reading()
