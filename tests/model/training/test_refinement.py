from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from api_schemas.card import AttributeCard, ModelCard, SameValueCalibration  # noqa: E402
from model.encoder import SHIPPED_MODEL, Encoder  # noqa: E402
from model.evaluate import EmbeddedTable  # noqa: E402
from model.labels import LabelTable  # noqa: E402
from model.training.palette import SIZE, Palette, Reading  # noqa: E402
from model.training.prototypes import centres_of  # noqa: E402
from model.training.refinement import (  # noqa: E402
    RIDGE,
    Colours,
    gathered,
    refine_spaces,
)
from model.training.serving import Refinement, Serving  # noqa: E402

pytestmark = pytest.mark.torch
D, PEOPLE = 6, 7
VALUES = ("mini", "knee", "maxi")
Floats = NDArray[np.float32]


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def plain_card() -> ModelCard:
    """The shipped card with one attribute of three values in a small space."""
    attribute = AttributeCard(
        name="skirt_length",
        values=VALUES,
        prototypes=tuple(tuple(row) for row in np.eye(3, D).tolist()),
        scale=10.0,
        same_value=SameValueCalibration(slope=1.0, intercept=0.0, pairs=0, fitted_on=""),
    )
    return Encoder.load(SHIPPED_MODEL).card.model_copy(update={"attributes": (attribute,)})


def embedded(
    rows: int,
    seed: int,
    *,
    told_by_own: float = 0.0,
    photographers_differ: float = 0.0,
    along: slice = slice(3, 6),
) -> EmbeddedTable:
    """Photographs whose vectors tell value and photographer as clearly as is said.

    Values are told along the first three directions, photographers along the last, or as said.
    """
    random = np.random.default_rng(seed)
    value = np.arange(rows) % len(VALUES)
    cells = {"skirt_length": tuple(VALUES[v] for v in value)}
    own = random.standard_normal((rows, D)) + 4 * told_by_own * np.eye(3, D)[value]
    habits = random.standard_normal((PEOPLE, 3)) * 4 * photographers_differ
    own[:, along] += habits[np.arange(rows) % PEOPLE]
    return EmbeddedTable(
        LabelTable((), ("",) * rows, np.arange(rows) % PEOPLE, cells),
        vectors=unit(own).astype(np.float32)[:, None],
        visible=np.ones((rows, 1), np.float32),
        global_vectors=np.ones((rows, 1), np.float32),
    )


def centred(train: EmbeddedTable, card: ModelCard) -> Serving:
    serving = Serving(torch.nn.Identity())
    serving.centres = torch.from_numpy(centres_of(train, card))
    return serving


def refined(train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard) -> Refinement:
    (refinement,) = refine_spaces(centred(train, card), train, valid, card)
    return refinement


def test_a_space_is_whitened_where_it_tells_photographers_rather_than_values(
    plain_card: ModelCard,
) -> None:
    train, valid = (
        embedded(210, seed, told_by_own=0.5, photographers_differ=1.0) for seed in (0, 1)
    )
    lengths = np.linalg.norm(refined(train, valid, plain_card).whitening, axis=1)
    assert lengths[:3].min() > 1.5 * lengths[3:].max()


def test_a_space_is_left_as_it_is_where_whitening_would_find_less(plain_card: ModelCard) -> None:
    # Training's photographers differ along what tells values, and validation's do not.
    train = embedded(210, 0, told_by_own=0.5, photographers_differ=0.6, along=slice(0, 3))
    valid = embedded(210, 1, told_by_own=0.5)
    np.testing.assert_array_equal(refined(train, valid, plain_card).whitening, np.eye(D))


def test_a_space_is_whitened_where_both_ways_find_as_much(plain_card: ModelCard) -> None:
    train, valid = (embedded(60, seed, told_by_own=9.0) for seed in (0, 1))  # nothing to gain
    assert not np.array_equal(refined(train, valid, plain_card).whitening, np.eye(D))


def test_whitening_is_the_inverse_root_of_how_photographers_differ(plain_card: ModelCard) -> None:
    train, valid = (
        embedded(210, seed, told_by_own=0.5, photographers_differ=1.0) for seed in (0, 1)
    )
    serving = centred(train, plain_card)
    own = gathered(serving, train).vectors[:, 0].astype(np.float64)
    value, person = np.arange(210) % len(VALUES), np.arange(210) % PEOPLE
    differences = []
    for row in range(210):
        alike = own[value == value[row]].mean(axis=0)
        mine = own[(value == value[row]) & (person == person[row])].mean(axis=0)
        differences.append(mine - alike)
    covariance = np.array(differences).T @ np.array(differences) / 210
    ridged = covariance + RIDGE * np.trace(covariance) / D * np.eye(D)
    expected = np.linalg.inv(scipy.linalg.sqrtm(ridged))
    whitening = refine_spaces(serving, train, valid, plain_card)[0].whitening
    np.testing.assert_allclose(whitening, expected, rtol=1e-4, atol=1e-4)


def test_refined_vectors_are_whitened_to_unit_length(plain_card: ModelCard) -> None:
    train, valid = (
        embedded(210, seed, told_by_own=0.5, photographers_differ=1.0) for seed in (0, 1)
    )
    serving = centred(train, plain_card)
    (refinement,) = refine_spaces(serving, train, valid, plain_card)
    around = unit(valid.vectors[:, 0] - serving.centres[0].numpy())
    expected = unit(around @ refinement.whitening)
    np.testing.assert_allclose(gathered(serving, valid).vectors[:, 0], expected, atol=1e-6)


def test_vectors_are_not_drawn_towards_values_named_at_random(plain_card: ModelCard) -> None:
    # What tells new photographs apart lies across what tells the training photographs apart.
    train, valid = embedded(60, 0, told_by_own=1.0), embedded(400, 1, told_by_own=0.5)
    valid = replace(valid, vectors=np.roll(valid.vectors, 3, axis=2))
    assert refined(train, valid, plain_card).pull == 0.0


def test_vectors_without_a_pull_stay_where_they_are(plain_card: ModelCard) -> None:
    table = embedded(30, 0)
    serving = centred(table, plain_card)
    serving.refine([Refinement(np.eye(D, dtype=np.float32), pull=0.0)])
    serving.draw_towards(plain_card.attributes)
    np.testing.assert_allclose(
        serving.drawn(torch.from_numpy(table.vectors)), table.vectors, atol=1e-6
    )


def colours_saying(told: Floats, card: ModelCard) -> Colours:
    """Readings that say this of the validation rows, (N, V)."""
    reading = Reading(np.zeros((SIZE, 3), np.float32), np.zeros(3, np.float32))
    return Colours(Palette(card.preprocessing), (reading,), told[:, None].astype(np.float16))


def test_colours_are_asked_where_they_name_values_that_the_space_does_not(
    plain_card: ModelCard,
) -> None:
    train, valid = (embedded(210, seed, told_by_own=0.2) for seed in (0, 1))
    colours = colours_saying(5 * np.eye(3)[np.arange(210) % 3], plain_card)
    serving = centred(train, plain_card)
    (refinement,) = refine_spaces(serving, train, valid, plain_card, colours)
    assert refinement.reading is colours.readings[0]
    assert serving.readings is not None


@pytest.mark.parametrize(("told_by_own", "sure"), [(1.5, 5.0), (0.2, 0.0)])
def test_colours_are_not_asked_where_they_add_nothing(
    plain_card: ModelCard, told_by_own: float, sure: float
) -> None:
    train, valid = (embedded(210, seed, told_by_own=told_by_own) for seed in (0, 1))
    colours = colours_saying(sure * np.eye(3)[np.arange(210) % 3], plain_card)
    serving = centred(train, plain_card)
    (refinement,) = refine_spaces(serving, train, valid, plain_card, colours)
    assert refinement.reading is None
    assert serving.readings is None


def test_what_colours_say_multiplies_the_values_probabilities(plain_card: ModelCard) -> None:
    table = embedded(30, 0)
    random = np.random.default_rng(4)
    told = random.standard_normal((30, 1, 3)).astype(np.float32)
    serving = centred(table, plain_card)
    serving.refine([Refinement(np.eye(D, dtype=np.float32), pull=2.0)])
    serving.draw_towards(plain_card.attributes)
    drawn = serving.drawn(torch.from_numpy(table.vectors), torch.from_numpy(told)).numpy()
    (attribute,) = plain_card.attributes
    for vector, more, found in zip(table.vectors[:, 0], told[:, 0], drawn[:, 0], strict=True):
        weights = np.exp(attribute.scale * np.array(attribute.prototypes) @ vector) * np.exp(more)
        step = weights / weights.sum() @ np.array(attribute.prototypes)
        np.testing.assert_allclose(found, unit(vector + 2 * step), atol=1e-5)
