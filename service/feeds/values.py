"""Single values as the formats write them: prices, availability, lists, addresses of images."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MAX_URL_CHARS = 4_096
_MAX_PRICE_CHARS = 40
_PRICE = re.compile(
    r"(?P<before>[A-Za-z]{3}|[€£$¥])? ?(?P<number>[0-9][0-9.,' ]*)(?P<after>[A-Za-z]{3}|[€£$¥])?"
)
# The dollar and the yen sign stand for more than one currency.
_SYMBOLS = {"€": "EUR", "£": "GBP"}
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_AVAILABILITY = {
    "instock": "in_stock",
    "instoreonly": "in_stock",
    "onlineonly": "in_stock",
    "limitedavailability": "in_stock",
    "outofstock": "out_of_stock",
    "soldout": "out_of_stock",
    "discontinued": "out_of_stock",
    "preorder": "preorder",
    "presale": "preorder",
    "backorder": "backorder",
    "onbackorder": "backorder",
}
_ADDRESSES = re.compile(r",\s+|,(?=(?:https?:)?//)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNESCAPED_COMMA = re.compile(r"(?<!\\),")


def one_line(text: str) -> str:
    """The text without line breaks, control characters and repeated or outer spaces."""
    return _CONTROL.sub("", " ".join(text.split()))


def distinct(texts: Iterable[str]) -> list[str]:
    """The texts that are not empty, each once, in order."""
    return list(dict.fromkeys(filter(None, texts)))


def read_price(text: str) -> tuple[float, str | None]:
    """An amount and its currency, where the text names one.

    The later of comma and point is the decimal sign when both occur. Alone, a point is decimal; a
    comma is too, unless three digits follow each.

    >>> read_price("1.234,50 EUR"), read_price("19,99"), read_price("USD 1,250")
    ((1234.5, 'EUR'), (19.99, None), (1250.0, 'USD'))

    Raises:
        ValueError: it is no price.
    """
    line = one_line(text)
    found = _PRICE.fullmatch(line) if len(line) <= _MAX_PRICE_CHARS else None
    if found is None or (found["before"] and found["after"]):
        raise ValueError(f'"{line[:60]}" is no price; written like "19.99 EUR" or "19.99"')
    try:
        amount = float(_plain(found["number"].replace(" ", "").replace("'", "")))
    except ValueError:
        raise ValueError(f'"{line}" is no price; written like "19.99 EUR" or "19.99"') from None
    sign = found["before"] or found["after"] or ""
    return amount, _SYMBOLS.get(sign) or (sign.upper() if sign.isalpha() else None)


def read_availability(text: str) -> str:
    """in_stock, out_of_stock, preorder or backorder, from Google's and schema.org's spellings.

    >>> read_availability("in stock"), read_availability("https://schema.org/SoldOut")
    ('in_stock', 'out_of_stock')

    Raises:
        ValueError: neither has such a value.
    """
    name = re.sub(r"[\s_-]+", "", text.rstrip("/").rpartition("/")[2]).casefold()
    if name not in _AVAILABILITY:
        allowed = ", ".join(sorted(set(_AVAILABILITY.values())))
        raise ValueError(f'"{one_line(text)[:60]}" is no availability; allowed are {allowed}')
    return _AVAILABILITY[name]


def read_address(text: str) -> str:
    """The address of an image.

    Raises:
        ValueError: it is not an absolute http or https address.
    """
    address = text.strip()
    if address.startswith("//"):
        address = f"https:{address}"
    shown = one_line(address)[:80]
    if len(address) > MAX_URL_CHARS:
        raise ValueError(f'"{shown}..." has more than {MAX_URL_CHARS} characters')
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not address.isprintable() or " " in address:
        raise ValueError(f'"{shown}" is no address of an image; an absolute http(s) URL is needed')
    return address


def split_addresses(text: str) -> list[str]:
    """Addresses joined by commas; a comma within an address stays, unless a space follows.

    >>> split_addresses("https://a.example/w_1,h_2/x.jpg,https://a.example/y.jpg")
    ['https://a.example/w_1,h_2/x.jpg', 'https://a.example/y.jpg']
    """
    return [part.strip() for part in _ADDRESSES.split(text) if part.strip()]


def split_list(text: str) -> list[str]:
    r"""Texts joined by commas, where ``\,`` is a comma within one."""
    parts = (part.replace("\\,", ",") for part in _UNESCAPED_COMMA.split(text))
    return distinct(map(one_line, parts))


def _plain(number: str) -> str:
    comma, point = number.rfind(","), number.rfind(".")
    if comma >= 0 and point >= 0:
        if comma > point:
            return number.replace(".", "").replace(",", ".")
        return number.replace(",", "")
    if _GROUPED.fullmatch(number):
        return number.replace(",", "")
    if number.count(".") > 1:
        return number.replace(".", "")
    return number.replace(",", ".")
