"""Secrets by reference, `{file: …}` or `{env: …}`. The one module that reads the environment."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from adapter.datafile import CONCEALED, Positioned
from adapter.errors import SetupError


def beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """A relative path in a trust file is meant from the folder of that file."""
    folder = (info.context or {}).get("folder")
    return folder / path if isinstance(folder, Path) else path


class SecretRef(Positioned):
    """Where a secret stands. Prints as the place, never as the secret."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_literal(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict) or set(value) not in ({"file"}, {"env"}):
            text = "a secret is never written here: give {file: PATH} or {env: NAME}; what stood here counts as known"
            raise PydanticCustomError(CONCEALED, text)
        if "file" in value:
            return {"file": beside_the_file(Path(value["file"]), info)}
        return value

    def resolve(self) -> bytes:
        """The secret itself, without a trailing line break."""
        secret = self._from_file(self.file) if self.file else os.environb.get((self.env or "").encode(), b"")
        if not secret.strip():
            raise SetupError(f"{self._place()} the secret {self} is empty or not set")
        return secret.rstrip(b"\r\n")

    def __str__(self) -> str:
        return f"{{file: {self.file}}}" if self.file else f"{{env: {self.env}}}"

    def _from_file(self, file: Path) -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise SetupError(f"{self._place()} the secret {self} cannot be read: {error.strerror}") from error

    def _place(self) -> str:
        return f"{self._file}:{self._line}:{self._column}:" if self._line else "settings:"
