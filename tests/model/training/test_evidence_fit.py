import numpy as np
import pytest

from api_schemas.card import ModelCard
from model.evaluate import EmbeddedTable
from model.evidence.examining import combined_probability, default_policy, log_likelihood_ratios
from model.evidence.figures import figures_of
from model.evidence.pairs import KnownPairs, Pairs
from model.evidence.quality import quality_of
from model.labels import LabelTable

pytest.importorskip("sklearn")

from model.training.evidence_fit import (
    FEWEST_BACKGROUND_PAIRS,
    TARGET_RATE,
    WEIGHTS,
    fit_evidence,
    fit_on_pairs,
)
from tests.model.evidence.evidence_samples import NAMES, card

SIZE, PEOPLE, DIMENSION = 120, 24, 6


def labelled(seed: int) -> EmbeddedTable:
    """Photographs of three values; those of one value point alike.

    The sleeve always has the collar's value, and says the same once more; the color is its own.
    """
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (SIZE, 2))[:, [0, 0, 1]]
    places = np.random.default_rng(0).normal(size=(len(NAMES), 3, DIMENSION))
    noise = rng.normal(size=(SIZE, len(NAMES), DIMENSION))
    noise[:, 1] = noise[:, 0]
    places[1] = places[0]
    vectors = places[np.arange(len(NAMES)), values] + 0.8 * noise
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    cells = {name: tuple(f"v{v}" for v in values[:, i]) for i, name in enumerate(NAMES)}
    table = LabelTable((), ("valid",) * SIZE, np.arange(SIZE) % PEOPLE, cells)
    vectors = vectors.astype(np.float32)
    visible = np.ones((SIZE, len(NAMES)), np.float32)
    return EmbeddedTable(table, vectors, visible, np.ones((SIZE, 2), np.float32))


def pairs_of(embedded: EmbeddedTable, split: str, seed: int) -> KnownPairs:
    """Unrelated photographs, and copies that are a step away from theirs."""
    rng = np.random.default_rng(seed)
    groups = embedded.table.groups
    left, right = np.triu_indices(SIZE, k=1)
    other = groups[left] != groups[right]
    left, right = left[other], right[other]
    step = 0.35 * rng.normal(size=embedded.vectors.shape)
    step[:, 1] = step[:, 0]
    copies = embedded.vectors + step
    copies /= np.linalg.norm(copies, axis=2, keepdims=True)
    return KnownPairs(
        split=split,
        unrelated=_pairs(embedded.vectors[left], embedded.vectors[right], groups[left]),
        same_by_chance=np.zeros(len(left), np.bool_),
        copies=_pairs(embedded.vectors, copies, groups),
        variants={1: _pairs(embedded.vectors[::-1], copies[::-1], groups[::-1])},
        unrelated_drawings=_pairs(
            embedded.vectors[left[:500]], embedded.vectors[right[:500]], groups[left[:500]]
        ),
    )


def _pairs(a: np.ndarray, b: np.ndarray, groups: np.ndarray) -> Pairs:
    angles = np.arccos(np.clip((a * b).sum(axis=2), -1, 1)).astype(np.float64)
    return Pairs(angles, np.stack([groups, groups + 1], axis=1))


VALID = labelled(1)
FITTED, MEASURED = pairs_of(VALID, "valid", 2), pairs_of(labelled(3), "test", 4)


@pytest.fixture(scope="module")
def fitted() -> ModelCard:
    bare = card(fitted_on="nothing")
    return bare.model_copy(update={"evidence": fit_on_pairs(bare, VALID, FITTED, MEASURED)})


def test_the_policy_keeps_to_its_rate_where_it_was_chosen(fitted: ModelCard) -> None:
    figures = figures_of(fitted)
    accused = figures.readings.alike(FITTED.unrelated.angles, figures.policy)
    assert accused.mean() <= TARGET_RATE
    assert figures.policy.min_points >= 2


def test_rates_are_those_of_the_other_split(fitted: ModelCard) -> None:
    evidence, figures = fitted.evidence, figures_of(fitted)
    assert evidence is not None
    assert (evidence.fitted_on, evidence.measured_on) == ("valid", "test")
    accused = figures.readings.alike(MEASURED.unrelated.angles, figures.policy).mean()
    detected = figures.readings.alike(MEASURED.copies.angles, figures.policy).mean()
    assert evidence.rates.false_accusation_rate == accused
    assert evidence.rates.detection_rates["edited copies"] == detected > 0.2
    low, high = evidence.rates.false_accusation_interval
    assert low <= accused <= high


def test_an_attribute_that_says_the_same_once_more_is_not_counted_twice(fitted: ModelCard) -> None:
    weights = default_policy(fitted).attributes
    least, largest = WEIGHTS
    assert all(least <= weight <= largest for weight in weights.values())
    both = weights["collar"] + weights["sleeve_length"]
    assert both < 2 * weights["color"]


def test_the_combination_is_better_calibrated_than_the_product(fitted: ModelCard) -> None:
    errors = quality_of(fitted, VALID, MEASURED).calibration["all together"]
    assert errors.combined < 0.6 * errors.product


def test_the_background_gives_unrelated_pairs_the_chance_they_have(fitted: ModelCard) -> None:
    readings = figures_of(fitted).readings
    for index in range(len(NAMES)):
        chances = readings.chances(FITTED.unrelated.angles[:, index], index)
        for level in (0.5, 0.1, 0.01):
            assert (chances <= level).mean() == pytest.approx(level, rel=0.06)


def test_the_ratio_is_that_of_the_labels(fitted: ModelCard) -> None:
    left, right = np.triu_indices(SIZE, k=1)
    values = np.array(VALID.table.cells["color"])
    other = VALID.table.groups[left] != VALID.table.groups[right]
    left, right = left[other], right[other]
    cosines = (VALID.vectors[left, 2] * VALID.vectors[right, 2]).sum(axis=1).astype(np.float64)
    same = values[left] == values[right]
    near = (cosines > 0.5) & (cosines < 0.7)
    counted = np.log(near[same].mean() / near[~same].mean())
    stated = log_likelihood_ratios(cosines[near], fitted, "color").mean()
    assert stated == pytest.approx(counted, abs=0.5)


def test_an_attribute_seldom_seen_does_not_count_by_default() -> None:
    angles = FITTED.unrelated.angles.copy()
    angles[FEWEST_BACKGROUND_PAIRS - 1 :, 0] = np.nan
    rare = KnownPairs(
        FITTED.split,
        Pairs(angles, FITTED.unrelated.groups),
        FITTED.same_by_chance,
        FITTED.copies,
        FITTED.variants,
        FITTED.unrelated_drawings,
    )
    evidence = fit_on_pairs(card(), VALID, rare, MEASURED)
    assert set(evidence.policy.attributes) == {"sleeve_length", "color"}
    assert evidence.attributes[0].background_pairs == FEWEST_BACKGROUND_PAIRS - 1


def test_an_attribute_without_labels_says_nothing() -> None:
    cells = {name: VALID.table.cells[name] for name in NAMES[1:]}
    table = LabelTable((), VALID.table.splits, VALID.table.groups, cells)
    unlabelled = EmbeddedTable(table, VALID.vectors, VALID.visible, VALID.global_vectors)
    evidence = fit_on_pairs(card(), unlabelled, FITTED, MEASURED)
    first = evidence.attributes[0]
    assert (first.slope, first.intercept, first.likelihood_pairs) == (0.0, 0.0, 0)
    bare = card().model_copy(update={"evidence": evidence})
    assert (log_likelihood_ratios(np.array([-1.0, 1.0]), bare, "collar") == 0).all()


def test_the_card_survives_its_file(fitted: ModelCard) -> None:
    again = ModelCard.model_validate_json(fitted.model_dump_json())
    ratios = np.array([[2.0, 1.0, np.nan], [-1.0, 0.5, 2.5]])
    assert again == fitted
    assert combined_probability(ratios, again, default_policy(again)) == pytest.approx(
        combined_probability(ratios, fitted, default_policy(fitted))
    )


def test_without_two_photographers_there_is_nothing_to_fit(encoder) -> None:  # type: ignore[no-untyped-def]
    alone = LabelTable((), VALID.table.splits, np.zeros(SIZE, np.int64), VALID.table.cells)
    table = EmbeddedTable(alone, VALID.vectors, VALID.visible, VALID.global_vectors)
    assert fit_evidence(encoder, table) is None
