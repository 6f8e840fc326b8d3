from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.drawings import write_catalog
from model.drawings.numbered import Drawn
from model.encoder import Encoder
from model.evaluate import embed_table, evaluate
from model.labels import LabelTable, read_labels
from model.pixels import decode_file
from model.robustness import (
    CHANGES,
    Change,
    as_served,
    blur,
    brighten,
    compress,
    crop,
    darken,
    measure_drawn_background,
    measure_robustness,
    mirror,
    on_busy_background,
    on_white,
    open_picture,
    rotate,
)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Taller than wide, so that a change that mixes up the sides shows."""
    return Drawn.numbered(1).picture().crop((20, 0, 300, 320))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> LabelTable:
    return read_labels(write_catalog(tmp_path_factory.mktemp("drawn"), 12, seed=3))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, float)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_changes_the_picture_and_does_so_alike_each_time(
    change: Change, picture: Image.Image
) -> None:
    before = picture.tobytes()
    first, second = change(picture), change(picture)
    assert first is not None
    assert second is not None
    assert first.mode == "RGB"
    assert first.tobytes() == second.tobytes() != before
    assert picture.tobytes() == before


def test_a_mirrored_picture_has_its_columns_reversed(picture: Image.Image) -> None:
    assert (pixels(mirror(picture)) == pixels(picture)[:, ::-1]).all()


def test_rotation_turns_about_the_middle_anticlockwise_and_leaves_no_empty_corner() -> None:
    image = Image.new("RGB", (200, 300), (90, 90, 90))
    image.paste((255, 255, 255), (160, 145, 170, 155))  # to the right of the middle
    turned = pixels(rotate(image))[..., 0]
    assert turned.shape == (300, 200)
    assert turned.min() > 50  # bicubic undershoot beside the mark; an empty corner is 0
    y, x = np.argwhere(turned > 200).mean(axis=0)
    radius, angle = 65.0, np.radians(15)
    assert x == pytest.approx(99.5 + radius * np.cos(angle), abs=1.5)
    assert y == pytest.approx(149.5 - radius * np.sin(angle), abs=1.5)


def test_a_crop_keeps_the_middle_four_fifths_of_each_side(picture: Image.Image) -> None:
    assert (pixels(crop(picture)) == pixels(picture)[32:288, 28:252]).all()


def test_compression_costs_detail_but_not_the_picture(picture: Image.Image) -> None:
    difference = np.abs(pixels(compress(picture)) - pixels(picture))
    assert 0.5 < difference.mean() < 10


def test_a_blurred_edge_is_as_wide_as_the_blur() -> None:
    image = Image.new("RGB", (400, 100), "black")
    image.paste((255, 255, 255), (200, 0, 400, 100))
    row = pixels(blur(image))[50, :, 0] / 255
    # A step blurred by a Gaussian is its distribution function: 16 % at one deviation below.
    assert np.interp(0.1587, row, np.arange(400)) == pytest.approx(199.5 - 4, abs=0.7)


def test_brightness_multiplies_and_clips(picture: Image.Image) -> None:
    np.testing.assert_allclose(pixels(darken(picture)), pixels(picture) * 0.6, atol=1)
    expected = np.minimum(pixels(picture) * 1.5, 255)
    np.testing.assert_allclose(pixels(brighten(picture)), expected, atol=1)


@pytest.mark.parametrize("change", [on_busy_background, on_white])
def test_a_new_background_leaves_the_garment_alone(change: Change) -> None:
    drawn = Drawn.numbered(1)
    changed = change(drawn.picture())
    assert changed is not None
    moved = np.abs(pixels(changed) - pixels(drawn.picture())).max(axis=2) > 5
    garment = np.logical_or.reduce(list(drawn.masks().values()))
    assert moved[garment].mean() < 0.05
    assert moved[~garment].mean() > 0.9


def test_where_nothing_can_be_cut_out_there_is_no_new_background() -> None:
    plain = Image.new("RGB", (100, 100), (120, 130, 140))
    assert on_busy_background(plain) is None
    assert on_white(plain) is None


def test_a_picture_is_opened_upright_and_on_white(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    assert open_picture(tmp_path / "turned.png").size == (20, 40)
    Image.new("RGBA", (40, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (pixels(open_picture(tmp_path / "clear.png")) == 255).all()


def test_an_unchanged_picture_is_served_as_its_file_is(
    encoder: Encoder, tmp_path: Path, picture: Image.Image
) -> None:
    picture.save(tmp_path / "0.png")
    served = as_served(open_picture(tmp_path / "0.png"), encoder.card.preprocessing)
    assert (served == decode_file(tmp_path / "0.png", encoder.card.preprocessing)).all()


def test_robustness_is_the_map_of_the_changed_files(
    encoder: Encoder, catalog: LabelTable, tmp_path: Path
) -> None:
    for file in catalog.files:
        changed = darken(open_picture(file))
        changed.save(tmp_path / f"{file.stem}.png")
    dark = LabelTable(
        files=tuple(tmp_path / f"{file.stem}.png" for file in catalog.files),
        splits=catalog.splits,
        groups=catalog.groups,
        cells=catalog.cells,
    )
    told: list[int] = []
    measured = measure_robustness(encoder, catalog, changes={"dark": darken}, progress=told.append)[
        "dark"
    ]
    for figures, table in ((measured.clean, catalog), (measured.changed, dark)):
        quality = evaluate(embed_table(encoder, table), encoder.card.attributes, "")
        assert figures == pytest.approx(
            {n: a.retrieval.map_other_photographers for n, a in quality.attributes.items()},
            abs=1e-6,
        )
    assert (measured.images, measured.of, sum(told)) == (12, 12, 24)
    expected = 100 * (
        np.mean(list(measured.clean.values())) - np.mean(list(measured.changed.values()))
    )
    assert measured.points_lost == pytest.approx(expected)


def only(*wanted: bytes) -> Callable[[Image.Image], Image.Image | None]:
    return lambda image: image if image.tobytes() in wanted else None


def test_pictures_that_cannot_be_changed_are_left_out_on_both_sides(
    encoder: Encoder, catalog: LabelTable
) -> None:
    rows = [0, 2, 3, 4, 6, 8, 9, 11]
    kept = [open_picture(catalog.files[row]).tobytes() for row in rows]
    measured = measure_robustness(encoder, catalog, changes={"some": only(*kept), "none": only()})
    assert set(measured) == {"some"}
    alone = measure_robustness(encoder, catalog.take(rows), changes={"all": mirror})["all"]
    assert measured["some"].images == 8
    assert measured["some"].clean == pytest.approx(alone.clean, abs=1e-6)


def test_drawn_garments_are_measured_on_plain_and_on_busy_ground(encoder: Encoder) -> None:
    told: list[int] = []
    measured = measure_drawn_background(encoder, count=8, progress=told.append)
    assert (measured.images, sum(told)) == (8, 16)
    assert set(measured.clean) == set(encoder.card.attribute_names)
    assert measured.clean != measured.changed
