"""Whatever is in a file or a body, only the package's own error comes out, and sound products."""

import copy
import json
import random
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from api_schemas.bases import GarmentId, Metadata
from service.catalog.where import matches, parse_where
from service.feeds.deliveries import read_change
from service.feeds.opening import open_feed
from service.feeds.records import FeedError, Problem, Product

FIXTURES = Path(__file__).parent / "fixtures"
BODIES = {
    "shopify_product.json": ("shopify", "products/update"),
    "woocommerce_product.json": ("woocommerce", "product.updated"),
    "woocommerce_variation.json": ("woocommerce", "product.created"),
}
FEEDS = sorted(path.name for path in FIXTURES.iterdir() if path.name not in BODIES)
PIECES = (
    b'"', b"'", b",", b"\t", b";", b"\n", b"\r", b"\0", b"\xff", b"\xed\xa0\x80", b"<", b"</item>",
    b"<item>", b"]]>", b"&", b"&#0;", b"{", b"}", b"[", b"]", b"\\ud800", b"1e999", b"NaN", b"null",
    b"-", b"http://[", b"%2C", b"/", b"..", b"\xe2\x80\xa8",
)  # fmt: skip
VALUES = (
    None, True, 0, -1, 1e400, 10**30, "", "\ud800", "\0", "x" * 5_000, [], {}, [[]], [None],
    {"@id": 1}, {"@id": "#org"}, {"name": {"name": {}}}, [{"src": 5}], "http://[::1", {"@type": []},
)  # fmt: skip
GARMENT_ID, METADATA = TypeAdapter(GarmentId), TypeAdapter(Metadata)


def check(entries):
    for entry in entries:
        if isinstance(entry, Problem):
            entry.message.encode("utf-8", "backslashreplace")
            continue
        assert isinstance(entry, Product)
        assert GARMENT_ID.validate_python(entry.id) == entry.id
        assert entry.group is None or GARMENT_ID.validate_python(entry.group) == entry.group
        assert entry.images
        assert len(set(entry.images)) == len(entry.images)
        METADATA.validate_python(dict(entry.metadata))
        json.dumps([entry.title, entry.images, entry.metadata], ensure_ascii=False).encode()
        for name, value in entry.metadata.items():
            assert isinstance(value, str | float | list)
            texts = value if isinstance(value, list) else [value]
            assert all(matches(entry.metadata, parse_where({name: {"in": [one]}})) for one in texts)


def mangled(rng, content):
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(content)), rng.randrange(4)
        if kind == 0:
            content = content[:at] + rng.choice(PIECES) + content[at:]
        elif kind == 1:
            content = content[:at] + content[at + rng.randint(1, 40) :]
        elif kind == 2:
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        else:
            start = rng.randrange(len(content))
            content = content[:at] + content[start : start + rng.randint(1, 200)] + content[at:]
    return content or b" "


@pytest.mark.parametrize("name", FEEDS)
def test_a_mangled_feed_gives_sound_products_problems_or_a_feed_error(tmp_path, name):
    rng = random.Random(name)
    original = (FIXTURES / name).read_bytes()
    path = tmp_path / "feed"
    errors = 0
    for _ in range(80):
        path.write_bytes(mangled(rng, original))
        try:
            with open_feed(path) as feed:
                check(feed)
        except FeedError:
            errors += 1
    assert errors < 80


def replaced(rng, value):
    """The value with one of its parts, at any depth, replaced by something unexpected."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return rng.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = rng.choice(list(keys))
    value[key] = replaced(rng, value[key])
    return value


@pytest.mark.parametrize("name", BODIES)
def test_a_body_with_unexpected_parts_gives_sound_products_or_a_feed_error(name):
    rng = random.Random(name)
    original = json.loads((FIXTURES / name).read_text())
    understood = 0
    for _ in range(400):
        body = json.dumps(replaced(rng, copy.deepcopy(original))).encode()
        try:
            change = read_change(*BODIES[name], body)
        except FeedError:
            continue
        check([*change.products, *change.problems])
        understood += bool(change.products)
    assert understood > 100


def test_linked_data_with_unexpected_parts_gives_sound_products_or_a_feed_error(tmp_path):
    rng = random.Random(5)
    original = json.loads((FIXTURES / "schema_org.json").read_text())
    path = tmp_path / "feed.json"
    understood = 0
    for _ in range(120):
        path.write_text(json.dumps(replaced(rng, copy.deepcopy(original)), indent=1))
        try:
            with open_feed(path) as feed:
                entries = list(feed)
        except FeedError:
            continue
        check(entries)
        understood += any(isinstance(entry, Product) for entry in entries)
    assert understood > 40


def test_references_that_go_in_circles_end(tmp_path):
    path = tmp_path / "feed.json"
    nodes = [
        {
            "@id": "#a",
            "@type": "Product",
            "sku": "1",
            "name": {"@id": "#b"},
            "brand": {"@id": "#a"},
        },
        {"@id": "#b", "name": {"@id": "#a"}, "isVariantOf": {"@id": "#b"}},
        {"@id": "#g", "@type": "ProductGroup", "productGroupID": "g", "hasVariant": {"@id": "#g"}},
    ]
    path.write_text(json.dumps({"@graph": nodes}, indent=1))
    with open_feed(path) as feed:
        assert all(isinstance(entry, Problem) for entry in feed)
