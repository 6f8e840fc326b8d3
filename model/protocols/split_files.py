"""The text files of the published splits: a name, or whole numbers, on each line.

Line numbers in messages count from 1, picture numbers in the files from 0.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from model.protocols.tasks import ProtocolError, Rows

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def read_names(path: Path) -> list[str]:
    """One file name per line.

    Raises:
        ProtocolError: it cannot be read, is empty, or a line is blank.
    """
    names = [line.strip() for line in _lines(path)]
    for number, name in enumerate(names, start=1):
        if not name:
            raise ProtocolError(f"{path}, line {number}: a file name is missing")
    return names


def read_annotations(path: Path, pictures: int, attributes: int) -> Rows:
    """Lines of a query or candidate list: picture number, attribute number, value number.

    Returns:
        int64 (L, 3), one row per line.

    Raises:
        ProtocolError: it cannot be read, is empty, or a line is not of this form.
    """
    rows = []
    for place, numbers in _three_numbered(path):
        _require_below(pictures, numbers[0], "picture", place)
        _require_below(attributes, numbers[1], "attribute", place)
        rows.append(numbers)
    return np.array(rows, dtype=np.int64)


def read_labels_by_picture(path: Path, pictures: int, attributes: int) -> Rows:
    """Lines of a training list: picture number, then pairs of attribute and value number.

    Returns:
        int64 (L, 3): picture, attribute, value; one row per pair.

    Raises:
        ProtocolError: it cannot be read, is empty, or a line is not of this form.
    """
    rows = []
    for place, (picture, *pairs) in _numbered(path):
        if not pairs or len(pairs) % 2:
            raise ProtocolError(
                f"{place}: a picture number and pairs of attribute and value are expected, "
                f"not {1 + len(pairs)} numbers"
            )
        _require_below(pictures, picture, "picture", place)
        for attribute, value in zip(pairs[::2], pairs[1::2], strict=True):
            _require_below(attributes, attribute, "attribute", place)
            rows.append((picture, attribute, value))
    return np.array(rows, dtype=np.int64)


def read_triplets(path: Path, pictures: int) -> Rows:
    """Lines of a triplet list: picture numbers of the anchor, the farther and the nearer one.

    Returns:
        int64 (L, 3), one row per line.

    Raises:
        ProtocolError: it cannot be read, is empty, or a line is not of this form.
    """
    rows = []
    for place, numbers in _three_numbered(path):
        for number in numbers:
            _require_below(pictures, number, "picture", place)
        rows.append(numbers)
    return np.array(rows, dtype=np.int64)


def read_text(path: Path) -> str:
    """A text file in UTF-8.

    Raises:
        ProtocolError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ProtocolError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"{path} is no text in UTF-8") from exc


def _lines(path: Path) -> list[str]:
    text = read_text(path).rstrip()
    if not text:
        raise ProtocolError(f"{path} is empty")
    return text.split("\n")


def _numbered(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Where each line stands, and its numbers; a line has one at least."""
    for number, line in enumerate(_lines(path), start=1):
        place = f"{path}, line {number}"
        words = line.split()
        if not words or not all(_NUMBER.fullmatch(word) for word in words):
            raise ProtocolError(f"{place}: whole numbers are expected, not {line.strip()!r}")
        yield place, [int(word) for word in words]


def _three_numbered(path: Path) -> Iterator[tuple[str, list[int]]]:
    """As `_numbered`, of a file with three numbers on each line."""
    for place, numbers in _numbered(path):
        if len(numbers) != 3:
            raise ProtocolError(f"{place}: 3 numbers are expected, not {len(numbers)}")
        yield place, numbers


def _require_below(count: int, number: int, what: str, place: str) -> None:
    if number >= count:
        raise ProtocolError(f"{place}: {what} number {number} is not in 0 to {count - 1}")
