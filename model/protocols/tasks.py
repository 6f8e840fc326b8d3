"""What a published protocol asks of a model: pictures, and what is to be found or told among them.

A picture may be listed several times, for several attributes or with several values of one; every
listing counts for itself, as in the published evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

PICTURE: Final = 0
ATTRIBUTE: Final = 1
VALUE: Final = 2


class Protocol(StrEnum):
    """The data sets whose published files can be read."""

    FASHIONAI = "fashionai"
    DARN = "darn"
    DEEPFASHION = "deepfashion"
    ZAPPOS = "zappos"
    STANFORD = "stanford"


class ProtocolError(ValueError):
    """Published files that cannot be used, with the file and, where there is one, the line."""


@dataclass(frozen=True)
class RetrievalTask:
    """Find the candidates that share the query's value of one attribute.

    Attributes:
        protocol: where the lists come from.
        split: name of the split.
        files: (N,) the pictures that are listed.
        attributes: names, in the order of the lists' attribute numbers.
        queries: int64 (Q, 3): row in ``files``, attribute number, value number.
        candidates: int64 (K, 3), likewise.
        leave_out_own: the query's own picture is no candidate.
    """

    protocol: Protocol
    split: str
    files: tuple[Path, ...]
    attributes: tuple[str, ...]
    queries: Rows
    candidates: Rows
    leave_out_own: bool = False


@dataclass(frozen=True)
class TripletTask:
    """Tell which of two pictures is nearer to a third, under one condition.

    Attributes:
        protocol: where the lists come from.
        split: name of the split.
        files: (N,) the pictures that are listed.
        attributes: names of the conditions.
        triplets: int64 (T, 4): condition number, then rows in ``files`` of the anchor, of the
            picture farther from it, and of the nearer one.
    """

    protocol: Protocol
    split: str
    files: tuple[Path, ...]
    attributes: tuple[str, ...]
    triplets: Rows


def only_listed(names: Sequence[Path], *listed: Rows) -> tuple[tuple[Path, ...], list[Rows]]:
    """Drop the pictures that no list mentions.

    Args:
        names: all pictures.
        listed: arrays of any shape of rows in ``names``.

    Returns:
        The pictures mentioned, in their order, and the same arrays with rows in these.
    """
    joined = np.concatenate([rows.ravel() for rows in listed])
    used, rows = np.unique(joined, return_inverse=True)
    ends = np.cumsum([array.size for array in listed])[:-1]
    parts = np.split(rows.astype(np.int64), ends)
    renumbered = [part.reshape(old.shape) for part, old in zip(parts, listed, strict=True)]
    return tuple(names[row] for row in used), renumbered
