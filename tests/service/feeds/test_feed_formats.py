"""Each fixture against the records a person reads from it."""

import codecs
import csv
import gzip
import io
import itertools
from pathlib import Path

import pytest

from service.feeds.opening import open_feed
from service.feeds.records import FeedError, Problem, Product

FIXTURES = Path(__file__).parent / "fixtures"
CDN = "https://cdn.shopify.example/s/files/1/0001/products/"
IMG = "https://img.shop.example/"
UPLOADS = "https://shop.example/wp-content/uploads/"

SHIRT = {
    "brand": "Northsea",
    "type": "Shirts",
    "category": "Apparel & Accessories > Clothing > Clothing Tops > Shirts",
    "tags": ["linen", "summer"],
    "status": "active",
    "gender": "unisex",
    "age_group": "adult",
    "material": ["linen", "cotton"],
}
POLO = {
    "link": "https://shop.example/p/polo",
    "brand": "Harbour",
    "gender": "male",
    "age_group": "adult",
    "material": ["cotton", "elastane"],
    "pattern": "striped",
    "type": "Men > Tops > Polo shirts",
    "condition": "new",
    "currency": "EUR",
    "price": 39.9,
    "availability": "in_stock",
}
HOODIE = {
    "brand": "Fjordwear",
    "type": ["Clothing", "Clothing > Hoodies"],
    "tags": ["zip, metal", "warm"],
    "status": "active",
    "shop_id": "44",
    "option_logo": ["Yes", "No"],
    "price": 45.0,
}
PARKA = {
    "brand": "Fjordwear",
    "gender": "female",
    "link": "https://shop.example/parka",
    "currency": "NOK",
}

EXPECTED = {
    "shopify.csv": [
        Product(
            id="linen-camp-shirt",
            group="linen-camp-shirt",
            title="Linen Camp Shirt",
            images=(f"{CDN}navy-front.jpg?v=1", f"{CDN}navy-back.jpg?v=1"),
            metadata={
                **SHIRT,
                "color": "Navy",
                "size": ["S", "M"],
                "sku": ["LCS-NVY-S", "LCS-NVY-M"],
                "price": 69.0,
                "price_max": 72.0,
                "regular_price": 89.0,
                "availability": "in_stock",
            },
            number=2,
        ),
        Product(
            id="linen-camp-shirt:White",
            group="linen-camp-shirt",
            title="Linen Camp Shirt",
            images=(f"{CDN}white-front.jpg?v=1",),
            metadata={
                **SHIRT,
                "color": "White",
                "size": "S",
                "sku": "LCS-WHT-S",
                "price": 69.0,
                "availability": "out_of_stock",
            },
            number=5,
        ),
        Product(
            id="wool-scarf",
            group=None,
            title="Wool Scarf – Größe M/L",
            images=("https://cdn.shopify.example/s/files/scarf.png",),
            metadata={
                "brand": "Ateliers Saint-Clair",
                "type": "Scarves",
                "status": "draft",
                "price": 45.5,
            },
            number=7,
        ),
    ],
    "shopify_legacy.csv": [
        Product(
            id="pleated-midi-skirt",
            group="pleated-midi-skirt",
            title="Pleated Midi Skirt",
            images=(f"{CDN}skirt-1.jpg", f"{CDN}skirt-2.jpg", f"{CDN}skirt-3.jpg"),
            metadata={
                "brand": "Maison Oriel",
                "type": "Skirts",
                "tags": ["satin", "evening"],
                "status": "active",
                "size": ["36", "38"],
                "sku": ["PMS-36", "PMS-38"],
                "price": 120.0,
                "availability": "in_stock",
            },
            number=2,
        ),
        Product(
            id="archive-coat",
            group="archive-coat",
            title="Archive Coat",
            images=(f"{CDN}coat.jpg",),
            metadata={
                "status": "draft",
                "color": "Camel",
                "option_fit": "Regular",
                "sku": "AC-1",
                "price": 399.0,
            },
            number=7,
        ),
    ],
    "google.tsv": [
        Product(
            id="POLO-BLU-S",
            group="POLO",
            title="Striped Polo Shirt",
            images=(
                f"{IMG}polo-blue.jpg",
                f"{IMG}w_800,h_800/polo-blue-2.jpg",
                f"{IMG}polo-blue-3.jpg",
            ),
            metadata={
                **POLO,
                "color": ["Blue", "White"],
                "size": ["S", "M"],
                "variant_ids": ["POLO-BLU-S", "POLO-BLU-M"],
                "price": 29.9,
                "price_max": 39.9,
                "regular_price": 39.9,
            },
            number=2,
        ),
        Product(
            id="POLO-RED-S",
            group="POLO",
            title="Striped Polo Shirt",
            images=(f"{IMG}polo-red.jpg",),
            metadata={
                **POLO,
                "color": "Red",
                "size": "S",
                "variant_ids": ["POLO-RED-S"],
                "sale_price": 35.0,
                "sale_dates": "2025-11-28T08:00+0100/2025-12-01T23:59+0100",
            },
            number=4,
        ),
        Product(
            id="SKU 7~2F9",
            group=None,
            title='5" heel boot',
            images=(f"{IMG}boot.jpg",),
            metadata={
                "brand": "Åre",
                "price": 1250.0,
                "currency": "SEK",
                "availability": "preorder",
            },
            number=5,
        ),
    ],
    "google_rss.xml": [
        Problem(2, None, "the item is malformed: undefined entity"),
        Problem(
            3,
            "image_link",
            '"dress-black.jpg" is no address of an image; an absolute http(s) URL is needed',
            kept=True,
        ),
        Problem(3, None, "DRS-3: no image to show it by"),
        Problem(
            4,
            "availability",
            '"available for order" is no availability; allowed are backorder, in_stock, '
            "out_of_stock, preorder",
            kept=True,
        ),
        Problem(
            4,
            "price",
            '"about twenty" is no price; written like "19.99 EUR" or "19.99"',
            kept=True,
        ),
        Product(
            id="DRS-1",
            group="DRS",
            title="Wrap Dress <Midi>",
            images=(
                f"{IMG}dress-green.jpg",
                f"{IMG}dress-green-2.jpg",
                f"{IMG}dress,green,3.jpg",
            ),
            metadata={
                "link": "https://shop.example/p/wrap-dress?colour=green&size=38",
                "brand": "Harbour",
                "color": "Green",
                "size": "38",
                "type": ["Women > Dresses", "New in"],
                "variant_ids": ["DRS-1"],
                "price": 79.0,
                "currency": "GBP",
                "availability": "in_stock",
            },
            number=1,
        ),
        Product("HAT-1", None, "Straw Hat", (f"{IMG}hat.jpg",), {}, 4),
    ],
    "google_atom.xml": [
        Product(
            id="TEE-1",
            group=None,
            title="Pocket Tee",
            images=(f"{IMG}tee.jpg",),
            metadata={
                "link": "https://shop.example/p/tee",
                "price": 19.99,
                "currency": "USD",
                "availability": "backorder",
                "gender": "unisex",
            },
            number=1,
        ),
    ],
    "woocommerce.csv": [
        Product(
            id="sku:BELT~2F1",
            group=None,
            title="Woven Belt",
            images=(f"{UPLOADS}belt.jpg",),
            metadata={
                "sku": "BELT/1",
                "status": "draft",
                "availability": "in_stock",
                "price": 18.0,
                "sale_price": 15.5,
                "sale_dates": "2025-06-01/2025-06-30",
            },
            number=7,
        ),
        Problem(
            7,
            "Images",
            '"belt.jpg" is no address of an image; an absolute http(s) URL is needed',
            kept=True,
        ),
        Product(
            id="44",
            group="44",
            title="Zip Hoodie",
            images=(f"{UPLOADS}hoodie.jpg", f"{UPLOADS}hoodie-2.jpg"),
            metadata={
                **HOODIE,
                "color": "Blue",
                "sku": "HOOD-BLU-LOGO",
                "variant_ids": ["45", "46"],
                "price": 40.0,
                "price_max": 45.0,
                "regular_price": 45.0,
                "availability": "in_stock",
            },
            number=3,
        ),
        Product(
            id="47",
            group="44",
            title="Zip Hoodie - Green",
            images=(f"{UPLOADS}hoodie-green.jpg",),
            metadata={
                **HOODIE,
                "color": "Green",
                "sku": "HOOD-GRN",
                "variant_ids": ["47"],
                "availability": "out_of_stock",
            },
            number=2,
        ),
        Product(
            id="60",
            group="59",
            title="Orphan - Red",
            images=(f"{UPLOADS}orphan.jpg",),
            metadata={
                "sku": "GONE-1",
                "status": "active",
                "availability": "in_stock",
                "price": 9.0,
                "shop_id": "59",
                "variant_ids": ["60"],
            },
            number=8,
        ),
    ],
    "schema_org.json": [
        Product(
            id="PARKA",
            group="PARKA",
            title="Storm Parka",
            images=(f"{IMG}parka.jpg",),
            metadata={
                **PARKA,
                "color": "Sand",
                "sku": "PARKA-SND",
                "variant_ids": ["PARKA-SND"],
                "price": 179.0,
            },
            number=2,
        ),
        Product(
            id="PARKA-BLK-S",
            group="PARKA",
            title="Storm Parka Black S",
            images=(f"{IMG}parka-black.jpg", f"{IMG}parka-black-2.jpg"),
            metadata={
                **PARKA,
                "color": "Black",
                "size": ["S", "M"],
                "sku": ["PARKA-BLK-S", "PARKA-BLK-M"],
                "variant_ids": ["PARKA-BLK-S", "PARKA-BLK-M"],
                "price": 189.0,
                "price_max": 199.5,
                "availability": "in_stock",
            },
            number=2,
        ),
        Product(
            id="GLOVES 1",
            group=None,
            title="Gloves",
            images=(f"{IMG}gloves.jpg",),
            metadata={
                "type": "Accessories",
                "material": ["wool", "leather"],
                "pattern": "plain",
                "tags": ["winter", "warm"],
                "option_touch_screen": "yes",
                "price": 29.0,
                "currency": "EUR",
            },
            number=5,
        ),
    ],
    "schema_org.ndjson": [
        Product(
            id="SOCK-1",
            group=None,
            title="Sock",
            images=(f"{IMG}sock.jpg",),
            metadata={
                "sku": "SOCK-1",
                "price": 4.0,
                "currency": "EUR",
                "availability": "in_stock",
            },
            number=1,
        ),
        Problem(
            2,
            None,
            "the line is no JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 39 (char 38)",
        ),
        Product(
            id="https~3A~2F~2Fshop.example~2Fp~2Fcap",
            group="CAPS",
            title="Cap",
            images=(f"{IMG}cap.jpg",),
            metadata={"variant_ids": ["https://shop.example/p/cap"]},
            number=4,
        ),
        Problem(5, None, "No picture: no image to show it by"),
    ],
}
FORMATS = {
    "shopify": "shopify-csv",
    "google.": "google-text",
    "google_": "google-xml",
    "woocomm": "woocommerce-csv",
    "schema_": "schema-org-json",
}
TABLES = [name for name in EXPECTED if name.endswith((".csv", ".tsv"))]


def read(path, **options):
    with open_feed(path, **options) as feed:
        return list(feed)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_feed_yields_the_records_a_person_reads_from_it(name):
    with open_feed(FIXTURES / name) as feed:
        assert feed.format == FORMATS[name[:7]]
        assert list(feed) == EXPECTED[name]
        assert feed.progress == 1


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("form", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gzip"])
def test_encoding_and_compression_are_seen_from_the_bytes(tmp_path, name, form):
    content = (FIXTURES / name).read_bytes()
    # An XML declaration that says UTF-8 is wrong in UTF-16, as it is in many exports.
    content = gzip.compress(content, mtime=0) if form == "gzip" else content.decode().encode(form)
    path = tmp_path / "feed"
    path.write_bytes(content)
    assert read(path) == EXPECTED[name]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("delimiter", "end"), list(itertools.product(",;|\t", ["\r\n", "\r"])))
def test_separators_and_line_ends_do_not_matter(tmp_path, name, delimiter, end):
    own = "\t" if name.endswith(".tsv") else ","
    quoting = csv.QUOTE_NONE if own == "\t" else csv.QUOTE_MINIMAL
    rows = csv.reader(
        io.StringIO((FIXTURES / name).read_text(), newline=""), delimiter=own, quoting=quoting
    )
    path = tmp_path / "feed.txt"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows(rows)
    assert read(path) == EXPECTED[name]


def test_an_encoding_is_taken_from_the_xml_declaration_or_from_the_caller(tmp_path):
    path = tmp_path / "feed.xml"
    text = (FIXTURES / "google_atom.xml").read_text().replace("Pocket Tee", "Tee für Männer")
    declared = text.replace('"1.0"', '"1.0" encoding="ISO-8859-1"', 1)
    path.write_bytes(declared.encode("latin-1"))
    assert read(path)[0].title == "Tee für Männer"
    path.write_bytes(text.encode("cp1252"))
    assert read(path, encoding="cp1252")[0].title == "Tee für Männer"


def test_a_currency_is_given_to_prices_that_name_none():
    found = read(FIXTURES / "shopify.csv", currency="EUR")
    assert {product.metadata["currency"] for product in found} == {"EUR"}
    assert read(FIXTURES / "google.tsv", currency="NOK") == EXPECTED["google.tsv"]


def test_a_row_in_another_encoding_costs_that_row_alone(tmp_path):
    path = tmp_path / "feed.tsv"
    path.write_bytes((FIXTURES / "google.tsv").read_bytes().replace("Åre".encode(), b"\xc5re"))
    found = read(path)
    assert found[:2] == EXPECTED["google.tsv"][:2]
    assert found[2] == Problem(
        5, None, '5" heel boot: holds bytes that are no characters; save the feed as UTF-8'
    )


@pytest.mark.parametrize("content", [b"", b" \n\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "feed.csv"
    path.write_bytes(content)
    with pytest.raises(FeedError, match="empty"):
        open_feed(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,price\nshirt,3\n", "columns are of no known feed"),
        (b"<html><body></body></html>", "<html> begins no RSS"),
        (b"\x1f\x8b\x08\x00 this is no gzip", "damaged"),
        (gzip.compress(b"id,title,image_link\n" * 999, mtime=0)[:40], "too early or is damaged"),
        (b"\x00\x01\x02\x03\x04", "no known feed"),
        (b'<?xml version="1.0" encoding="klingon"?><rss></rss>', "encoding is not known"),
        (b'<?xml version="1.0" encoding="hex"?><rss></rss>', "encoding is not known"),
    ],
)
def test_what_is_no_feed_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "feed"
    path.write_bytes(content)
    with pytest.raises(FeedError, match=reason):
        open_feed(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(FeedError):
            open_feed(path)


def test_json_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "package.json"
    path.write_text('{\n "name": "shirt",\n "version": 1}')
    with pytest.raises(FeedError, match=r"no schema\.org Product"):
        read(path)


def test_entries_before_a_damaged_end_are_given(tmp_path):
    rows = (FIXTURES / "google.tsv").read_text() + "".join(
        f"S{n}\tShirt\t\t\t{IMG}{n}.jpg" + "\t" * 15 + "\n" for n in range(5_000)
    )
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(rows.encode(), mtime=0)[:-200])
    found = []
    with open_feed(path) as feed, pytest.raises(FeedError, match="too early"):
        found.extend(feed)
    assert found[:3] == EXPECTED["google.tsv"]
    assert 1_000 < len(found) < 5_003
