"""Names, addresses, contact points, and references to people and places: XPN, XAD, XTN, XCN, NDL, XON, PL."""

from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_reader import Json, Reader

_PHONE_SYSTEMS = frozenset({"INTERNET", "X.400"})


def human_name(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XPN as HumanName."""
    parts = _padded(reader, text, 14)
    found = _name(reader, [reader.inner.parts(parts[0])[0], *parts[1:6]])
    use = parts[6] and reader.target("name-use", reader.text(parts[6]))
    if found and use:
        found["use"] = use
    span = {name: time for name, at in (("start", 11), ("end", 12)) if parts[at] and (time := reader.time(parts[at]))}
    if found and span:
        found["period"] = span
    return found or None


def called_by(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XPN.15, the name by which somebody is called, as a HumanName of its own."""
    parts = reader.parts(text)
    given = reader.text(parts[14]) if len(parts) > 14 else ""
    return {"use": "nickname", "given": [given]} if given else None


def _name(reader: Reader, pieces: list[str]) -> dict[str, Json]:
    """Family, given, further given, suffix, prefix, degree: in the order XPN and XCN share."""
    family, *given, suffix, prefix, degree = [reader.text(piece) for piece in pieces]
    found: dict[str, Json] = {}
    if family:
        found["family"] = family
    if names := [name for name in given if name]:
        found["given"] = names
    if prefix:
        found["prefix"] = [prefix]
    if suffixes := [suffix for suffix in (suffix, degree) if suffix]:
        found["suffix"] = suffixes
    return found


def address(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XAD as Address. XAD.1 may be an SAD, whose subcomponents become lines of their own."""
    parts = _padded(reader, text, 14)
    inner = reader.inner
    lines = [line for piece in inner.parts(parts[0]) if (line := inner.text(piece))]
    lines += [line for piece in (parts[1],) if (line := reader.text(piece))]
    found: dict[str, Json] = {"line": lines} if lines else {}
    for name, at in (("city", 2), ("district", 8), ("state", 3), ("postalCode", 4), ("country", 5)):
        if parts[at] and (value := reader.text(inner.parts(parts[at])[0])):
            found[name] = value
    kind = reader.text(parts[6])
    for element, table in (("use", "address-use"), ("type", "address-type")):
        if kind and (known := reader.target(table, kind)):
            found[element] = known
    span = {name: time for name, at in (("start", 12), ("end", 13)) if parts[at] and (time := reader.time(parts[at]))}
    if span:
        found["period"] = span
    return found or None


def contact_point(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XTN as ContactPoint: XTN.12 as dialled, else put together from its parts, else the deprecated XTN.1."""
    parts = [reader.text(piece) for piece in _padded(reader, text, 12)]
    is_mail = parts[2].upper() in _PHONE_SYSTEMS or (bool(parts[3]) and not parts[2])
    value = parts[3] if is_mail else parts[11] or _dialled(reader, parts) or parts[0]
    if not value:
        return None
    system = reader.target("telecom-system", parts[2]) if parts[2] else None
    found: dict[str, Json] = {"system": system or ("email" if is_mail else "phone"), "value": value}
    if parts[1] and (use := reader.target("telecom-use", parts[1])):
        found["use"] = use
    return found


def _dialled(reader: Reader, parts: list[str]) -> str:
    country, area, local, extension = parts[4:8]
    if not local:
        return ""
    country = reader.prefixed("+", country) if country and area else ""
    return reader.join(" ", [country, area, local, reader.prefixed("X", extension) if extension else ""])


def practitioner(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XCN as a logical reference: identifier and name, no resource of its own."""
    parts = _padded(reader, text, 13)
    value = reader.text(parts[0])
    family = reader.inner.parts(parts[1])[0]
    pieces = [reader.text(piece) for piece in (parts[5], parts[2], parts[3], family, parts[4])]
    return _reference(reader, "Practitioner", value, authority=parts[8], display=reader.join(" ", pieces))


def interpreter(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """NDL as a logical reference; its name is a CNN in subcomponents."""
    inner = reader.inner
    pieces = inner.parts(reader.parts(text)[0])
    names = [inner.text(pieces[at]) for at in (5, 2, 3, 1) if at < len(pieces)]
    return _reference(reader, "Practitioner", inner.text(pieces[0]), authority="", display=reader.join(" ", names))


def organization(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """XON or HD as a logical reference."""
    parts = _padded(reader, text, 10)
    value = reader.text(parts[9]) or reader.text(parts[2])
    return _reference(reader, "Organization", value, authority=parts[5], display=reader.text(parts[0]))


def location(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """PL as a logical reference: the point of care is the identifier; ward, room and bed are the display."""
    parts = _padded(reader, text, 9)
    inner = reader.inner
    point, room, bed, facility, _status, _type, building, floor, described = [
        inner.text(inner.parts(piece)[0]) for piece in parts[:9]
    ]
    display = described or reader.join(" / ", [point, room, bed] if point or room or bed else [building, floor])
    value = point or room or bed or facility
    return _reference(reader, "Location", value, authority=parts[3] if point else "", display=display)


def _reference(reader: Reader, kind: str, value: str, *, authority: str, display: str) -> Json | None:
    if not value and not display:
        return None
    found: dict[str, Json] = {"type": kind}
    if value:
        found["identifier"] = {"value": value}
        name = reader.inner.text(reader.inner.parts(authority)[0]) if authority else ""
        if name:
            found["identifier"]["assigner"] = {"display": name}
    if display:
        found["display"] = display
    return found


def _padded(reader: Reader, text: str, length: int) -> list[str]:
    parts = reader.parts(text)
    return parts if len(parts) >= length else parts + [""] * (length - len(parts))
