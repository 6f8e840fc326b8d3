from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from api_schemas.card import AttributeCard, ModelCard, SameValueCalibration  # noqa: E402
from model.encoder import SHIPPED_MODEL, Encoder  # noqa: E402
from model.evaluate import EmbeddedTable  # noqa: E402
from model.labels import LabelTable  # noqa: E402
from model.training.asen import Embeddings  # noqa: E402
from model.training.fusion import (  # noqa: E402
    FEW_LABELS,
    WEIGHTS,
    fuse_best,
    gathered,
    with_global_shares,
)
from model.training.prototypes import centres_of  # noqa: E402
from model.training.serving import VALUE_PULL, Fusion, Serving  # noqa: E402

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
    rows: int, seed: int, *, told_by_own: float = 0.0, told_by_whole: float = 0.0
) -> EmbeddedTable:
    """Photographs whose own and global vectors tell the value as clearly as is said."""
    random = np.random.default_rng(seed)
    value = np.arange(rows) % len(VALUES)
    cells = {"skirt_length": tuple(VALUES[v] for v in value)}
    own = random.standard_normal((rows, D)) + 4 * told_by_own * np.eye(3, D)[value]
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


def fused(train: EmbeddedTable, valid: EmbeddedTable, card: ModelCard) -> tuple[Serving, Fusion]:
    serving = centred(train, card)
    (fusion,) = fuse_best(serving, train, valid, card)
    return serving, fusion


def test_an_attribute_leans_on_the_whole_picture_where_that_alone_tells_its_values(
    plain_card: ModelCard,
) -> None:
    train, valid = (embedded(200, seed, told_by_whole=0.5) for seed in (0, 1))
    _, fusion = fused(train, valid, plain_card)
    assert fusion.weight == max(WEIGHTS)


def test_an_attribute_stands_by_itself_where_the_whole_picture_tells_nothing(
    plain_card: ModelCard,
) -> None:
    train, valid = (embedded(200, seed, told_by_own=1.0) for seed in (0, 1))
    serving, fusion = fused(train, valid, plain_card)
    assert fusion.weight == 0.0
    assert not serving.fuses


def test_an_attribute_of_many_labels_stands_by_itself_whatever_the_whole_picture_tells(
    plain_card: ModelCard,
) -> None:
    train, valid = embedded(FEW_LABELS, 0, told_by_whole=1.0), embedded(200, 1, told_by_whole=1.0)
    _, fusion = fused(train, valid, plain_card)
    assert (fusion.weight, fusion.pull) == (0.0, VALUE_PULL)


def test_an_attribute_of_fewer_labels_than_dimensions_stands_by_itself(
    plain_card: ModelCard,
) -> None:
    train, valid = embedded(D - 1, 4, told_by_whole=1.0), embedded(200, 1, told_by_whole=1.0)
    _, fusion = fused(train, valid, plain_card)
    assert fusion.weight == 0.0


def test_fused_cosines_are_the_weighted_mean_of_both_cosines(plain_card: ModelCard) -> None:
    # Own vectors that fill two of six dimensions leave room for all of the whole picture's four.
    train, valid = (embedded(200, seed, told_by_whole=1.0) for seed in (0, 1))
    flat = np.array([1, 1, 0, 0, 0, 0], np.float32)
    train, valid = (replace(each, vectors=unit(each.vectors * flat)) for each in (train, valid))
    serving, fusion = fused(train, valid, plain_card)
    centre = serving.centres[0].numpy()
    own = unit(valid.vectors[:, 0] - centre)
    whole = unit(valid.global_vectors - fusion.centre)
    mean = (own @ own.T + fusion.weight * whole @ whole.T) / (1 + fusion.weight)
    vectors = gathered(serving, valid).vectors[:, 0]
    np.testing.assert_allclose(vectors @ vectors.T, mean, atol=1e-5)


def test_vectors_are_not_drawn_towards_values_named_at_random(
    plain_card: ModelCard,
) -> None:
    # What tells new photographs apart lies across what tells the training photographs apart.
    train, valid = embedded(60, 0, told_by_own=1.0), embedded(400, 1, told_by_own=0.5)
    valid = replace(valid, vectors=np.roll(valid.vectors, 3, axis=2))
    _, fusion = fused(train, valid, plain_card)
    assert fusion.pull == 0.0


def test_the_share_of_the_whole_picture_is_none_alone_and_all_without_an_own_part() -> None:
    random = np.random.default_rng(0)
    whole_part = random.standard_normal((C, D)).astype(np.float32)
    apart = Fusion(np.eye(D, dtype=np.float32), 0 * whole_part, np.zeros(C, np.float32))
    whole = Fusion(np.zeros((D, D), np.float32), whole_part, np.zeros(C, np.float32), weight=1.0)
    serving = Serving(torch.nn.Identity())
    serving.fuse([apart, whole])
    vectors = unit(random.standard_normal((5, 2, D)).astype(np.float32))
    general = unit(random.standard_normal((5, C)).astype(np.float32))
    both, share = serving.fused(torch.from_numpy(vectors), torch.from_numpy(general))
    np.testing.assert_allclose(share.numpy(), np.tile([[[0.0], [1.0]]], (5, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(both[:, 0].numpy(), vectors[:, 0], atol=1e-6)
    np.testing.assert_allclose(both[:, 1].numpy(), unit(general @ whole_part), atol=1e-5)


class Saying(torch.nn.Module):
    """A network that says this of whatever it is shown."""

    def __init__(self, says: Embeddings) -> None:
        super().__init__()
        self.says = says

    def forward(self, images: torch.Tensor) -> Embeddings:
        return self.says


def test_attention_is_even_where_a_vector_is_of_the_whole_picture_alone() -> None:
    random = np.random.default_rng(0)
    parts = torch.from_numpy(random.dirichlet(np.ones(12), (5, 2)).astype(np.float32))
    says = Embeddings(
        vectors=torch.from_numpy(unit(random.standard_normal((5, 2, D)).astype(np.float32))),
        norms=torch.ones(5, 2),
        attention=torch.zeros(5, 2, 3, 4),
        origins=parts.view(5, 2, 3, 4),
        value_logits=torch.zeros(5, 2, 3),
        visible_logits=torch.zeros(5, 2),
        global_vector=torch.from_numpy(unit(random.standard_normal((5, C)).astype(np.float32))),
    )
    whole_part = random.standard_normal((C, D)).astype(np.float32)
    apart = Fusion(np.eye(D, dtype=np.float32), 0 * whole_part, np.zeros(C, np.float32))
    whole = Fusion(np.zeros((D, D), np.float32), whole_part, np.zeros(C, np.float32), weight=1.0)
    serving = Serving(Saying(says))
    serving.fuse([apart, whole])
    _, _, attention, _, _ = serving(torch.zeros(5, 3, 8, 8))
    np.testing.assert_allclose(attention[:, 0], says.origins[:, 0], atol=1e-6)
    np.testing.assert_allclose(attention[:, 1], 1 / 12, atol=1e-6)


def test_the_card_says_how_much_is_of_the_whole_picture(plain_card: ModelCard) -> None:
    nothing = np.zeros((D, D), np.float32), np.zeros((C, D), np.float32), np.zeros(C, np.float32)
    card = with_global_shares(plain_card, [Fusion(*nothing, weight=0.5)])
    assert card.attributes[0].global_share == pytest.approx(1 / 3)
