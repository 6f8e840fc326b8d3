"""Each design against itself done slowly: one attribute, sometimes one image, at a time."""

import itertools

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from model.training.asen import NetworkConfig  # noqa: E402
from model.training.designs import asenpp  # noqa: E402
from model.training.designs.asen_published import AsenV1, AsenV2  # noqa: E402
from model.training.designs.asenpp import (  # noqa: E402
    AsenPlusPlus,
    cut_regions,
    region_boxes,
)
from model.training.designs.attention import SharedHeads  # noqa: E402
from model.training.designs.one_space import GlobalTriplet, MaskedSimilarity  # noqa: E402
from model.training.designs.registry import DESIGNS, design_named  # noqa: E402
from model.training.losses import visibility_loss  # noqa: E402

pytestmark = pytest.mark.torch
COUNTS = (3, 5, 2)
CONFIG = NetworkConfig(
    value_counts=COUNTS,
    backbone="compact16",
    embedding_dimension=12,
    attribute_dimension=10,
    common_dimension=14,
)
RIVALS = [name for name in DESIGNS if name != "lapel"]


def images(batch: int = 2, side: int = 96) -> Tensor:
    """Smooth, so that attention has something to prefer and crops are told apart."""
    coarse = torch.randn(batch, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=(side, side), mode="bicubic")


def built(name: str) -> nn.Module:
    """With BatchNorm statistics of these images, so that no layer is at rest."""
    torch.manual_seed(0)
    network = design_named(name).build(CONFIG)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.3)
            module.momentum = None  # one batch is all they see
    with torch.no_grad():
        network(images(8))
    return network.eval()


@pytest.mark.parametrize("name", DESIGNS)
@torch.no_grad()
def test_every_design_answers_in_the_same_form(name: str) -> None:
    e = built(name)(images())
    dimension = CONFIG.embedding_dimension * DESIGNS[name].branches
    assert e.vectors.shape == (2, 3, dimension)
    torch.testing.assert_close(e.vectors.norm(dim=-1), torch.ones(2, 3))
    assert e.attention.shape == (2, 3, 6, 6)
    torch.testing.assert_close(e.attention.sum(dim=(2, 3)), torch.ones(2, 3))
    assert e.norms.shape == e.visible_logits.shape == (2, 3)
    assert e.value_logits.shape == (2, 3, max(COUNTS))
    torch.testing.assert_close(e.global_vector.norm(dim=-1), torch.ones(2))


@pytest.mark.parametrize("name", RIVALS)
def test_what_visibility_learns_reaches_nothing_else_of_a_rival(name: str) -> None:
    network = built(name).train()
    visibility_loss(network(images()).visible_logits, torch.ones(2, 3)).backward()
    moved = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"visibility.weight", "visibility.bias"}


@torch.no_grad()
def test_the_global_network_says_the_same_of_every_attribute() -> None:
    network = built("global")
    assert isinstance(network, GlobalTriplet)
    e = network(images())
    for row, grid in enumerate(network.trunk(images())):
        pooled = torch.stack([channel.mean() for channel in grid])
        raw = network.projection.weight @ pooled + network.projection.bias
        for attribute in range(len(COUNTS)):
            torch.testing.assert_close(e.vectors[row, attribute], raw / raw.norm())
            torch.testing.assert_close(e.norms[row, attribute], raw.norm())


@torch.no_grad()
def test_a_mask_weighs_the_dimensions_and_never_turns_one_around() -> None:
    network = built("csn")
    assert isinstance(network, MaskedSimilarity)
    e = network(images())
    assert (network.masks < 0).any()
    embedding = network.projection(network.trunk(images()).mean(dim=(2, 3)))
    for attribute in range(len(COUNTS)):
        for row in range(2):
            masked = torch.tensor(
                [
                    float(x) * max(0.0, float(m))
                    for x, m in zip(embedding[row], network.masks[attribute], strict=True)
                ]
            )
            torch.testing.assert_close(e.vectors[row, attribute], masked / masked.norm())
            torch.testing.assert_close(e.norms[row, attribute], masked.norm())


def attended(
    heads: SharedHeads, grid: Tensor, scores: Tensor, condition: Tensor
) -> tuple[Tensor, Tensor]:
    """One attribute: (B, C, h, w), (B, h, w) and (E,) -> raw (B, D) and map (B, h, w)."""
    attention = scores.flatten(1).softmax(1).view_as(scores)
    pooled = (grid * attention.unsqueeze(1)).sum(dim=(2, 3))
    both = torch.cat([pooled, condition.expand(len(pooled), -1)], dim=1)
    first = torch.cat([heads.reduce_image.weight, heads.reduce_condition.weight], dim=1)
    hidden = torch.relu(both @ first.T + heads.reduce_image.bias)
    return heads.projection(pooled * torch.sigmoid(heads.expand(hidden))), attention


@torch.no_grad()
def test_asen_v1_equals_one_attribute_at_a_time() -> None:
    network = built("asen-v1")
    assert isinstance(network, AsenV1)
    e, grid = network(images()), network.trunk(images())
    for attribute in range(len(COUNTS)):
        duplicated = network.where[attribute].tanh().view(1, -1, 1, 1).expand(2, -1, 6, 6)
        product = duplicated * torch.tanh(network.heads.image[0](grid))
        one_map = F.conv2d(product, network.score.weight.view(1, -1, 1, 1), network.score.bias)
        raw, attention = attended(
            network.heads, grid, one_map.tanh().squeeze(1), network.which[attribute].relu()
        )
        torch.testing.assert_close(e.attention[:, attribute], attention)
        torch.testing.assert_close(e.norms[:, attribute], raw.norm(dim=1))
        torch.testing.assert_close(e.vectors[:, attribute], F.normalize(raw, dim=1))


@torch.no_grad()
def test_asen_v2_equals_one_attribute_at_a_time() -> None:
    network = built("asen-v2")
    assert isinstance(network, AsenV2)
    e, grid = network(images()), network.trunk(images())
    convolution, norm, _ = network.heads.image
    assert isinstance(norm, nn.BatchNorm2d)
    for attribute in range(len(COUNTS)):
        embedding = network.embedding[attribute]
        query = network.attribute.where(embedding).tanh().view(1, -1, 1, 1).expand(2, -1, 6, 6)
        scores = (query * torch.tanh(norm(convolution(grid)))).sum(1) / query.shape[1] ** 0.5
        condition = network.attribute.which(embedding).relu()
        raw, attention = attended(network.heads, grid, scores, condition)
        torch.testing.assert_close(e.attention[:, attribute], attention)
        torch.testing.assert_close(e.norms[:, attribute], raw.norm(dim=1))
        torch.testing.assert_close(e.vectors[:, attribute], F.normalize(raw, dim=1))


@torch.no_grad()
def test_asen_plus_plus_equals_one_crop_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Untrained maps are too flat for the published threshold to leave anything out.
    monkeypatch.setattr(asenpp, "REGION_THRESHOLD", 0.8)
    network = built("asen++")
    assert isinstance(network, AsenPlusPlus)
    pictures = images()
    e, grid = network(pictures), network.trunk(pictures)
    sides = set()
    for row, attribute in itertools.product(range(2), range(len(COUNTS))):
        embedding = network.embedding[attribute]
        queries, conditions = network.attribute(embedding.unsqueeze(0))
        scores = network.heads.scores(grid[row : row + 1], queries)[:, 0]
        raw, attention = attended(network.heads, grid[row : row + 1], scores, conditions[0])
        left, top, side = slow_box(attention[0], 96, 0.8)
        sides.add(side)
        crop = pictures[row : row + 1, :, top : top + side, left : left + side]
        closer = network.local_trunk(F.interpolate(crop, size=(48, 48), mode="bilinear"))
        queries, conditions = network.local_attribute(embedding.unsqueeze(0))
        scores = network.local_heads.scores(closer, queries)[:, 0]
        local, _ = attended(network.local_heads, closer, scores, conditions[0])
        expected = torch.cat([0.6**0.5 * raw[0] / raw.norm(), 0.4**0.5 * local[0] / local.norm()])
        torch.testing.assert_close(e.attention[row, attribute], attention[0])
        torch.testing.assert_close(e.vectors[row, attribute], expected, atol=2e-5, rtol=1e-4)
        norm = (0.6 * raw.norm() ** 2 + 0.4 * local.norm() ** 2).sqrt()
        torch.testing.assert_close(e.norms[row, attribute], norm, atol=1e-5, rtol=1e-4)
    assert len(sides) > 1  # the crops were not all the whole picture


def slow_box(attention: Tensor, size: int, threshold: float = 0.1) -> tuple[int, int, int]:
    """Left, top and side of the square, pixel by pixel."""
    large = F.interpolate(attention[None, None], size=(size, size), mode="bilinear")[0, 0]
    low, high = float(large.min()), float(large.max())
    inside = [
        (x, y)
        for y in range(size)
        for x in range(size)
        if float(large[y, x]) - low >= threshold * (high - low)
    ]
    corner = [min(p[axis] for p in inside) for axis in (0, 1)]
    length = [max(p[axis] for p in inside) - corner[axis] + 1 for axis in (0, 1)]
    side = max(length)
    left, top = (
        min(max(0, start + extent // 2 - side // 2), size - side)
        for start, extent in zip(corner, length, strict=True)
    )
    return left, top, side


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_the_slow_ones_and_stay_inside(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 6 * torch.randn(2, 3, 5, 5, generator=generator)
    attention = scores.flatten(2).softmax(-1).view_as(scores)
    boxes = region_boxes(attention, 40, 40)
    for row, attribute in itertools.product(range(2), range(3)):
        left, top, side = (int(x) for x in boxes[row, attribute])
        assert (left, top, side) == slow_box(attention[row, attribute], 40)
        assert left >= 0
        assert top >= 0
        assert max(left, top) + side <= 40


def test_a_map_without_a_preference_picks_the_whole_picture() -> None:
    assert region_boxes(torch.full((1, 1, 4, 4), 1 / 16), 32, 32).tolist() == [[[0, 0, 32]]]


def test_a_crop_shows_nothing_from_outside_its_box() -> None:
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 8:20, 4:16] = 1.0
    crop = cut_regions(picture, torch.tensor([[[4.0, 8.0, 12.0]]]), 48)
    torch.testing.assert_close(crop, torch.ones(1, 1, 3, 48, 48))


@torch.no_grad()
def test_the_first_stage_leaves_the_local_half_empty() -> None:
    network = built("asen++")
    assert isinstance(network, AsenPlusPlus)
    network.enter_stage(0)
    e, terms = network.embed_with_terms(images())
    assert not e.vectors[..., CONFIG.embedding_dimension :].any()
    torch.testing.assert_close(e.vectors[..., : CONFIG.embedding_dimension], terms["global"])
    again = design_named("asen++").build(CONFIG).eval()
    again.load_state_dict(network.state_dict())  # a checkpoint knows its stage
    torch.testing.assert_close(again(images()).vectors, e.vectors)


def slow_triplets(similarity: Tensor, labels: list[int], margin: float) -> float:
    terms = [
        max(0.0, float(margin - similarity[anchor, positive] + similarity[anchor, negative]))
        for anchor, positive, negative in itertools.permutations(range(len(labels)), 3)
        if labels[anchor] == labels[positive] != labels[negative]
    ]
    return sum(terms) / len(terms)


VALUES = torch.tensor([[0, 1], [0, 1], [1, -1], [1, 0], [2, 0], [0, 1]])


def test_the_masked_loss_agrees_with_a_slow_loop() -> None:
    network = built("csn")
    assert isinstance(network, MaskedSimilarity)
    embedding = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[1.0, 0.0, 0.5, 2.0], [0.0, 1.0, 1.0, 0.1]])
    masked = embedding.unsqueeze(1) * mask
    loss = network.own_loss({"embedding": embedding, "mask": mask, "masked": masked}, VALUES)
    triplets = 0.0
    for attribute in range(2):
        rows = [row for row in range(6) if VALUES[row, attribute] >= 0]
        distances = torch.cdist(masked[rows, attribute], masked[rows, attribute])
        labels = [int(VALUES[row, attribute]) for row in rows]
        triplets += slow_triplets(-distances, labels, 0.2) / 2
    length = (sum(float(e.norm()) ** 2 for e in embedding) / 6) ** 0.5
    expected = triplets + 5e-3 * length + 5e-4 * float(mask.sum()) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_the_two_branch_loss_agrees_with_a_slow_loop() -> None:
    network = built("asen++")
    assert isinstance(network, AsenPlusPlus)
    torch.manual_seed(3)
    terms = {name: F.normalize(torch.randn(6, 2, 4), dim=-1) for name in ("global", "local")}
    triplets = {}
    for name, vectors in terms.items():
        triplets[name] = 0.0
        for attribute in range(2):
            rows = [row for row in range(6) if VALUES[row, attribute] >= 0]
            space = vectors[rows, attribute]
            labels = [int(VALUES[row, attribute]) for row in rows]
            triplets[name] += slow_triplets(space @ space.T, labels, 0.2) / 2
    pairs = [(r, a) for r, a in itertools.product(range(6), range(2)) if VALUES[r, a] >= 0]
    apart = [1 - float(terms["global"][r, a] @ terms["local"][r, a]) for r, a in pairs]
    # An anchor, a positive and a negative: three pictures.
    expected = triplets["global"] + 0.1 * triplets["local"] + 0.1 * 3 * sum(apart) / len(apart)
    assert float(network.own_loss(terms, VALUES)) == pytest.approx(expected, rel=1e-4)
    del terms["local"]
    assert float(network.own_loss(terms, VALUES)) == pytest.approx(triplets["global"], rel=1e-4)


def test_an_unknown_design_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown design 'vae'; known: lapel, global, csn"):
        design_named("vae")


@pytest.mark.parametrize(("epochs", "ends"), [(1, (0, 1)), (2, (1, 2)), (50, (35, 50))])
def test_the_last_stage_has_an_epoch_at_least(epochs: int, ends: tuple[int, ...]) -> None:
    assert DESIGNS["asen++"].last_epochs(epochs) == ends
    assert DESIGNS["lapel"].last_epochs(epochs) == (epochs,)
