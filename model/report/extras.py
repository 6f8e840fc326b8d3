"""Libraries that only the report needs, asked for by name so that serving runs without them."""

import importlib
from typing import Any, Final

EXTRA: Final = "train"
"""The extra of `pyproject.toml` that brings them."""


class MissingLibraryError(ImportError):
    """A library of the extra is not installed; the message says how to install it."""


def require(module: str) -> Any:
    """Import a module of the extra.

    Raises:
        MissingLibraryError: it is not there.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        raise MissingLibraryError(
            f"a report needs {exc.name}, which is not installed here; install it with: "
            f'pip install "lapel[{EXTRA}]"'
        ) from exc
