from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from model.cutting import garment_mask  # noqa: E402
from model.drawings.numbered import Drawn  # noqa: E402
from model.training import cutouts as module  # noqa: E402
from model.training.cutouts import Cutouts  # noqa: E402
from model.training.grounds import Grounds, as_images  # noqa: E402

pytestmark = pytest.mark.torch
SIDE = 64
GREEN = np.broadcast_to(np.array((0, 255, 0), np.uint8), (1, SIDE, SIDE, 3))
GREEN_GROUNDS = Grounds(photographs=GREEN, busy=GREEN)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Garments on plain grounds, and in the last row noise, of which nothing can be cut out."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    drawn = [np.asarray(Drawn.numbered(n, side=SIDE).picture()) for n in (0, 1, 3, 4)]
    return np.stack([*drawn, noise])


@pytest.fixture(scope="module")
def cutouts(photographs: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Cutouts:
    return Cutouts.of(photographs, tmp_path_factory.mktemp("pack") / "garments.npy")


def generator(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


def test_masks_are_those_of_each_photograph_by_itself(
    photographs: np.ndarray, cutouts: Cutouts
) -> None:
    assert cutouts.masks.shape == (5, SIDE, SIDE)
    for pixels, mask in zip(photographs[:-1], cutouts.masks, strict=False):
        np.testing.assert_array_equal(mask, garment_mask(Image.fromarray(pixels)))
        assert mask.any()
    assert garment_mask(Image.fromarray(photographs[-1])) is None
    assert not cutouts.masks[-1].any()


def test_masks_are_read_again_from_their_file(
    photographs: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "garments.npy"
    first = Cutouts.of(photographs[:2], path)
    assert list(tmp_path.iterdir()) == [path]  # nothing half done is left beside it

    def cut_again(image: Image.Image) -> np.ndarray:
        raise AssertionError("cut out a second time")

    monkeypatch.setattr(module, "garment_mask", cut_again)
    np.testing.assert_array_equal(Cutouts.of(photographs[:2], path).masks, first.masks)


def test_a_garment_is_put_on_the_ground_with_a_soft_outline(
    photographs: np.ndarray, cutouts: Cutouts
) -> None:
    rows = np.array([2, 0])
    pictures = as_images(photographs[rows])
    changed = cutouts.on_new_grounds(pictures, rows, 1.0, GREEN_GROUNDS, generator())
    untouched = replaced = between = 0
    for row, picture, after in zip(rows, pictures.numpy(), changed.numpy(), strict=True):
        mask = cutouts.masks[row]
        for y in range(SIDE):
            for x in range(SIDE):
                around = mask[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                garment = around.mean()
                expected = picture[:, y, x] * garment + np.array([0, 1, 0]) * (1 - garment)
                np.testing.assert_allclose(after[:, y, x], expected, atol=1e-6)
                untouched += bool((after[:, y, x] == picture[:, y, x]).all())
                replaced += after[:, y, x].tolist() == [0, 1, 0]
                between += 0 < garment < 1
    assert min(untouched, replaced, between) > 100


def test_a_picture_of_which_nothing_could_be_cut_out_stays_as_it_is(
    photographs: np.ndarray, cutouts: Cutouts
) -> None:
    rows = np.array([4, 1, 4])
    pictures = as_images(photographs[rows])
    before = pictures.clone()
    changed = cutouts.on_new_grounds(pictures, rows, 1.0, GREEN_GROUNDS, generator())
    assert torch.equal(changed[[0, 2]], before[[0, 2]])
    assert not torch.equal(changed[1], before[1])
    assert torch.equal(pictures, before)  # what was given is the caller's
    alone = cutouts.on_new_grounds(pictures[:1], rows[:1], 1.0, GREEN_GROUNDS, generator())
    assert torch.equal(alone, before[:1])


def test_about_the_share_asked_for_is_replaced(photographs: np.ndarray, cutouts: Cutouts) -> None:
    rows = np.zeros(60, np.int64)
    pictures = as_images(photographs[rows])
    for share, least, most in ((0.0, 0, 0), (0.3, 9, 28), (1.0, 60, 60)):
        changed = cutouts.on_new_grounds(pictures, rows, share, GREEN_GROUNDS, generator())
        count = int((changed != pictures).any(dim=(1, 2, 3)).sum())
        assert least <= count <= most


def test_equal_generators_replace_the_same(photographs: np.ndarray, cutouts: Cutouts) -> None:
    grounds = Grounds.of(photographs, count=3)
    rows = np.arange(4)
    first, again, other = (
        cutouts.on_new_grounds(as_images(photographs[rows]), rows, 0.5, grounds, generator(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
