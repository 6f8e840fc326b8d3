"""Whether a webhook comes from the shop, and what its headers say.

The signature is of the body's very bytes: it is checked before anything reads them as JSON.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.feeds.records import FeedError

Shop = Literal["shopify", "woocommerce"]

MAX_HEADER_CHARS = 500
_SHA256_BYTES = 32
_SIGNATURE: Mapping[Shop, str] = {
    "shopify": "x-shopify-hmac-sha256",
    "woocommerce": "x-wc-webhook-signature",
}
_TOPIC: Mapping[Shop, str] = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}
_DELIVERY: Mapping[Shop, str] = {
    "shopify": "x-shopify-webhook-id",
    "woocommerce": "x-wc-webhook-delivery-id",
}
_SOURCE: Mapping[Shop, str] = {
    "shopify": "x-shopify-shop-domain",
    "woocommerce": "x-wc-webhook-source",
}
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the headers of a webhook say.

    Attributes:
        topic: as in products/update or product.updated.
        id: the same for a delivery and its repetitions.
        source: the shop's domain or address; empty where it does not say.
    """

    topic: str
    id: str
    source: str


def is_signed(shop: Shop, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the shop that shares `secret` sent exactly this body; takes the same time either way.

    Args:
        shop: which header holds the base64 HMAC-SHA256.
        headers: names in any case.
        body: as received, before any decoding.
        secret: the app's (Shopify) or the webhook's (WooCommerce).

    Raises:
        ValueError: the secret is empty, so that anyone could sign.
    """
    if not secret:
        raise ValueError("the webhook secret is empty")
    try:
        given = base64.b64decode(_header(headers, _SIGNATURE[shop]), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    expected = hmac.digest(secret.encode(), body, "sha256")
    assert len(expected) == _SHA256_BYTES
    return hmac.compare_digest(given, expected)


def read_delivery(shop: Shop, headers: Mapping[str, str]) -> Delivery:
    """Topic and delivery id; names in any case.

    Raises:
        FeedError: one of them is missing or too long.
    """
    topic, identity = _header(headers, _TOPIC[shop]), _header(headers, _DELIVERY[shop])
    for name, value in ((_TOPIC[shop], topic), (_DELIVERY[shop], identity)):
        if not value or len(value) > MAX_HEADER_CHARS:
            raise FeedError(f"the header {name} needs 1 to {MAX_HEADER_CHARS} characters")
    return Delivery(topic, identity, _header(headers, _SOURCE[shop])[:MAX_HEADER_CHARS])


def is_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether WooCommerce asks if the address answers, which it does unsigned and as a form."""
    return not _header(headers, _TOPIC["woocommerce"]) and _PING.fullmatch(body) is not None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value.strip() for key, value in headers.items() if key.lower() == name), "")
