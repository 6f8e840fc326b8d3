import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

from model.alignment import Alignment
from model.copies import verified_probabilities
from model.training.copied_photographs import NEAREST, LaidPairs
from model.training.copy_verification import FALSE_ACCUSATIONS, fit_verification

COPIES, OTHERS = 400, 5
CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def laid() -> LaidPairs:
    """Copies whose points match their source's; half are crops, which norms hardly tell."""
    rng = np.random.default_rng(0)
    rows = COPIES * (1 + OTHERS)
    own = np.tile([True] + [False] * OTHERS, COPIES)
    kept = np.where(rng.random(COPIES) < 0.5, 1.0, rng.uniform(0.2, 0.8, COPIES))
    kept = np.repeat(kept, 1 + OTHERS)
    alignments = [
        Alignment(
            points=int(rng.integers(10, 200) if is_own else rng.integers(0, 9)),
            agreement=float(np.clip(rng.normal(0.8 if is_own else 0.1, 0.15), -1, 1)),
            mirrored=False,
            shown_of_a=1.0,
            shown_of_b=float(share) if is_own else 1.0,
            a_in_b=CORNERS,
            b_in_a=CORNERS,
            seam_of_a=0.0,
            seam_of_b=0.0,
        )
        for is_own, share in zip(own.tolist(), kept.tolist(), strict=True)
    ]
    return LaidPairs(
        copies=np.repeat(np.arange(COPIES), 1 + OTHERS),
        own=own,
        cosines=rng.normal(np.where(own, 0.9, 0.7), 0.1),
        copy_norms=np.exp(rng.normal(0, 0.3, rows)),
        photograph_norms=np.exp(rng.normal(0, 0.3, rows)),
        kept=kept,
        alignments=alignments,
    )


def test_rates_are_those_of_a_slow_count_at_the_threshold(laid):
    fitted = fit_verification(laid)
    both = verified_probabilities(
        laid.cosines, laid.copy_norms, laid.photograph_norms, laid.alignments, fitted
    )
    accused, found, backwards, directed = set(), 0, 0, 0
    for row in range(len(laid.own)):
        if not laid.own[row]:
            if max(both[row]) >= fitted.threshold:
                accused.add(laid.copies[row])
            continue
        found += both[row, 0] >= fitted.threshold
        if laid.kept[row] < 0.9:
            directed += 1
            backwards += both[row, 1] >= fitted.threshold
    assert fitted.false_accusation_rate == pytest.approx(len(accused) / COPIES)
    assert fitted.false_accusation_rate <= FALSE_ACCUSATIONS
    assert fitted.detection_rate == pytest.approx(found / COPIES)
    assert fitted.wrong_direction_rate == pytest.approx(backwards / directed)
    assert fitted.nearest == NEAREST


def test_all_that_tells_copies_apart_speaks_for_them(laid):
    fitted = fit_verification(laid)
    assert min(fitted.cosine, fitted.points, fitted.agreement) > 0
    assert fitted.detection_rate > 0.95


def test_what_is_shown_of_the_pictures_tells_the_way_where_norms_do_not(laid):
    fitted = fit_verification(laid)
    assert fitted.coverage > 0
    assert fitted.wrong_direction_rate < 0.2
    hidden = [each._replace(shown_of_b=1.0) for each in laid.alignments]
    blind = fit_verification(dataclasses.replace(laid, alignments=hidden))
    assert blind.wrong_direction_rate > 0.5


@pytest.mark.parametrize("of_own", [True, False])
def test_nothing_can_be_fitted_to_sources_alone_or_to_none(laid, of_own):
    rows = np.flatnonzero(laid.own == of_own)
    some = LaidPairs(
        laid.copies[rows],
        laid.own[rows],
        laid.cosines[rows],
        laid.copy_norms[rows],
        laid.photograph_norms[rows],
        laid.kept[rows],
        [laid.alignments[row] for row in rows.tolist()],
    )
    with pytest.raises(ValueError, match="there are both"):
        fit_verification(some)
