import base64
import hashlib
import json
from pathlib import Path

import pytest

from service.feeds.deliveries import Change, read_change
from service.feeds.opening import open_feed
from service.feeds.records import FeedError, Problem
from service.feeds.signatures import Delivery, is_ping, is_signed, read_delivery

FIXTURES = Path(__file__).parent / "fixtures"
SHOPIFY = (FIXTURES / "shopify_product.json").read_bytes()
WOOCOMMERCE = (FIXTURES / "woocommerce_product.json").read_bytes()
VARIATION = (FIXTURES / "woocommerce_variation.json").read_bytes()
SIGNATURES = {"shopify": "X-Shopify-Hmac-SHA256", "woocommerce": "X-WC-Webhook-Signature"}


def slow_hmac(key, message):
    """HMAC by its definition in RFC 2104."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


def signature(body, secret):
    return base64.b64encode(slow_hmac(secret.encode(), body)).decode()


@pytest.mark.parametrize("shop", SIGNATURES)
@pytest.mark.parametrize("secret", ["hush", "ü" * 80])
def test_a_body_signed_with_the_shared_secret_is_accepted(shop, secret):
    for name in (SIGNATURES[shop], SIGNATURES[shop].lower(), SIGNATURES[shop].upper()):
        assert is_signed(shop, {name: signature(SHOPIFY, secret)}, SHOPIFY, secret)


@pytest.mark.parametrize("shop", SIGNATURES)
def test_any_other_body_secret_or_signature_is_refused(shop):
    good = signature(SHOPIFY, "hush")
    name = SIGNATURES[shop]
    assert not is_signed(shop, {name: good}, SHOPIFY + b" ", "hush")
    assert not is_signed(shop, {name: good}, SHOPIFY, "hush2")
    assert not is_signed(shop, {}, SHOPIFY, "hush")
    hexadecimal = slow_hmac(b"hush", SHOPIFY).hex()
    for wrong in ("", "=", "ä", good[:-4], good + "AAAA", good.swapcase(), hexadecimal, "\ud800"):
        assert not is_signed(shop, {name: wrong}, SHOPIFY, "hush")


def test_an_empty_secret_is_an_error_and_not_a_key():
    with pytest.raises(ValueError, match="secret is empty"):
        is_signed("shopify", {SIGNATURES["shopify"]: signature(b"", "")}, b"", "")


def test_headers_tell_topic_delivery_and_shop():
    shopify = {
        "x-shopify-topic": "products/update",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Shop-Domain": "northsea.myshopify.example",
    }
    assert read_delivery("shopify", shopify) == Delivery(
        "products/update", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", "northsea.myshopify.example"
    )
    woocommerce = {"X-WC-Webhook-Topic": "product.created", "X-WC-Webhook-Delivery-ID": "9f2e"}
    assert read_delivery("woocommerce", woocommerce) == Delivery("product.created", "9f2e", "")
    for missing in woocommerce:
        rest = {name: value for name, value in woocommerce.items() if name != missing}
        with pytest.raises(FeedError, match=missing.lower()):
            read_delivery("woocommerce", rest)


def test_woocommerces_question_whether_anyone_listens_is_known():
    assert is_ping({}, b"webhook_id=12")
    assert not is_ping({"X-WC-Webhook-Topic": "product.updated"}, b"webhook_id=12")
    assert not is_ping({}, WOOCOMMERCE)


def without(metadata, *names):
    return {name: value for name, value in metadata.items() if name not in names}


@pytest.mark.parametrize("topic", ["products/create", "products/update"])
def test_shopifys_webhook_and_csv_give_the_same_garments(topic):
    change = read_change("shopify", topic, SHOPIFY)
    with open_feed(FIXTURES / "shopify.csv") as feed:
        expected = list(feed)[:2]
    assert [(p.id, p.group, p.title, p.images) for p in change.products] == [
        (p.id, p.group, p.title, p.images) for p in expected
    ]
    # The body has no taxonomy, no metafields and no columns of Google's; the CSV has no number.
    only_csv = ("category", "gender", "age_group", "material")
    assert [without(p.metadata, "shop_id") for p in change.products] == [
        without(p.metadata, *only_csv) for p in expected
    ]
    assert {p.metadata["shop_id"] for p in change.products} == {change.shop_id}
    assert (change.shop_id, change.garment) == ("788032119674292922", "linen-camp-shirt")
    assert not change.problems
    assert not change.deleted


def test_a_deletion_names_the_product_by_all_it_has():
    deleted = read_change("shopify", "products/delete", b'{"id": 788032119674292922}')
    assert deleted == Change("788032119674292922", None, deleted=True)
    deleted = read_change("woocommerce", "product.deleted", b'{"id": 44}')
    assert deleted == Change("44", "44", deleted=True)


def test_woocommerces_product_keeps_the_variations_it_only_names():
    change = read_change("woocommerce", "product.updated", WOOCOMMERCE, currency="EUR")
    with open_feed(FIXTURES / "woocommerce.csv") as feed:
        expected = next(entry for entry in feed if getattr(entry, "id", "") == "44")
    (product,) = change.products
    assert (product.id, product.group) == (expected.id, expected.group) == ("44", "44")
    assert (product.title, product.images) == (expected.title, expected.images)
    assert product.metadata == {
        "shop_id": "44",
        "sku": "HOOD",
        "brand": "Fjordwear",
        "type": ["Clothing", "Hoodies, zipped"],
        "tags": ["warm"],
        "color": ["Blue", "Green"],
        "option_logo": ["Yes", "No"],
        "price": 40.0,
        "currency": "EUR",
        "availability": "in_stock",
        "status": "active",
        "link": "https://shop.example/product/zip-hoodie/",
    }
    assert change.keep == {"45", "46", "47"}


def test_woocommerces_variation_is_a_garment_of_its_parents_group():
    change = read_change("woocommerce", "product.updated", VARIATION)
    (product,) = change.products
    assert (product.id, product.group, product.metadata["shop_id"]) == ("47", "44", "44")
    assert (change.shop_id, change.garment) == ("47", "47")


def test_a_variation_without_a_picture_has_no_garment_any_more():
    body = json.dumps({**json.loads(VARIATION), "images": []}).encode()
    assert read_change("woocommerce", "product.updated", body) == Change("47", "47")


@pytest.mark.parametrize(
    ("shop", "topic", "body"),
    [
        ("shopify", "orders/create", SHOPIFY),
        ("shopify", "product.updated", SHOPIFY),
        ("woocommerce", "action.anything", WOOCOMMERCE),
        ("shopify", "products/update", b""),
        ("shopify", "products/update", b"\xff\xfe"),
        ("shopify", "products/update", b"[1]"),
        ("shopify", "products/update", b'{"id": {}}'),
        ("shopify", "products/update", b'{"id": 1}'),
        ("shopify", "products/update", b"[" * 100_000),
        ("shopify", "products/update", b'{"id": ' + b"9" * 5_000 + b"}"),
        ("woocommerce", "product.updated", b"webhook_id=12"),
        ("woocommerce", "product.updated", b'{"id": 1}'),
    ],
)
def test_a_body_that_is_not_what_its_topic_sends_is_a_feed_error(shop, topic, body):
    with pytest.raises(FeedError):
        read_change(shop, topic, body)


def test_a_product_without_pictures_asks_for_no_deletion():
    body = json.dumps({**json.loads(SHOPIFY), "images": [], "image": None}).encode()
    change = read_change("shopify", "products/update", body)
    assert not change.products
    assert [type(problem) for problem in change.problems] == [Problem]
