import random

import pytest

from service.feeds.opening import open_feed
from service.feeds.pictures import Listing, Variant, garments, merged
from service.feeds.records import Problem, Product


def variant(key, image, **metadata):
    return Variant((key,), "", (image,) if image else (), metadata, (), 1)


def url(name):
    return f"https://a.example/{name}.jpg"


def test_every_picture_of_a_product_is_in_exactly_one_garment():
    rng = random.Random(3)
    for _ in range(200):
        gallery = tuple(dict.fromkeys(url(rng.randint(0, 6)) for _ in range(rng.randint(0, 5))))
        variants = tuple(
            variant(f"v{n}", rng.choice(["", url(rng.randint(0, 6))]))
            for n in range(rng.randint(0, 6))
        )
        found = list(garments(Listing(("p",), "P", gallery, {}, variants, 1)))
        pictures = {*gallery, *(image for v in variants for image in v.images)}
        if not pictures:
            assert [type(entry) for entry in found] == [Problem]
            continue
        shown = [image for entry in found for image in entry.images]
        assert sorted(shown) == sorted(pictures)
        assert len({entry.id for entry in found}) == len(found)
        assert {entry.group for entry in found} == {"p" if variants else None}
        assert not gallery or found[0].images[0] == gallery[0]


def test_variants_of_one_picture_merge_to_what_a_shopper_can_choose():
    parts = [
        {"color": "Navy", "size": "M", "price": 30.0, "regular_price": 35.0, "currency": "EUR"},
        {
            "color": "Navy",
            "size": "L",
            "price": 20.0,
            "currency": "EUR",
            "availability": "in_stock",
        },
        {"color": "Navy", "size": ["XL", "M"], "availability": "out_of_stock"},
    ]
    assert merged(parts) == {
        "color": "Navy",
        "size": ["M", "L", "XL"],
        "price": 20.0,
        "price_max": 30.0,
        "currency": "EUR",
        "availability": "in_stock",
    }


def test_an_id_with_two_pictures_is_a_problem_not_a_replacement():
    listing = Listing(("p",), "P", (), {}, (variant("v", url(1)), variant("v", url(2))), 1)
    first, second = garments(listing)
    assert isinstance(first, Product)
    assert isinstance(second, Problem)


SHOPIFY = (
    "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Image Src,Variant Image\n"
)


@pytest.fixture
def ids(tmp_path):
    def read_ids(*rows):
        path = tmp_path / "products.csv"
        path.write_text(SHOPIFY + "\n".join(rows))
        with open_feed(path) as feed:
            return [entry.id for entry in feed if isinstance(entry, Product)]

    return read_ids


def test_a_colours_id_outlasts_its_sizes(ids):
    main = f"tee,Tee,Size,S,Color,Red,{url('red')},{url('red')}"
    small = f"tee,,,S,,Blue,,{url('blue')}"
    large = f"tee,,,L,,Blue,,{url('blue')}"
    assert ids(main, small, large) == ids(main, large) == ids(main, small) == ["tee", "tee:Blue"]


def test_pictures_that_no_single_option_tells_apart_are_named_by_all(ids):
    found = ids(
        f"tee,Tee,Size,S,Color,Red,{url('a')},{url('a')}",
        f"tee,,,L,,Red,,{url('b')}",
        f"tee,,,S,,Blue,,{url('c')}",
        f"tee,,,L,,Blue,,{url('d')}",
    )
    assert found == ["tee", "tee:L:Red", "tee:S:Blue", "tee:L:Blue"]


def test_rows_of_a_handle_that_do_not_follow_each_other_are_heard_of(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text(
        SHOPIFY
        + f"tee,Tee,,,,,{url('a')},\nhat,Hat,,,,,{url('b')},\ntee,,,,,,{url('c')},\n,Cap,,,,,,\n"
    )
    with open_feed(path) as feed:
        found = list(feed)
    assert [entry.id for entry in found if isinstance(entry, Product)] == ["tee", "hat"]
    assert [(entry.number, entry.kept) for entry in found if isinstance(entry, Problem)] == [
        (5, False),
        (4, False),
    ]
