import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from model.training.grounds import Grounds, as_images  # noqa: E402

pytestmark = pytest.mark.torch
SIZE, CORNER = 16, 4


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def grounds(photographs: np.ndarray) -> Grounds:
    return Grounds.of(photographs, count=4, seed=1)


def generator(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


def test_a_ground_is_a_photographs_corner_or_a_busy_one(
    photographs: np.ndarray, grounds: Grounds
) -> None:
    corners = [
        as_images(photo[y : y + CORNER, x : x + CORNER][None])[0]
        for photo in photographs
        for y in (0, SIZE - CORNER)
        for x in (0, SIZE - CORNER)
    ]
    busy = list(F.interpolate(as_images(grounds.busy), size=CORNER, mode="bilinear"))
    # At the size of a corner nothing is blown up, and what was chosen shows.
    drawn = grounds.sample(200, CORNER, generator())
    chosen = [
        [i for i, known in enumerate(corners + busy) if torch.allclose(ground, known, atol=1e-6)]
        for ground in drawn
    ]
    assert all(len(found) == 1 for found in chosen)
    kinds = [found[0] for found in chosen]
    assert set(kinds) == set(range(len(corners) + len(busy)))
    assert 70 < sum(kind >= len(corners) for kind in kinds) < 130  # half of them


def test_grounds_have_the_size_asked_for_and_come_in_0_to_1(grounds: Grounds) -> None:
    drawn = grounds.sample(20, 24, generator())
    assert drawn.shape == (20, 3, 24, 24)
    assert 0 <= float(drawn.min()) < 0.2
    assert 0.8 < float(drawn.max()) <= 1


def test_equal_seeds_make_equal_grounds(photographs: np.ndarray, grounds: Grounds) -> None:
    again, other = (Grounds.of(photographs, count=4, seed=seed) for seed in (1, 2))
    assert again.busy.shape == (4, SIZE, SIZE, 3)
    np.testing.assert_array_equal(again.busy, grounds.busy)
    assert (other.busy != grounds.busy).any()
    drawn, same, different = (grounds.sample(6, 8, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(drawn, same)
    assert not torch.equal(drawn, different)
