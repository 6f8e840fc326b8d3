"""A shop's ids as garment ids, one to one, and back.

The escape character is ``~`` and not ``%``: it may stand in a URL path as it is, so no proxy that
decodes a path twice can change which garment is meant.
"""

import hashlib
import re

MAX_CHARS = 256
"""What api_schemas.bases.GarmentId allows."""
_ESCAPED = re.compile(r"[/:~\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ESCAPE = re.compile(r"(?:~[0-9A-F]{2})+")
_DIGEST_MARK = "~~"
_DIGEST_CHARS = 64


def garment_id(*parts: str) -> str:
    """The garment id of a shop's id, or of a product's id and what tells its variant apart.

    Parts are joined by ``:``. In each, a slash, a colon, a tilde and every control character
    become ``~`` and two hexadecimal digits per byte of UTF-8, and so do the dots of ``.`` and
    ``..``. What would be longer than 256 characters keeps its beginning and ends in ``~~`` and the
    sha256 of the whole. Different parts never give the same id (sha256 collisions apart).

    >>> garment_id("linen-shirt", "Navy/White")
    'linen-shirt:Navy~2FWhite'

    Raises:
        ValueError: no part, or an empty one.
    """
    if not parts or not all(parts):
        raise ValueError("the id is empty")
    whole = ":".join(map(_escape, parts))
    if whole in (".", ".."):
        return whole.replace(".", "~2E")
    if len(whole) <= MAX_CHARS:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return whole[: MAX_CHARS - len(_DIGEST_MARK) - _DIGEST_CHARS] + _DIGEST_MARK + digest


def shop_id(garment: str) -> tuple[str, ...] | None:
    """The parts that `garment_id` made this id from; None where only their sha256 is left.

    >>> shop_id("linen-shirt:Navy~2FWhite")
    ('linen-shirt', 'Navy/White')
    """
    if _DIGEST_MARK in garment:
        return None
    return tuple(_ESCAPE.sub(_unescape, part) for part in garment.split(":"))


def _escape(part: str) -> str:
    return _ESCAPED.sub(lambda found: _hexadecimal(found.group()), part)


def _hexadecimal(character: str) -> str:
    # A lone surrogate stands for a byte that is no UTF-8: it too has one form of its own.
    return "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _unescape(found: re.Match[str]) -> str:
    return bytes.fromhex(found.group().replace("~", "")).decode("utf-8", "surrogatepass")
