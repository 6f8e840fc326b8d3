"""One way to write a document down, so that its hash can be computed again by anyone.

The form is RFC 8785 (JSON Canonicalization Scheme): sorted names, no white space, numbers as
ECMAScript writes them. Figures are rounded before they enter a document, so that what is hashed is
what is read.
"""

import hashlib
from typing import Any, Final

import rfc8785

SIGNIFICANT_DIGITS: Final = 6
"""Of a figure in a document: beyond, the last bits of a batch's arithmetic would show."""

Document = dict[str, Any]


def canonical(document: Document) -> bytes:
    r"""The document as RFC 8785 has it, UTF-8.

    >>> canonical({"b": 0.00001, "a": [1.0, None, "é"]})
    b'{"a":[1,null,"\xc3\xa9"],"b":0.00001}'
    """
    return rfc8785.dumps(document)


def sha256_of(document: Document) -> str:
    """Of the canonical form, hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()


def rounded(figure: float | None) -> float | None:
    """A figure as documents hold it; None stays.

    >>> rounded(0.123456789), rounded(3.0e-7), rounded(None)
    (0.123457, 3e-07, None)
    """
    return None if figure is None else float(f"{figure:.{SIGNIFICANT_DIGITS}g}")
