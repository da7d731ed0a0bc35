"""Finds the files that travel with the adapter: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

from adapter.errors import SetupError

_PACKAGE = Path(__file__).resolve().parents[1]


def packaged(name: str) -> Path:
    """`mappings`, `config/vendors` or `config/trusts`, wherever this installation keeps them."""
    for root in (_PACKAGE.parent, _PACKAGE / "_data"):
        # A checkout is known by its pyproject: site-packages might hold a folder `config` of somebody else.
        if (root / name).exists() and (root.name == "_data" or (root / "pyproject.toml").exists()):
            return root / name
    raise SetupError(f"this installation lacks {name}: install the wheel again")
