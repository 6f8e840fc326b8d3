import numpy as np
import pytest

from model.report.space import MIN_POINTS, lay_out


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clusters():
    """Three tight bundles of directions, and which bundle each vector is of."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((3, 16)))
    bundle = np.repeat(np.arange(3), 20)
    return unit(centres[bundle] + 0.05 * rng.standard_normal((60, 16))), bundle


def test_neighbours_stay_neighbours(clusters):
    vectors, bundle = clusters
    places = lay_out(vectors)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (bundle[distances.argmin(axis=1)] == bundle).all()


def test_the_same_vectors_get_the_same_places(clusters):
    vectors, _ = clusters
    assert (lay_out(vectors) == lay_out(vectors.copy())).all()


def test_places_begin_at_0_and_spread_most_along_the_first_axis_up_to_1(clusters):
    places = lay_out(clusters[0])
    assert places.min(axis=0) == pytest.approx([0, 0])
    assert places[:, 0].max() == pytest.approx(1)
    variance, _ = np.linalg.eigh(np.cov(places.T))
    assert places[:, 0].var(ddof=1) == pytest.approx(variance.max())


@pytest.mark.parametrize("width", [1, 2, 16])
def test_equal_vectors_have_finite_places(width):
    vectors = np.zeros((MIN_POINTS, width), np.float32)
    vectors[:, 0] = 1
    assert np.isfinite(lay_out(vectors)).all()


def test_too_few_vectors_are_refused_with_their_number():
    with pytest.raises(ValueError, match=f"{MIN_POINTS - 1} vectors; at least {MIN_POINTS}"):
        lay_out(np.eye(MIN_POINTS - 1, dtype=np.float32))
