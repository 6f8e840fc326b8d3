from collections.abc import Iterator

import numpy as np
import pytest

from model.encoder import SHIPPED_MODEL, Encoder
from service.piecewise import LARGEST_PIECE, PiecewiseEncoder, piece_count


@pytest.fixture(scope="module")
def piecewise() -> Iterator[PiecewiseEncoder]:
    with PiecewiseEncoder.of(Encoder.load(SHIPPED_MODEL, threads=2), SHIPPED_MODEL) as encoder:
        yield encoder


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_each_image_gets_its_own_embedding_however_the_batch_is_cut(
    piecewise: PiecewiseEncoder, encoder: Encoder, count: int
):
    side = encoder.card.preprocessing.input_size
    rng = np.random.default_rng(count)
    images = list(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8))
    embedded = piecewise.encode(images)
    assert len(embedded) == count
    for image, got in zip(images, embedded, strict=True):
        expected = encoder.encode(image[np.newaxis])[0]
        np.testing.assert_allclose(got.vectors, expected.vectors, atol=1e-5)
        np.testing.assert_allclose(got.norms, expected.norms, rtol=1e-4)
        np.testing.assert_allclose(got.visible, expected.visible, atol=1e-5)


def test_a_piece_that_fails_fails_the_batch_and_the_next_one_is_computed(
    piecewise: PiecewiseEncoder, encoder: Encoder
):
    side = encoder.card.preprocessing.input_size
    with pytest.raises(ValueError, match="pixels must be"):
        piecewise.encode([np.zeros((side, side, 4), np.uint8)] * 6)
    assert len(piecewise.encode([np.zeros((side, side, 3), np.uint8)] * 6)) == 6


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_pieces_are_small_and_no_thread_computes_more_than_its_share(threads: int):
    for images in range(1, 70):
        sizes = [
            len(piece) for piece in np.array_split(np.zeros(images), piece_count(images, threads))
        ]
        assert 1 <= min(sizes) <= max(sizes) <= LARGEST_PIECE
        # Dealt out in turn, as free threads take them; the fullest share is at most one image
        # per round above an even one.
        shares = [sum(sizes[thread::threads]) for thread in range(threads)]
        rounds = -(-len(sizes) // threads)
        assert max(shares) <= -(-images // threads) + rounds - 1
