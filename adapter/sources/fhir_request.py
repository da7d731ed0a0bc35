"""What is asked of a FHIR server: the address, or the form of a POST, of a search, a read and a next link. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode

_ANY = "*"
_WISHES = frozenset({"_sort", "_count"})
"""What a search can do without."""
_FORM = "application/x-www-form-urlencoded"
_NONE: Mapping[str, str] = MappingProxyType({})

Pairs = Sequence[tuple[str, str]]
"""Names and values of parameters, as they are sent."""


class Request(NamedTuple):
    """One request."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = _NONE
    body: bytes | None = None
    is_link: bool = False
    """The server gave this address itself."""
    is_search: bool = True
    """A searchset is expected, and not one resource."""


class Style(NamedTuple):
    """How a server wants to be asked for a type."""

    post: bool = False
    lenient: bool = False
    exclusive: tuple[tuple[str, str], ...] = ()
    """Parameters that it takes only without each other; `*` is any other one."""


DEFAULT = Style()


def search(base_url: str, resource_type: str, pairs: Pairs, *, style: Style = DEFAULT) -> Request:
    """The first page of a search. With POST nothing of it stands in the address (Epic ignores there what does)."""
    query = urlencode(_allowed(pairs, style.exclusive))
    headers = {"Prefer": "handling=lenient"} if style.lenient else {}
    if style.post:
        url = f"{base_url}/{resource_type}/_search"
        return Request(url, "POST", {**headers, "Content-Type": _FORM}, query.encode("ascii"))
    return Request(f"{base_url}/{resource_type}?{query}", headers=headers)


def read(base_url: str, name: str) -> Request:
    """One resource by its name, `Patient/123`."""
    return Request(f"{base_url}/{name}", is_search=False)


def follow(link: str) -> Request:
    """The page that a link leads to, always by GET (FHIR R4, section 3.1.0.4)."""
    return Request(link, is_link=True)


def _allowed(pairs: Pairs, exclusive: Sequence[tuple[str, str]]) -> Pairs:
    """Without what the server does not take beside another: wishes give way, and to `_id` alone everything does."""
    names = {name.partition(":")[0] for name, _ in pairs}
    for one, other in exclusive:
        alone = {one, other} - {_ANY}
        if _ANY in (one, other) and alone <= names:
            return [pair for pair in pairs if pair[0].partition(":")[0] in alone]
        if {one, other} <= names:
            names -= {one, other} & _WISHES
    return [pair for pair in pairs if pair[0].partition(":")[0] in names]
