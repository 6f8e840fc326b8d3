"""An attribute's space laid out on a plane, so that neighbours there are neighbours here.

t-SNE (van der Maaten and Hinton, JMLR 2008) keeps neighbours and nothing else: distances between
far groups, and how large a group is, mean nothing.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.report.extras import require

MIN_POINTS: Final = 8
"""With fewer there are no neighbourhoods to keep."""
PERPLEXITY: Final = 30.0
"""About how many neighbours a point has."""
SEED: Final = 0

_INITIAL_SPREAD: Final = 1e-4


def lay_out(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place vectors on a plane; the same vectors get the same places every time.

    Args:
        vectors: (N, D), unit length, N at least `MIN_POINTS`.

    Returns:
        (N, 2), turned so that they spread most along the first axis, which goes from 0 to 1; the
        second has the same scale and begins at 0.

    Raises:
        ValueError: there are too few vectors.
        MissingLibraryError: scikit-learn is not installed.
    """
    if len(vectors) < MIN_POINTS:
        raise ValueError(f"{len(vectors)} vectors; at least {MIN_POINTS} are needed")
    tsne = require("sklearn.manifold").TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        init=_principal_plane(vectors),
        random_state=SEED,
    )
    places = np.asarray(tsne.fit_transform(vectors), np.float64)
    turned = places @ _directions(places).T
    turned -= turned.min(axis=0)
    return np.asarray(turned / (float(turned[:, 0].max()) or 1.0))


def _principal_plane(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 2): the two directions of most variance, with a little noise.

    scikit-learn's own divides by the spread, which is 0 when all vectors are equal.
    """
    directions = _directions(vectors)
    places = np.zeros((len(vectors), 2))
    places[:, : len(directions)] = (vectors - vectors.mean(axis=0)) @ directions.T
    places /= float(places.std(axis=0).max()) or 1.0
    noise = np.random.default_rng(SEED).standard_normal(places.shape)
    return np.asarray(_INITIAL_SPREAD * (places + 0.01 * noise), np.float32)


def _directions(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """(2, D): where points vary most, at right angles.

    Of the two signs each could have, the one whose largest component is positive.
    """
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    chosen = directions[:2]
    largest = chosen[np.arange(len(chosen)), np.abs(chosen).argmax(axis=1)]
    return np.asarray(chosen * np.sign(largest)[:, None])
