"""The receiver's own small settings file (`adapter/receiver/example.yaml` shows every key)."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator


class SettingsError(ValueError):
    """The settings file cannot be used; the text names the file, the key and what to do, never a secret."""


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return folder / path if isinstance(folder, Path) else path


_PathBesideFile = Annotated[Path, AfterValidator(_beside_the_file)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=lambda name: name.replace("_", "-"),
        hide_input_in_errors=True,
    )


class Tls(_Strict):
    """Where the certificate chain and its key stand, both PEM."""

    cert: _PathBesideFile
    key: _PathBesideFile


class SecretFile(_Strict):
    """A secret by reference; a literal secret is refused because only this shape is accepted."""

    file: _PathBesideFile

    def read(self) -> bytes:
        """The secret without its trailing line break."""
        try:
            secret = self.file.read_bytes().strip()
        except OSError as error:
            raise SettingsError(f"{self.file}: the secret cannot be read ({error.strerror})") from error
        if not secret:
            raise SettingsError(f"{self.file}: the secret is empty")
        return secret


class Settings(_Strict):
    """What the receiver needs to know before it opens its port."""

    data_folder: _PathBesideFile
    bind: str = "127.0.0.1"
    port: int = Field(default=8443, ge=0, le=65535)
    """0 takes a free port; only useful where the caller is told which."""
    tls: Tls | None = None
    token: SecretFile | None = None
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """A longer body is answered 413 before it is read to its end."""

    @model_validator(mode="after")
    def _closed_to_the_network_unless_secured(self) -> Self:
        if not _is_loopback(self.bind) and (self.tls is None or self.token is None):
            raise ValueError("bind: an address other than loopback needs both tls and token")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(path: Path) -> Settings:
    """Read the file; every scalar is text until the model makes a number of it. Relative paths stand beside it."""
    try:
        # BaseLoader builds only text, lists and maps: no tag can construct an object.
        content: Any = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SettingsError(f"{place}: is not YAML") from error
    try:
        return Settings.model_validate(content, context={"folder": path.resolve().parent})
    except ValidationError as error:
        faults = [f"{path}: {'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("\n".join(faults)) from None
