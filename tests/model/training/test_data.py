import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from api_schemas.card import Preprocessing  # noqa: E402
from model.labels import read_labels  # noqa: E402
from model.pixels import UndecodableImage, decode  # noqa: E402
from model.training.data import (  # noqa: E402
    Augmentation,
    Targets,
    augment,
    augment_with_parts,
    epoch_batches,
    epoch_order,
    packed_pixels,
)

pytestmark = pytest.mark.torch
SMALL = Preprocessing(input_size=32, fit="pad", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
STILL = Augmentation(
    zoom=(1.0, 1.0),
    aspect=0.0,
    rotation_degrees=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    white_balance=0.0,
    shade=0.0,
    blur_probability=0.0,
    erase_probability=0.0,
)
UNPAINTED = Augmentation(
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    white_balance=0.0,
    shade=0.0,
    blur_probability=0.0,
    erase_probability=0.0,
)


def generator() -> "torch.Generator":
    return torch.Generator().manual_seed(0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(path)
    return paths


def test_packed_photographs_are_what_serving_decodes(files: list[Path], tmp_path: Path) -> None:
    packed = packed_pixels(files, SMALL, tmp_path / "cache")
    for row, file in enumerate(files):
        np.testing.assert_array_equal(packed[row], decode(file.read_bytes(), SMALL))


def test_photographs_are_packed_once_and_again_when_they_change(
    files: list[Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    packed_pixels(files, SMALL, cache)
    packed_pixels(files, SMALL, cache)
    assert len(list(cache.iterdir())) == 1
    Image.new("RGB", (50, 50)).save(files[0])
    assert packed_pixels(files, SMALL, cache)[0].max() == 0
    assert len(list(cache.iterdir())) == 2


def test_an_unreadable_photograph_is_named(files: list[Path], tmp_path: Path) -> None:
    files[1].write_bytes(b"no picture")
    with pytest.raises(UndecodableImage, match=files[1].name):
        packed_pixels(files, SMALL, tmp_path / "cache")


def test_targets_tell_values_from_visibility(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,collar\na,polo\nb,na\nc,\nd,rare\ne,polo\n")
    targets = Targets.of(read_labels(path), [("polo",)])
    assert targets.values[:, 0].tolist() == [0, -1, -1, -1, 0]
    np.testing.assert_array_equal(targets.visible[:, 0], [1, 0, np.nan, 1, 1])
    assert targets.value_counts().tolist() == [[2]]


def test_an_epoch_visits_rows_once_and_leaves_out_a_tiny_rest() -> None:
    batches = list(epoch_batches(epoch_order(torch.zeros(21).long(), generator()), 8))
    assert [len(batch) for batch in batches] == [8, 8, 5]
    assert sorted(torch.cat(batches).tolist()) == list(range(21))
    assert [len(batch) for batch in epoch_batches(torch.arange(18), 8)] == [8, 8]
    assert [len(batch) for batch in epoch_batches(torch.arange(3), 8)] == [3]


@pytest.mark.parametrize(("balance", "share"), [(0.5, 0.75), (1.0, 0.5)])
def test_a_balanced_epoch_shows_photographers_by_a_power_of_their_pictures(
    balance: float, share: float
) -> None:
    groups = torch.tensor([0] * 9000 + [1] * 1000)  # 9000 ** 0.5 : 1000 ** 0.5 is 3 : 1
    order = epoch_order(groups, generator(), balance=balance)
    assert len(order) == 10000
    assert float((groups[order] == 0).float().mean()) == pytest.approx(share, abs=0.02)


def test_a_stretch_makes_garments_longer_or_wider_by_its_exponential() -> None:
    images = torch.zeros(2, 3, 96, 96)
    images[:, :, 32:64, 32:64] = 1.0
    changed = augment(images, 96, STILL, generator(), torch.tensor([math.log(1.44), 0.0]))
    bright = changed[:, 0] > 0.5
    heights = bright.any(dim=2).sum(dim=1).tolist()
    widths = bright.any(dim=1).sum(dim=1).tolist()
    assert heights == [pytest.approx(32 * 1.2, abs=2), 32]
    assert widths == [pytest.approx(32 / 1.2, abs=2), 32]


def test_no_change_asked_for_is_the_picture_or_its_mirror() -> None:
    images = torch.rand(6, 3, 16, 16, generator=generator())
    for image, changed in zip(images, augment(images, 16, STILL, generator()), strict=True):
        same = torch.allclose(changed, image, atol=1e-5)
        mirrored = torch.allclose(changed, image.flip(-1), atol=1e-5)
        assert same != mirrored


def test_the_same_seed_changes_pictures_the_same_way() -> None:
    images = torch.rand(4, 3, 24, 24, generator=generator())
    first = augment(images, 16, Augmentation(), generator())
    torch.testing.assert_close(first, augment(images, 16, Augmentation(), generator()))
    assert first.shape == (4, 3, 16, 16)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_blur_is_a_gaussian_of_at_most_the_deviation_given() -> None:
    """A single bright pixel becomes the Gaussian itself: its variance tells the deviation."""
    point = torch.zeros(16, 3, 65, 65)
    point[:, :, 32, 32] = 1.0
    blurred = augment(point, 65, replace(STILL, blur_probability=1.0, blur=0.04), generator())[:, 0]
    torch.testing.assert_close(blurred.sum(dim=(1, 2)), torch.ones(16), rtol=0.02, atol=0.0)
    offset = torch.arange(65) - 32.0
    deviations = (blurred.sum(dim=1) * offset.square()).sum(dim=1).sqrt()
    assert 1.0 < float(deviations.max()) <= 0.04 * 65
    flat = torch.full((4, 3, 33, 33), 0.6)
    even = augment(flat, 33, replace(STILL, blur_probability=1.0), generator())
    torch.testing.assert_close(even, flat)


def test_shade_is_brighter_on_one_side_and_as_dark_on_the_other() -> None:
    grey = torch.full((8, 3, 33, 33), 0.5)
    shaded = augment(grey, 33, replace(STILL, shade=0.3), generator())
    torch.testing.assert_close(shaded + shaded.flip(-1, -2), torch.ones_like(grey))
    slopes = shaded[:, :, 1:] - shaded[:, :, :-1]
    torch.testing.assert_close(slopes, slopes[:, :, :1].expand_as(slopes), atol=1e-5, rtol=0.0)
    assert 0.05 < float((shaded - 0.5).abs().max()) <= 0.5 * 0.3 * 2**0.5


def test_erasing_hides_a_rectangle_of_one_colour() -> None:
    images = torch.zeros(8, 3, 32, 32)
    always = Augmentation(**{**vars(STILL), "erase_probability": 1.0})
    for changed in augment(images, 32, always, generator()):
        hidden = changed.sum(0) > 0
        rows, columns = hidden.any(1), hidden.any(0)
        assert 0 < int(hidden.sum()) == int(rows.sum()) * int(columns.sum()) < 32 * 32
        assert len(changed[:, hidden].unique(dim=1).T) == 1


def test_with_parts_pictures_change_as_without() -> None:
    images = torch.rand(4, 3, 40, 40, generator=generator())
    alone, beside = generator(), generator()
    expected = augment(images, 32, Augmentation(), alone)
    changed, _ = augment_with_parts(images, torch.ones(4, 2, 8, 8), 32, Augmentation(), beside)
    assert torch.equal(changed, expected)
    assert torch.equal(alone.get_state(), beside.get_state())


def test_a_part_moves_to_where_its_place_in_the_picture_moves() -> None:
    images, parts = torch.zeros(12, 3, 64, 64), torch.zeros(12, 2, 16, 16)
    images[:, :, 12:24, 32:48] = 1.0
    parts[:, 1, 3:6, 8:12] = 1.0
    pictures, moved = augment_with_parts(images, parts, 48, UNPAINTED, generator())
    seen = torch.nn.functional.avg_pool2d(pictures.mean(dim=1), 3)  # (B, 16, 16)
    assert not moved[:, 0].any()
    centres = []
    for picture, part in zip(seen, moved[:, 1], strict=True):
        centres.append(centre_of(picture))
        assert centre_of(part) == pytest.approx(centres[-1], abs=0.15)
        assert float(part.sum()) == pytest.approx(float(picture.sum()), rel=0.1)
        assert float((part - picture).abs().max()) < 0.35  # edges are read at other points
    assert np.ptp(centres, axis=0).min() > 1.5  # cells: they were moved


def centre_of(grid: "torch.Tensor") -> tuple[float, float]:
    """Row and column of the middle of what a (c, c) grid shows."""
    total, row, column = 0.0, 0.0, 0.0
    for y in range(grid.shape[0]):
        for x in range(grid.shape[1]):
            share = float(grid[y, x])
            total, row, column = total + share, row + share * y, column + share * x
    return row / total, column / total


def test_beyond_the_picture_there_is_no_part() -> None:
    smaller = Augmentation(**{**vars(STILL), "zoom": (2.0, 2.0)})
    _, moved = augment_with_parts(
        torch.ones(3, 3, 32, 32), torch.ones(3, 1, 8, 8), 32, smaller, generator()
    )
    expected = torch.zeros(8, 8)
    expected[2:6, 2:6] = 1.0
    for part in moved[:, 0]:
        torch.testing.assert_close(part, expected)
