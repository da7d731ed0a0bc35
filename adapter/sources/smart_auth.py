"""How the adapter shows a FHIR server who it is, where it does not sign in by itself (`smart_token` does)."""

from collections.abc import Callable, Mapping
from typing import Protocol

from adapter.errors import NotNow, SetupError, SourceFault


class Credentials(Protocol):
    """What a FHIR server is shown."""

    def header(self) -> str | None:
        """The value of `Authorization`; None where the server asks for none. NotNow if there is none to be had."""

    def beside(self) -> Mapping[str, str]:
        """Further headers that a site wants; they go where `Authorization` goes, and nowhere else."""

    def renew(self) -> None:
        """The server did not take the last one."""

    def may_read(self, resource_type: str) -> bool:
        """False where the server has said that this type may not be read."""


class NoCredentials:
    """For a server that asks for none."""

    def header(self) -> str | None:
        """None."""
        return None

    def beside(self) -> Mapping[str, str]:
        """None."""
        return {}

    def renew(self) -> None:
        """There is nothing to renew."""

    def may_read(self, resource_type: str) -> bool:
        """Nothing is known against it."""
        return True


class StaticToken:
    """A bearer token from a file or the environment, read at first use and again when the server refuses it."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        """`read` raises SetupError where there is no token now."""
        self._read = read
        self._token = ""

    def header(self) -> str | None:
        """See Credentials."""
        if not self._token:
            try:
                token = self._read().decode("ascii").strip()
            except (SetupError, UnicodeDecodeError) as error:
                text = str(error) if isinstance(error, SetupError) else "the token holds bytes that no token has"
                raise NotNow(SourceFault.NO_TOKEN, text) from None
            if not token.isprintable() or " " in token:
                raise NotNow(SourceFault.NO_TOKEN, "the token holds characters that no token has")
            self._token = token
        return f"Bearer {self._token}"

    def beside(self) -> Mapping[str, str]:
        """None."""
        return {}

    def renew(self) -> None:
        """See Credentials."""
        self._token = ""

    def may_read(self, resource_type: str) -> bool:
        """Nothing is known against it."""
        return True


class WithHeaders:
    """Credentials with headers of a site's own beside them: `Epic-Client-ID`, a gateway's key."""

    def __init__(self, credentials: Credentials, read: Mapping[str, Callable[[], bytes]]) -> None:
        """`read`: by the name of the header what reads its value; it raises SetupError where there is none now."""
        self._credentials = credentials
        self._read = read
        self._values: dict[str, str] = {}

    def header(self) -> str | None:
        """See Credentials."""
        return self._credentials.header()

    def beside(self) -> Mapping[str, str]:
        """See Credentials. NotNow where a value cannot be had, or cannot stand in a header."""
        if not self._values:
            self._values = {name: _value(name, read) for name, read in self._read.items()}
        return self._values

    def renew(self) -> None:
        """See Credentials."""
        self._values = {}
        self._credentials.renew()

    def may_read(self, resource_type: str) -> bool:
        """See Credentials."""
        return self._credentials.may_read(resource_type)


def _value(name: str, read: Callable[[], bytes]) -> str:
    try:
        text = read().decode("ascii").strip()
    except (SetupError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, SetupError) else f"the header {name} holds bytes that no header has"
        raise NotNow(SourceFault.NO_TOKEN, said) from None
    if not text.isprintable():
        raise NotNow(SourceFault.NO_TOKEN, f"the header {name} holds characters that no header has")
    return text
