"""Kinds of value that several settings share."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from adapter.config.secrets import beside_the_file

FilePath = Annotated[Path, AfterValidator(beside_the_file)]
Port = Annotated[int, Field(ge=0, le=65535)]
"""0 takes a free port; only useful where the caller is told which."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
"""Stands in logs and counters, so it is of a form that no patient's name has."""
