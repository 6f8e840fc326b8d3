from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from api_schemas.card import AttributeCard, ModelCard, SameValueCalibration  # noqa: E402
from model.encoder import SHIPPED_MODEL, Encoder  # noqa: E402
from model.evaluate import EmbeddedTable  # noqa: E402
from model.labels import LabelTable  # noqa: E402
from model.training.asen import Embeddings  # noqa: E402
from model.training.prototypes import centres_of  # noqa: E402
from model.training.refinement import (  # noqa: E402
    FEW_LABELS,
    RIDGE,
    WEIGHTS,
    gathered,
    refine_spaces,
    with_global_shares,
)
from model.training.serving import Refinement, Serving  # noqa: E402

pytestmark = pytest.mark.torch
D, C, PEOPLE = 6, 4, 7
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
    told_by_whole: float = 0.0,
    photographers_differ: float = 0.0,
) -> EmbeddedTable:
    """Photographs whose vectors tell value and photographer as clearly as is said."""
    random = np.random.default_rng(seed)
    value = np.arange(rows) % len(VALUES)
    cells = {"skirt_length": tuple(VALUES[v] for v in value)}
    own = random.standard_normal((rows, D)) + 4 * told_by_own * np.eye(3, D)[value]
    habits = random.standard_normal((PEOPLE, 3)) * 4 * photographers_differ
    own[:, 3:] += habits[np.arange(rows) % PEOPLE]
    whole = random.standard_normal((rows, C)) + 4 * told_by_whole * np.eye(3, C)[value]
    return EmbeddedTable(
        LabelTable((), ("",) * rows, np.arange(rows) % PEOPLE, cells),
        vectors=unit(own).astype(np.float32)[:, None],
        visible=np.ones((rows, 1), np.float32),
        global_vectors=unit(whole).astype(np.float32),
    )


def centred(train: EmbeddedTable, card: ModelCard) -> Serving:
    serving = Serving(torch.nn.Identity())
    serving.centres = torch.from_numpy(centres_of(train, card))
    return serving


def refined(train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard) -> Refinement:
    (refinement,) = refine_spaces(centred(train, card), train, valid, card)
    return refinement


def is_plain(refinement: Refinement) -> bool:
    return refinement.weight == 0.0 and np.array_equal(refinement.whitening, np.eye(D))


def test_a_space_leans_on_the_whole_picture_where_that_alone_tells_its_values(
    plain_card: ModelCard,
) -> None:
    train, valid = (embedded(200, seed, told_by_whole=0.5) for seed in (0, 1))
    assert refined(train, valid, plain_card).weight == max(WEIGHTS)


def test_a_space_stands_by_itself_where_the_whole_picture_tells_nothing(
    plain_card: ModelCard,
) -> None:
    train, valid = (embedded(200, seed, told_by_own=1.0) for seed in (0, 1))
    assert refined(train, valid, plain_card).weight == 0.0


def test_a_space_is_whitened_where_it_tells_photographers_rather_than_values(
    plain_card: ModelCard,
) -> None:
    train, valid = (
        embedded(210, seed, told_by_own=0.5, photographers_differ=1.0) for seed in (0, 1)
    )
    whitening = refined(train, valid, plain_card).whitening
    lengths = np.linalg.norm(whitening, axis=1)
    assert lengths[:3].min() > 1.5 * lengths[3:].max()


def test_a_space_of_many_labels_is_left_alone_whatever_the_whole_picture_tells(
    plain_card: ModelCard,
) -> None:
    train, valid = embedded(FEW_LABELS, 0, told_by_whole=1.0), embedded(200, 1, told_by_whole=1.0)
    serving = centred(train, plain_card)
    assert refine_spaces(serving, train, valid, plain_card) == ()
    assert not serving.refines


def test_a_space_of_fewer_labels_than_dimensions_is_left_alone(plain_card: ModelCard) -> None:
    train, valid = embedded(D - 1, 4, told_by_whole=1.0), embedded(200, 1, told_by_whole=1.0)
    assert is_plain(refined(train, valid, plain_card))


def test_refined_cosines_are_the_weighted_mean_of_whitened_and_global_cosines(
    plain_card: ModelCard,
) -> None:
    # Own vectors that fill two of six dimensions leave room for all of the whole picture's four.
    train, valid = (embedded(200, seed, told_by_whole=1.0) for seed in (0, 1))
    flat = np.array([1, 1, 0, 0, 0, 0], np.float32)
    train, valid = (replace(each, vectors=unit(each.vectors * flat)) for each in (train, valid))
    serving = centred(train, plain_card)
    (refinement,) = refine_spaces(serving, train, valid, plain_card)
    own = unit(unit(valid.vectors[:, 0] - serving.centres[0].numpy()) @ refinement.whitening)
    whole = unit(valid.global_vectors - refinement.centre)
    assert refinement.weight > 0.0
    mean = (own @ own.T + refinement.weight * whole @ whole.T) / (1 + refinement.weight)
    vectors = gathered(serving, valid).vectors[:, 0]
    np.testing.assert_allclose(vectors @ vectors.T, mean, atol=1e-5)


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


def test_vectors_are_not_drawn_towards_values_named_at_random(plain_card: ModelCard) -> None:
    # What tells new photographs apart lies across what tells the training photographs apart.
    train, valid = embedded(60, 0, told_by_own=1.0), embedded(400, 1, told_by_own=0.5)
    valid = replace(valid, vectors=np.roll(valid.vectors, 3, axis=2))
    assert refined(train, valid, plain_card).pull == 0.0


class Saying(torch.nn.Module):
    """A network that says this of whatever it is shown."""

    def __init__(self, says: Embeddings) -> None:
        super().__init__()
        self.says = says

    def forward(self, images: torch.Tensor) -> Embeddings:
        return self.says


class AloneAndWhole:
    """Five pictures in two spaces: the first stands by itself, the second has no own part."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        plain: dict[str, Any] = {
            "whitening": np.eye(D, dtype=np.float32),
            "own_part": np.eye(D, dtype=np.float32),
            "whole_part": np.zeros((C, D), np.float32),
            "centre": np.zeros(C, np.float32),
        }
        self.whole_part = random.standard_normal((C, D)).astype(np.float32)
        no_own = {"own_part": 0 * plain["own_part"], "whole_part": self.whole_part}
        self.refinements = [Refinement(**plain), Refinement(**plain | no_own, weight=1.0)]
        self.vectors = unit(random.standard_normal((5, 2, D)).astype(np.float32))
        self.general = unit(random.standard_normal((5, C)).astype(np.float32))
        self.origins = random.dirichlet(np.ones(12), (5, 2)).astype(np.float32).reshape(5, 2, 3, 4)

    def serving(self) -> Serving:
        says = Embeddings(
            vectors=torch.from_numpy(self.vectors),
            norms=torch.ones(5, 2),
            attention=torch.zeros(5, 2, 3, 4),
            origins=torch.from_numpy(self.origins),
            value_logits=torch.zeros(5, 2, 3),
            visible_logits=torch.zeros(5, 2),
            global_vector=torch.from_numpy(self.general),
        )
        serving = Serving(Saying(says))
        serving.refine(self.refinements)
        return serving


def test_a_plain_space_stays_as_it_is_beside_one_that_is_refined() -> None:
    pictures = AloneAndWhole()
    vectors = pictures.serving()(torch.zeros(5, 3, 8, 8))[0]
    np.testing.assert_allclose(vectors[:, 0], pictures.vectors[:, 0], atol=1e-6)
    whole = unit(pictures.general @ pictures.whole_part)
    np.testing.assert_allclose(vectors[:, 1], whole, atol=1e-5)


def test_attention_is_even_where_a_vector_is_of_the_whole_picture_alone() -> None:
    pictures = AloneAndWhole()
    attention = pictures.serving()(torch.zeros(5, 3, 8, 8))[2]
    np.testing.assert_allclose(attention[:, 0], pictures.origins[:, 0], atol=1e-6)
    np.testing.assert_allclose(attention[:, 1], 1 / 12, atol=1e-6)


def test_the_card_says_how_much_is_of_the_whole_picture(plain_card: ModelCard) -> None:
    refinement = replace(AloneAndWhole().refinements[1], weight=0.5)
    card = with_global_shares(plain_card, [refinement])
    assert card.attributes[0].global_share == pytest.approx(1 / 3)
