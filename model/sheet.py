"""A table of texts, for people: what measuring hands to a terminal or a document."""

from typing import NamedTuple


class Sheet(NamedTuple):
    """A titled table; the first column is words, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure(value: float | None) -> str:
    """A share of 1 as it is printed; nothing where there is none."""
    return "" if value is None else f"{value:.3f}"
