import csv
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from api_schemas.card import Preprocessing
from model.drawings import (
    ATTRIBUTES,
    VALUES,
    Design,
    allowed_values,
    draw,
    part_masks,
    random_design,
    variant,
    write_catalog,
)
from model.drawings.look import COLORS
from model.drawings.painting import PARTS
from model.pixels import decode

TEE = Design("t-shirt", "none", "crew", "short", "pullover", "solid", "blue")
LONGSLEEVE = Design("longsleeve", "none", "crew", "long", "pullover", "solid", "gray")
DRESS = Design("dress", "none", "scoop", "short", "pullover", "solid", "red", "knee")
SKIRT = Design("skirt", *["na"] * 4, "solid", "navy", "knee")
PANTS = Design("pants", *["na"] * 4, "solid", "blue", "na", "full")
COAT = Design(
    "outwear", "lapel", "collared", "long", "buttons", "solid", "beige", coat_length="knee"
)


def seeded(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def some_designs(count: int, seed: int = 11) -> list[Design]:
    rng = np.random.default_rng(seed)
    return [random_design(rng) for _ in range(count)]


def pixels(design: Design, size: int = 200, seed: int = 3) -> np.ndarray:
    return np.asarray(draw(design, size=size, rng=seeded(seed))).astype(int)


def garment(masks: dict[str, np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(list(masks.values()))


def grown(mask: np.ndarray, by: int = 2) -> np.ndarray:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.MaxFilter(2 * by + 1))) > 0


def shrunk(mask: np.ndarray, by: int = 2) -> np.ndarray:
    return ~grown(~mask, by)


def test_random_designs_reach_every_value_of_every_attribute() -> None:
    designs = some_designs(3000)
    for attribute in ATTRIBUTES:
        assert {getattr(design, attribute) for design in designs} == set(VALUES[attribute])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"collar": "hood"}, "hood collar makes the neckline collared"),
        ({"neckline": "collared"}, "collared neckline needs a collar"),
        ({"neckline": "strap"}, "straps carry no sleeves"),
        ({"neckline": "offshoulder", "sleeve_length": "sleeveless"}, "needs sleeves"),
        ({"skirt_length": "mini"}, "a t-shirt has no skirt_length"),
        ({"garment_type": "dress"}, "a dress has a skirt_length"),
        ({"closure": "na"}, "na is for bottoms"),
        ({"color": "multi"}, "multi needs one of the patterns allover, block, stripe"),
        ({"neckline": "boat", "closure": "halfzip"}, "halfzip does not go with"),
        ({"collar": "ruffle"}, "collar is 'ruffle'; drawable are none, shirt"),
    ],
)
def test_designs_nobody_could_draw_are_refused(changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Design(**{**asdict(TEE), **changes})


def test_a_variant_differs_in_one_attribute_and_in_the_picture() -> None:
    for design in some_designs(12):
        original = pixels(design, size=96)
        for attribute in ATTRIBUTES:
            others = [
                v for v in allowed_values(design, attribute) if v != getattr(design, attribute)
            ]
            for value in others[:2]:
                changed = variant(design, attribute, value)
                before, after = asdict(design), asdict(changed)
                assert [name for name in before if before[name] != after[name]] == [attribute]
                if attribute != "garment_type":  # an undershirt may look like a sleeveless t-shirt
                    assert np.abs(pixels(changed, size=96) - original).max() > 20


def test_a_variant_that_cannot_be_drawn_names_what_can() -> None:
    with pytest.raises(ValueError, match="cannot become 'hood' on this t-shirt; it can be none"):
        variant(TEE, "collar", "hood")
    with pytest.raises(ValueError, match="no attribute 'lapels'; there are garment_type"):
        variant(TEE, "lapels", "wide")


def test_equal_generators_draw_equal_pictures_and_others_do_not() -> None:
    for design in some_designs(6):
        assert (pixels(design, 96, seed=1) == pixels(design, 96, seed=1)).all()
        assert (pixels(design, 96, seed=1) != pixels(design, 96, seed=2)).any()
    assert draw(TEE).tobytes() == draw(TEE).tobytes()


def test_a_picture_has_the_size_asked_for() -> None:
    assert draw(TEE, size=97).size == (97, 97)
    with pytest.raises(ValueError, match="size is 8 pixels; at least 32"):
        draw(TEE, size=8)


def test_the_garment_stays_inside_the_picture() -> None:
    for number, design in enumerate(some_designs(40)):
        mask = garment(part_masks(design, size=120, rng=seeded(number)))
        border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert not border.any(), design


def test_part_masks_are_disjoint_and_cover_what_is_drawn() -> None:
    for number, design in enumerate(some_designs(10)):
        other = "red" if design.color in ("blue", "navy", "black", "green") else "blue"
        plain = variant(design, "pattern", "solid") if design.color != "multi" else TEE
        difference = np.abs(
            pixels(variant(plain, "color", other), seed=number)
            - pixels(variant(plain, "color", "white"), seed=number)
        ).max(axis=2)
        masks = part_masks(plain, size=200, rng=seeded(number))
        assert np.sum(list(masks.values()), axis=0).max() == 1
        whole = garment(masks)
        assert not (difference > 30)[~grown(whole)].any()
        # Seams and metal are alike in both colours.
        assert (difference > 30)[shrunk(whole)].mean() > 0.85


def test_visible_parts_follow_the_design() -> None:
    assert set(part_masks(SKIRT)) == {"body"}
    assert set(part_masks(PANTS)) == {"body"}
    assert set(part_masks(TEE)) == {"body", "sleeves", "neckline"}
    assert set(part_masks(variant(TEE, "sleeve_length", "sleeveless"))) == {"body", "neckline"}
    assert set(part_masks(variant(TEE, "closure", "zip"))) == {
        "body",
        "sleeves",
        "neckline",
        "closure",
    }
    assert set(part_masks(COAT)) == set(PARTS)


@pytest.mark.parametrize("closure", ["buttons", "placket", "zip", "halfzip", "open"])
def test_a_changed_closure_changes_the_closure_mask_alone(closure: str) -> None:
    changed = variant(LONGSLEEVE, "closure", closure)
    difference = np.abs(pixels(changed) - pixels(LONGSLEEVE)).max(axis=2) > 8
    mask = part_masks(changed, size=200, rng=seeded())["closure"]
    assert difference.any()
    assert not difference[~grown(mask, 3)].any()


@pytest.mark.parametrize("pattern", VALUES["pattern"][1:])
def test_patterns_stay_on_the_garment(pattern: str) -> None:
    printed = variant(DRESS, "pattern", pattern)
    difference = np.abs(pixels(printed) - pixels(DRESS)).max(axis=2) > 8
    mask = garment(part_masks(printed, size=200, rng=seeded()))
    assert difference.any()
    assert not difference[~grown(mask, 1)].any()


def color_shares(design: Design, seed: int) -> Counter[str]:
    """Share of the body's pixels whose nearest named colour is each."""
    body = part_masks(design, size=200, rng=seeded(seed))["body"]
    points = pixels(design, seed=seed)[shrunk(body)]
    distances = ((points[:, None] - np.array(list(COLORS.values()))) ** 2).sum(axis=2)
    names, counts = np.unique(np.array(list(COLORS))[distances.argmin(axis=1)], return_counts=True)
    return Counter(dict(zip(names.tolist(), (counts / len(points)).tolist(), strict=True)))


@pytest.mark.parametrize("color", list(COLORS))
def test_the_named_color_is_the_commonest_on_the_garment(color: str) -> None:
    for seed, pattern in enumerate(VALUES["pattern"]):
        design = variant(variant(TEE, "color", color), "pattern", pattern)
        shares = color_shares(design, seed)
        assert shares[color] > 0.3, pattern
        # Crossing checks and the ground seen through lace make mixed tones with names of their own.
        if pattern not in ("check", "lace"):
            assert shares.most_common(1)[0][0] == color, pattern


@pytest.mark.parametrize("pattern", ["stripe", "allover", "block"])
def test_no_color_dominates_a_multi_garment(pattern: str) -> None:
    design = Design(**{**asdict(TEE), "pattern": pattern, "color": "multi"})
    for seed in range(4):
        assert color_shares(design, seed).most_common(1)[0][1] < 0.5


@pytest.mark.parametrize(
    ("design", "attribute", "descending"),
    [
        (SKIRT, "skirt_length", ["maxi", "midi", "knee", "mini"]),
        (DRESS, "skirt_length", ["maxi", "midi", "knee", "mini"]),
        (PANTS, "pant_length", ["full", "crop", "bermuda", "short"]),
        (COAT, "coat_length", ["knee", "thigh", "hip", "waist"]),
    ],
    ids=["skirt", "dress", "pants", "coat"],
)
def test_longer_garments_are_longer_for_their_width(
    design: Design, attribute: str, descending: list[str]
) -> None:
    for seed in range(4):
        ratios = []
        for value in descending:
            body = part_masks(variant(design, attribute, value), rng=seeded(seed))["body"]
            rows, columns = body.any(axis=1).sum(), body.any(axis=0).sum()
            ratios.append(rows / columns)
        assert ratios == sorted(ratios, reverse=True), seed


def test_longer_sleeves_cover_more() -> None:
    for seed in range(4):
        shares = []
        for value in ("short", "half", "long"):
            masks = part_masks(variant(TEE, "sleeve_length", value), rng=seeded(seed))
            shares.append(masks["sleeves"].sum() / masks["body"].sum())
        assert shares == sorted(shares)


def test_deeper_necklines_open_lower() -> None:
    depths = []
    for value in ("boat", "crew", "scoop", "v"):
        neck = part_masks(variant(TEE, "neckline", value), rng=seeded())["neckline"]
        depths.append(int(neck.any(axis=1).sum()))
    assert depths == sorted(depths)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("drawn") / "shop", 20, seed=5)


def test_a_catalog_describes_decodable_pictures_of_real_designs(shop: Path) -> None:
    rows = rows_of(shop)
    assert len(rows) == len({row["file"] for row in rows}) == 20
    preprocessing = Preprocessing(input_size=64, fit="pad", mean=(0.5,) * 3, std=(0.5,) * 3)
    for row in rows:
        assert decode((shop.parent / row["file"]).read_bytes(), preprocessing).std() > 5
        Design(**{attribute: row[attribute] for attribute in ATTRIBUTES})
        assert row["brand"]
        assert float(row["price"]) > 0
        assert row["in_stock"] in ("true", "false")
        assert row["size"] in ("XS", "S", "M", "L", "XL")
    assert {Path(row["file"]).suffix for row in rows} == {".jpg", ".png"}


def test_no_photographer_stands_in_two_splits(shop: Path) -> None:
    rows = rows_of(shop)
    pairs = {(row["photographer"], row["split"]) for row in rows}
    assert len(pairs) == len({photographer for photographer, _ in pairs})
    assert {split for _, split in pairs} == {"train", "valid", "test"}


def test_equal_seeds_write_equal_catalogs_and_longer_ones_begin_alike(tmp_path: Path) -> None:
    first, again, longer, other = (
        write_catalog(tmp_path / name, count, seed)
        for name, count, seed in (("a", 4, 1), ("b", 4, 1), ("c", 6, 1), ("d", 4, 2))
    )
    assert first.read_bytes() == again.read_bytes()
    assert rows_of(longer)[:4] == rows_of(first)
    assert rows_of(other) != rows_of(first)
    for row in rows_of(first):
        picture = Image.open(first.parent / row["file"])
        same = Image.open(again.parent / row["file"])
        assert ImageChops.difference(picture, same).getbbox() is None


def test_an_empty_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count is 0; at least 1"):
        write_catalog(tmp_path, 0, seed=0)
