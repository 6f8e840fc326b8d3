"""From cosines and norms to "is a copy of", with the rates of error that go with it.

Fitted on edited copies of a split's photographs, through the file that serves. A copy stands
against the most alike of the other photographs, beside any other: that is where accusations go
wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from api_schemas.card import DesignSpace
from model.copies import directional_probabilities
from model.encoder import Encoder
from model.evaluate import Progress
from model.labels import LabelTable
from model.robustness import as_served, open_picture
from model.training.edits import Editor, Source

COPIES: Final = 3
"""Copies of every photograph."""
FALSE_ACCUSATIONS: Final = 0.01
"""Of edited pictures of other garments, against the most alike reference."""
LESS_CONTENT: Final = 0.9
"""A copy that keeps less than this share of its source is one that has a direction."""
_STRENGTHS: Final = (0.2, 1.0)
_OTHERS: Final = 200
_BATCH: Final = 32
_EQUAL_LOGIT: Final = 3.5  # a factor of 0.97


@dataclass(frozen=True)
class CopiedSplit:
    """Photographs and their copies in the space ``design``.

    Attributes:
        references: (N, D) float32 and ``reference_norms`` (N,), the photographs.
        copies: (M, D) float32 and ``copy_norms`` (M,).
        sources: (M,) int64, the photograph that each copy shows.
        kept: (M,) share of it still to be seen.
    """

    references: NDArray[np.float32]
    reference_norms: NDArray[np.float32]
    copies: NDArray[np.float32]
    copy_norms: NDArray[np.float32]
    sources: NDArray[np.int64]
    kept: NDArray[np.float64]


def copied_split(
    encoder: Encoder,
    table: LabelTable,
    others: LabelTable,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> CopiedSplit:
    """Edit every photograph ``COPIES`` times and embed all.

    Args:
        encoder: of a file with the space ``design``.
        table: the photographs.
        others: photographs of another split, for pages, stickers and grounds.
        seed: of the edits.
        progress: told of images embedded.

    Raises:
        UndecodableImage: naming the first file that cannot be read.
    """
    step = max(1, len(others) // _OTHERS)
    editor = Editor([open_picture(file) for file in others.files[::step]])
    wholes, copies, sources, kept = [], [], [], []
    for row, file in enumerate(table.files):
        picture = open_picture(file)
        source = Source.of(picture)
        wholes.append(as_served(picture, encoder.card.preprocessing))
        for number in range(COPIES):
            rng = np.random.default_rng((seed, row, number))
            edited = editor.copy(source, float(rng.uniform(*_STRENGTHS)), rng)
            copies.append(as_served(edited.picture, encoder.card.preprocessing))
            sources.append(row)
            kept.append(edited.kept)
    references, reference_norms = in_design(encoder, wholes, progress)
    vectors, norms = in_design(encoder, copies, progress)
    return CopiedSplit(
        references, reference_norms, vectors, norms, np.array(sources), np.array(kept)
    )


def in_design(
    encoder: Encoder, pictures: Sequence[NDArray[np.uint8]], progress: Progress | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, D) vectors and (N,) norms of (S, S, 3) pictures, in the file's last space."""
    vectors, norms = [], []
    for start in range(0, len(pictures), _BATCH):
        batch = np.stack(pictures[start : start + _BATCH])
        embeddings = encoder.encode(batch)
        vectors.append(embeddings.vectors[:, -1])
        norms.append(embeddings.norms[:, -1])
        if progress:
            progress(len(batch))
    return np.concatenate(vectors), np.concatenate(norms)


def fit_design_space(copied: CopiedSplit, fitted_on: str) -> DesignSpace:
    """Probabilities by two logistic regressions, and the threshold of ``FALSE_ACCUSATIONS``.

    Raises:
        ValueError: fewer than two photographs.
    """
    count = len(copied.references)
    if count < 2:
        raise ValueError(f"copies can be told from other pictures of 2 on, not of {count}")
    cosines = copied.copies @ copied.references.T  # (M, N)
    own = np.arange(count) == copied.sources[:, None]
    of_own = cosines[own]
    nearest = np.where(own, -np.inf, cosines).max(axis=1)
    any_other = cosines[np.arange(len(of_own)), (copied.sources + 1) % count]
    slope, intercept = _logistic(of_own, np.concatenate([nearest, any_other]))
    missing = np.log(copied.reference_norms[copied.sources]) - np.log(copied.copy_norms)
    direction_slope, direction_margin = _direction(missing, copied.kept < LESS_CONTENT)
    design = DesignSpace(
        slope=slope,
        intercept=intercept,
        direction_slope=direction_slope,
        direction_margin=direction_margin,
        threshold=1.0,
        false_accusation_rate=0.0,
        false_accusation_rate_any_pair=0.0,
        detection_rate=0.0,
        wrong_direction_rate=0.0,
        compared_with=count - 1,
        pairs=3 * len(of_own),
        fitted_on=fitted_on,
    )
    return _with_rates(design, copied, cosines, own)


def _with_rates(
    design: DesignSpace,
    copied: CopiedSplit,
    cosines: NDArray[np.float32],
    own: NDArray[np.bool_],
) -> DesignSpace:
    both = directional_probabilities(
        cosines, copied.copy_norms[:, None], copied.reference_norms, design
    )  # (M, N, 2)
    accused = np.where(own, -1.0, both.max(axis=-1))
    worst = np.sort(accused.max(axis=1))[::-1]
    allowed = int(FALSE_ACCUSATIONS * len(worst))
    threshold = float(np.nextafter(worst[allowed], 2.0)) if allowed < len(worst) else 0.0
    threshold = min(threshold, 1.0)
    directed = copied.kept < LESS_CONTENT
    backwards = both[own][directed, 1] >= threshold
    return design.model_copy(
        update={
            "threshold": threshold,
            "false_accusation_rate": float((worst >= threshold).mean()),
            "false_accusation_rate_any_pair": float((accused[~own] >= threshold).mean()),
            "detection_rate": float((both[own][:, 0] >= threshold).mean()),
            "wrong_direction_rate": float(backwards.mean()) if directed.any() else 0.0,
        }
    )


def _logistic(copies: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and intercept at even odds between copies and others, however many there are."""
    is_copy = np.repeat([True, False], [len(copies), len(others)])
    cosines = np.concatenate([copies, others])[:, None]
    # A little regularisation keeps the slope finite where the two are told apart without error.
    fit = LogisticRegression(C=1e3, class_weight="balanced").fit(cosines, is_copy)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def _direction(missing: NDArray[np.floating], directed: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and margin of "may be a copy", by how much content is missing, copies alone.

    A copy may be one of its source; its source may be one of it only where nothing is hidden.
    Where both have equally much the factor is held near 1: missing content is no sign of a copy,
    too much of it is one against, as the paper rejects by the ratio of norms.
    """
    less = np.concatenate([missing, -missing]).astype(np.float64)
    may = np.concatenate([np.ones(len(missing), bool), ~directed])

    def log_loss(log_slope: float) -> float:
        logits = np.exp(log_slope) * less + _EQUAL_LOGIT
        return float(np.logaddexp(0.0, np.where(may, -logits, logits)).mean())

    fit = minimize_scalar(log_loss, bounds=(np.log(0.01), np.log(100.0)), method="bounded")
    slope = float(np.exp(fit.x))
    return slope, _EQUAL_LOGIT / slope
