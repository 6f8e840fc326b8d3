import numpy as np
import pytest

pytest.importorskip("torch")

from model.copies import directional_probabilities
from model.training.copied_photographs import CopiedSplit
from model.training.copy_verification import FALSE_ACCUSATIONS
from model.training.design_calibration import fit_design_space


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def copied() -> CopiedSplit:
    """Copies near their sources; half of them lost content, and most of their norm with it."""
    rng = np.random.default_rng(0)
    references = unit(rng.normal(size=(300, 16)))
    sources = np.repeat(np.arange(300), 3)
    kept = np.where(rng.random(900) < 0.5, 1.0, rng.uniform(0.2, 0.8, 900))
    norms = kept * np.exp(rng.normal(0, 0.05, 900))
    return CopiedSplit(
        references,
        np.exp(rng.normal(0, 0.05, 300)).astype(np.float32),
        unit(references[sources] + rng.normal(0, 0.15, (900, 16))),
        norms.astype(np.float32),
        sources,
        kept,
    )


def test_rates_are_those_of_a_slow_count_at_the_threshold(copied):
    design = fit_design_space(copied, "valid")
    accused, any_pair, found, backwards, directed = 0, 0, 0, 0, 0
    for query in range(900):
        cosines = copied.references @ copied.copies[query]
        both = directional_probabilities(
            cosines, copied.copy_norms[query : query + 1], copied.reference_norms, design
        )
        source = copied.sources[query]
        over = [max(both[row]) >= design.threshold for row in range(300) if row != source]
        accused += any(over)
        any_pair += sum(over)
        found += both[source, 0] >= design.threshold
        if copied.kept[query] < 0.9:
            directed += 1
            backwards += both[source, 1] >= design.threshold
    assert design.false_accusation_rate == pytest.approx(accused / 900, abs=2 / 900)
    assert design.false_accusation_rate <= FALSE_ACCUSATIONS
    assert design.false_accusation_rate_any_pair == pytest.approx(any_pair / 900 / 299, abs=1e-5)
    assert design.detection_rate == pytest.approx(found / 900, abs=2 / 900)
    assert design.wrong_direction_rate == pytest.approx(backwards / directed, abs=2 / 900)
    assert (design.compared_with, design.pairs, design.fitted_on) == (299, 2700, "valid")


def test_likeness_raises_the_probability_and_content_decides_the_way(copied):
    design = fit_design_space(copied, "valid")
    assert design.slope > 0
    assert design.direction_slope > 0
    alike, unlike = directional_probabilities(
        np.array([0.95, 0.2]), np.array([0.4]), np.array([1.0]), design
    )
    assert alike[0] > 0.9 > 0.1 > alike[1]
    assert max(unlike) < 0.1
    same = directional_probabilities(np.array([0.95]), np.array([1.0]), np.array([1.0]), design)
    assert same[0, 0] == same[0, 1] > 0.9


def test_where_nothing_was_ever_hidden_no_way_is_told(copied):
    whole = CopiedSplit(
        copied.references,
        copied.reference_norms,
        copied.copies,
        copied.copy_norms,
        copied.sources,
        np.ones(900),
    )
    design = fit_design_space(whole, "valid")
    there, back = directional_probabilities(
        np.array([0.9]), np.array([0.1]), np.array([9.0]), design
    )[0]
    assert there == pytest.approx(back, abs=0.02)
    assert there > 0.6
    assert design.wrong_direction_rate == 0.0


def test_one_photograph_is_too_few(copied):
    one = CopiedSplit(
        copied.references[:1],
        copied.reference_norms[:1],
        copied.copies[:3],
        copied.copy_norms[:3],
        copied.sources[:3],
        copied.kept[:3],
    )
    with pytest.raises(ValueError, match="of 2 on, not of 1"):
        fit_design_space(one, "valid")
