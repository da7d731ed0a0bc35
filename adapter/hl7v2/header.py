"""MSH alone, read from bytes: all that receiving and acknowledging need, in a few microseconds."""

from functools import lru_cache
from typing import NamedTuple

JUNK = b" \t\r\n\x0b\x00\xef\xbb\xbf"
"""What may stand before MSH: white space, a start block, a byte order mark."""

_DEFAULT = "^~\\&"


class Delimiters(NamedTuple):
    """The characters of MSH-1 and MSH-2; empty where the sender declares none."""

    field: str
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def literals(self) -> str:
        r"""What `\F\ \S\ \T\ \R\ \E\ \P\` stand for, in that order."""
        return self.field + self.component + self.subcomponent + self.repetition + self.escape + self.truncation


class Header(NamedTuple):
    """MSH as bytes, fields whole and still escaped."""

    delimiters: Delimiters
    type: bytes
    """`ADT^A01`: MSH-9.1 and MSH-9.2, joined by `^` whatever the sender's delimiter."""
    control_id: bytes
    """MSH-10."""
    sending_application: bytes
    sending_facility: bytes
    receiving_application: bytes
    receiving_facility: bytes
    processing_id: bytes
    """MSH-11."""
    version: bytes
    """MSH-12."""
    accept_ack: bytes
    """MSH-15."""
    application_ack: bytes
    """MSH-16."""
    charset: bytes
    """MSH-18, its first repetition."""


def read_header(raw: bytes) -> Header | None:
    """The MSH segment of a message, or None where there is none that can be read."""
    if raw[:3] != b"MSH":
        raw = raw[:64].lstrip(JUNK) + raw[64:]
        if raw[:3] != b"MSH":
            return None
    end = raw.find(b"\r")
    feed = raw.find(b"\n", 0, end if end >= 0 else len(raw))
    end = feed if feed >= 0 else end
    line = raw[:end] if end >= 0 else raw
    separator = line[3:4]
    second = line.find(separator, 4) if separator else -1
    delimiters = _delimiters(separator, line[4 : min(second, 10) if second >= 0 else 10])
    if delimiters is None:
        return None
    fields = line.split(line[3:4], 18)
    fields += [b""] * (18 - len(fields))
    kind, _, rest = fields[8].partition(delimiters.component.encode())
    event = rest.partition(delimiters.component.encode())[0]
    charset = fields[17].partition(line[3:4])[0].partition(delimiters.repetition.encode() or b"~")[0]
    return Header(
        delimiters,
        kind + b"^" + event if event else kind,
        fields[9],
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[10],
        fields[11],
        fields[14],
        fields[15],
        charset,
    )


@lru_cache(maxsize=256)
def _delimiters(separator: bytes, others: bytes) -> Delimiters | None:
    """None for a separator that cannot be one: absent, a letter or digit, a control character, not ASCII."""
    if not separator or separator.isalnum() or not b"\x20" < separator < b"\x7f":
        return None
    declared = others.decode("latin-1")
    if declared[2:3] and declared[2:3] == declared[3:4]:
        # `^~\\&`: a sender that writes MSH from program text may double the escape. All must differ (v2.5.1 §2.5.4).
        declared = declared[:3] + declared[4:]
    declared = declared[:5] or _DEFAULT
    if not declared.isascii() or separator.decode() in declared:
        return None
    return Delimiters(separator.decode(), *declared, *[""] * (5 - len(declared)))


def content_without_stamp(raw: bytes) -> tuple[bytes, ...]:
    """The message without MSH-7 and MSH-10, in pieces: equal for resends under a new time and control id."""
    return (raw,) if read_header(raw) is None else without_stamp(raw)


def without_stamp(raw: bytes) -> tuple[bytes, ...]:
    """The same of bytes whose header has been read."""
    start = raw.find(b"MSH")
    separator = raw[start + 3 : start + 4]
    line = min((end for end in (raw.find(b"\r", start), raw.find(b"\n", start)) if end >= 0), default=len(raw))
    edges = [start + 3]
    while len(edges) < 10:
        found = raw.find(separator, edges[-1] + 1, line)
        if found < 0:
            break
        edges.append(found)
    edges += [line] * (10 - len(edges))
    # MSH-n lies between the separators n-1 and n, MSH-1 being the first separator itself.
    return raw[: edges[5] + 1], raw[edges[6] : edges[8] + 1], raw[edges[9] :]
