import itertools
import math

import pytest

torch = pytest.importorskip("torch")

from model.training.asen import Embeddings  # noqa: E402
from model.training.losses import (  # noqa: E402
    UNLABELLED,
    AttributeLoss,
    Labels,
    LossWeights,
    attention_loss,
    balanced_value_weights,
    contrast_across_groups,
    cosine_triplets,
    prototype_loss,
    triplet_loss,
    visibility_loss,
)

pytestmark = pytest.mark.torch
WEIGHTS = torch.tensor([[1.0, 2.0, 0.5], [1.0, 1.0, 0.0]])


def batch() -> tuple["torch.Tensor", "torch.Tensor"]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, 3, generator=generator)
    logits[:, 1, 2] = -1e4  # the second attribute has two values
    values = torch.tensor([[0, 1], [1, -1], [2, 0], [-1, -1], [0, 1], [1, 0]])
    return logits, values


def test_prototype_loss_agrees_with_a_slow_loop() -> None:
    logits, values = batch()
    smoothing, terms = 0.1, []
    for attribute, count in enumerate((3, 2)):
        total, weight_sum = 0.0, 0.0
        for row in range(6):
            actual = int(values[row, attribute])
            if actual == UNLABELLED:
                continue
            exponentials = [math.exp(logits[row, attribute, v]) for v in range(count)]
            row_loss = 0.0
            for value in range(count):
                target = (1 - smoothing) * (value == actual) + smoothing / count
                row_loss -= target * math.log(exponentials[value] / sum(exponentials))
            total += float(WEIGHTS[attribute, actual]) * row_loss
            weight_sum += float(WEIGHTS[attribute, actual])
        terms.append(total / weight_sum)
    loss = prototype_loss(logits, values, WEIGHTS, smoothing)
    assert float(loss) == pytest.approx(sum(terms) / 2, rel=1e-5)


def test_an_attribute_without_a_label_in_the_batch_counts_nothing() -> None:
    logits, values = batch()
    alone = values.clone()
    alone[:, 1] = UNLABELLED
    expected = prototype_loss(logits[:, :1], values[:, :1], WEIGHTS[:1], 0.1)
    torch.testing.assert_close(prototype_loss(logits, alone, WEIGHTS, 0.1), expected)


def test_a_batch_without_labels_has_loss_zero_and_finite_gradients() -> None:
    logits, values = batch()
    logits.requires_grad_()
    loss = prototype_loss(logits, torch.full_like(values, UNLABELLED), WEIGHTS, 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_visibility_skips_what_nobody_labelled() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    visible = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    slow = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(0.5)) + math.log1p(math.exp(-3.0))) / 3
    assert float(visibility_loss(logits, visible)) == pytest.approx(slow, rel=1e-5)


def test_balanced_weights_lift_rare_values_and_average_one_per_row() -> None:
    counts = torch.tensor([[90, 10], [40, 0]])
    weights = balanced_value_weights(counts)
    assert float(weights[0, 1] / weights[0, 0]) == pytest.approx(3.0)
    assert float((weights[0] * counts[0]).sum() / 100) == pytest.approx(1.0)
    assert weights[1].tolist() == [1.0, 0.0]


def embeddings_of(vectors: "torch.Tensor") -> Embeddings:
    """Two attributes, of which only the vectors matter."""
    rest = vectors.new_zeros(())
    return Embeddings(vectors, rest, rest, rest, rest, rest, rest)


@pytest.mark.parametrize("part", [{"supcon": 1.0}, {"triplet": 1.0}, {"all_triplets": 1.0}])
def test_a_metric_loss_pulls_garments_of_one_value_together(part: dict[str, float]) -> None:
    torch.manual_seed(0)
    raw = torch.randn(12, 1, 8, requires_grad=True)
    values = (torch.arange(12) % 3).unsqueeze(1)
    labels = Labels.unmixed(values, torch.ones(12, 1), torch.arange(12))
    loss = AttributeLoss(
        LossWeights(**{"prototypes": 0, "supcon": 0, "visibility": 0, **part}), torch.ones(1, 3)
    )
    optimizer = torch.optim.SGD([raw], lr=1.0)

    def separation() -> float:
        unit = torch.nn.functional.normalize(raw.detach()[:, 0], dim=-1)
        same = values == values.T
        return float((unit @ unit.T)[same].mean() - (unit @ unit.T)[~same].mean())

    before = separation()
    for _ in range(30):
        optimizer.zero_grad()
        unit = torch.nn.functional.normalize(raw, dim=-1)
        loss(embeddings_of(unit), labels).backward()
        optimizer.step()
    assert separation() > before + 0.1


def test_not_visible_is_never_a_positive() -> None:
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, 1, 8), dim=-1)
    loss = AttributeLoss(LossWeights(prototypes=0, supcon=1, visibility=0), torch.ones(1, 2))
    values = torch.tensor([[0], [0], [1], [1], [-1], [-1]])
    moved = vectors.clone()
    moved[4:] = -moved[4:]
    labels = Labels.unmixed(values, torch.ones(6, 1), torch.arange(6))
    torch.testing.assert_close(
        loss(embeddings_of(vectors), labels), loss(embeddings_of(moved), labels)
    )


def test_a_mixed_picture_has_both_pictures_values_in_their_shares() -> None:
    logits, values = batch()
    partners, own = torch.tensor([1, 1, 3, 3, 0, 5]), torch.tensor([0.6, 1, 0.7, 1, 0.8, 1])
    visible = (values >= 0).float()
    visible[2, 0] = float("nan")
    rest = logits.new_zeros(())
    said = Embeddings(logits.new_zeros(6, 2, 4), rest, rest, rest, logits, logits[:, :, 0], rest)
    labels = Labels(values, visible, torch.arange(6), partners, own)
    weights = LossWeights(supcon=0.0, visibility=0.0)
    terms = []
    for attribute in range(2):
        total, weight_sum = 0.0, 0.0
        for row, share in enumerate(own.tolist()):
            for of, part in ((row, share), (int(partners[row]), 1 - share)):
                if values[of, attribute] >= 0:
                    one = prototype_loss(
                        logits[row : row + 1, attribute : attribute + 1],
                        values[of : of + 1, attribute : attribute + 1],
                        WEIGHTS[attribute : attribute + 1],
                        0.1,
                    )
                    weight = part * float(WEIGHTS[attribute, values[of, attribute]])
                    total, weight_sum = total + weight * float(one), weight_sum + weight
        terms.append(total / weight_sum)
    loss = AttributeLoss(weights, WEIGHTS)(said, labels)
    assert float(loss) == pytest.approx(sum(terms) / 2, rel=1e-5)
    seen = AttributeLoss(LossWeights(prototypes=0, supcon=0, visibility=1), WEIGHTS)(said, labels)
    slow, counted = 0.0, 0
    for row, attribute in itertools.product(range(6), range(2)):
        share, other = float(own[row]), float(visible[partners[row], attribute])
        target = share * float(visible[row, attribute]) + (1 - share) * other
        if not math.isnan(target):
            chance = 1 / (1 + math.exp(-float(logits[row, attribute, 0])))
            slow -= target * math.log(chance) + (1 - target) * math.log(1 - chance)
            counted += 1
    assert counted == 11
    assert float(seen) == pytest.approx(slow / counted, rel=1e-5)


def test_a_mixed_picture_is_neither_alike_nor_unlike_others() -> None:
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, 1, 8), dim=-1)
    loss = AttributeLoss(LossWeights(prototypes=0, supcon=1, visibility=0), torch.ones(1, 2))
    values = torch.tensor([[0], [0], [1], [1], [0], [1]])
    own = torch.tensor([1.0, 1, 1, 1, 0.6, 0.6])
    partners = torch.tensor([0, 1, 2, 3, 0, 0])
    labels = Labels(values, torch.ones(6, 1), torch.arange(6), partners, own)
    moved = vectors.clone()
    moved[4:] = -moved[4:]
    torch.testing.assert_close(
        loss(embeddings_of(vectors), labels), loss(embeddings_of(moved), labels)
    )


def test_contrast_agrees_with_a_slow_loop_whose_positives_are_by_other_photographers() -> None:
    generator = torch.Generator().manual_seed(5)
    vectors = torch.nn.functional.normalize(torch.randn(9, 3, 8, generator=generator), dim=-1)
    values = torch.randint(-1, 3, (9, 3), generator=generator)
    values[:, 2] = -1  # an attribute nobody labelled
    groups = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 0])
    by_attribute = []
    for attribute in range(3):
        cosines = (vectors[:, attribute] @ vectors[:, attribute].T / 0.1).tolist()
        labels, anchors = values[:, attribute].tolist(), []
        for anchor in range(9):
            others = [i for i in range(9) if labels[i] >= 0 and labels[anchor] >= 0]
            positives = [
                i for i in others if labels[i] == labels[anchor] and groups[i] != groups[anchor]
            ]
            negatives = [i for i in others if labels[i] != labels[anchor]]
            if positives:
                total = sum(math.exp(cosines[anchor][i]) for i in positives + negatives)
                terms = [-math.log(math.exp(cosines[anchor][i]) / total) for i in positives]
                anchors.append(sum(terms) / len(terms))
        if anchors:
            by_attribute.append(sum(anchors) / len(anchors))
    assert len(by_attribute) == 2
    loss = contrast_across_groups(vectors, values, groups, 0.1)
    assert float(loss) == pytest.approx(sum(by_attribute) / 2, rel=1e-5)


def test_contrast_among_one_photographers_pictures_alone_is_zero_with_finite_gradients() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(4, 1, 8), dim=-1).requires_grad_()
    loss = contrast_across_groups(vectors, torch.zeros(4, 1).long(), torch.zeros(4), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_every_triplet_counts_alike_as_in_a_slow_loop() -> None:
    labels = [0, 0, 0, 1, 1, 2]  # a value seen once is never an anchor's
    similarity = torch.randn(6, 6, generator=torch.Generator().manual_seed(4))
    terms = [
        max(0.0, float(0.2 - similarity[anchor, positive] + similarity[anchor, negative]))
        for anchor, positive, negative in itertools.permutations(range(6), 3)
        if labels[anchor] == labels[positive] != labels[negative]
    ]
    loss = triplet_loss(similarity, torch.tensor(labels), 0.2)
    assert float(loss) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1, 0]])
def test_without_a_triplet_the_loss_is_zero_and_its_gradient_finite(labels: list[int]) -> None:
    raw = torch.randn(3, 1, 4, requires_grad=True)
    unit = torch.nn.functional.normalize(raw, dim=-1)
    loss = cosine_triplets(unit, torch.tensor(labels).unsqueeze(1), 0.2)
    loss.backward()
    assert loss.item() == 0.0
    assert raw.grad is not None
    assert not raw.grad.any()


def parts_and_scores() -> tuple["torch.Tensor", "torch.Tensor"]:
    """(3, 3, 12, 12) parts, of which some are unknown or too small, and (3, 3, 5, 5) scores."""
    parts = torch.zeros(3, 3, 12, 12)
    parts[0, 0, 2:7, 3:8] = 1.0
    parts[0, 1, :, :] = 0.2  # nowhere enough
    parts[1, 1, 0:3, :] = 0.6
    parts[1, 2, 10, 4] = 1.0  # one place: too little of any cell
    parts[2, 2] = torch.rand(12, 12, generator=torch.Generator().manual_seed(1))
    return parts, torch.randn(3, 3, 5, 5, generator=torch.Generator().manual_seed(2))


def maps_of(scores: "torch.Tensor") -> "torch.Tensor":
    return scores.flatten(2).softmax(-1).view_as(scores)


def test_attention_loss_agrees_with_a_slow_loop() -> None:
    parts, scores = parts_and_scores()
    attention, terms = maps_of(scores), []
    for row, attribute in itertools.product(range(3), range(3)):
        shown = {}
        for y, x in itertools.product(range(5), range(5)):
            # A cell of the map covers the places that it shares any of its extent with.
            top, bottom = y * 12 // 5, -(-(y + 1) * 12 // 5)
            left, right = x * 12 // 5, -(-(x + 1) * 12 // 5)
            places = [
                float(parts[row, attribute, j, i])
                for j in range(top, bottom)
                for i in range(left, right)
            ]
            shown[y, x] = sum(places) / len(places)
        if max(shown.values()) < 0.25:
            continue
        looked = sum(
            float(attention[row, attribute, y, x]) * min(1.0, share / 0.25)
            for (y, x), share in shown.items()
        )
        terms.append(-math.log(looked))
    assert len(terms) == 3
    loss = attention_loss(attention, parts)
    assert float(loss) == pytest.approx(sum(terms) / 3, rel=1e-5)


def test_attention_learns_to_look_at_the_part_and_is_else_left_alone() -> None:
    parts, scores = parts_and_scores()
    start = scores.clone()
    optimizer = torch.optim.SGD([scores.requires_grad_()], lr=5.0)
    for _ in range(40):
        optimizer.zero_grad()
        attention_loss(maps_of(scores), parts).backward()
        optimizer.step()
    learnt = scores.detach()
    before, after = (attention_loss(maps_of(s), parts).item() for s in (start, learnt))
    assert after < 0.1 * before
    unknown = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert all(torch.equal(learnt[place], start[place]) for place in unknown)


def test_without_a_known_part_attention_costs_nothing() -> None:
    _, scores = parts_and_scores()
    scores.requires_grad_()
    loss = attention_loss(maps_of(scores), torch.zeros(3, 3, 12, 12))
    loss.backward()
    assert loss.item() == 0.0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_attention_that_misses_a_part_wholly_has_a_finite_loss() -> None:
    attention, parts = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8)
    attention[0, 0, 0, 0] = 1.0
    parts[0, 0, 6:, 6:] = 1.0
    assert float(attention_loss(attention, parts)) == pytest.approx(-math.log(1e-4))
