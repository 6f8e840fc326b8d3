import math

import pytest

torch = pytest.importorskip("torch")

from model.training.design_losses import (  # noqa: E402
    Queue,
    contrast_loss,
    direction_loss,
    equal_content_loss,
    spread_loss,
)

pytestmark = pytest.mark.torch
PHOTOGRAPHS = torch.tensor([4, 4, 4, 7, 7, 9])
KEPT = torch.tensor([1.0, 0.5, 0.95, 1.0, 1.0, 0.2])


def vectors(seed: int, count: int = 6) -> "torch.Tensor":
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 5, generator=generator), dim=-1)


def test_contrast_is_the_slow_loops_with_and_without_a_queue():
    own, queue = vectors(0), Queue(10, 5, torch.device("cpu"))
    for _ in range(2):
        terms = []
        for i in range(6):
            for j in range(6):
                if i == j or PHOTOGRAPHS[i] != PHOTOGRAPHS[j]:
                    continue
                others = [own[k] for k in range(6) if PHOTOGRAPHS[k] != PHOTOGRAPHS[i]]
                others += [
                    v
                    for v, p in zip(queue.vectors, queue.photographs, strict=True)
                    if p != PHOTOGRAPHS[i]
                ]
                positive = math.exp(float(own[i] @ own[j]) / 0.1)
                against = sum(math.exp(float(own[i] @ other) / 0.1) for other in others)
                terms.append(-math.log(positive / (positive + against)))
        loss = float(contrast_loss(own, PHOTOGRAPHS, queue, 0.1))
        assert loss == pytest.approx(sum(terms) / len(terms), rel=1e-5)
        queue.put(vectors(1, 4), torch.tensor([4, 7, 1, 2]))


def test_a_queue_forgets_the_oldest():
    queue = Queue(5, 5, torch.device("cpu"))
    first, second = vectors(2, 4), vectors(3, 3)
    queue.put(first, torch.arange(4))
    queue.put(second, torch.arange(4, 7))
    torch.testing.assert_close(queue.vectors, torch.cat([first[2:], second]))
    assert queue.photographs.tolist() == [2, 3, 4, 5, 6]


def test_direction_is_the_field_notes_penalty_over_pairs_that_differ():
    norms = torch.tensor([2.0, 1.0, 1.5, 3.0, 2.0, 1.0])
    pairs = [(0, 1), (2, 1)]  # (more, less); 1 and 0.95 count as equal
    expected = sum(math.exp(1 - float(norms[i] / norms[j])) for i, j in pairs) / len(pairs)
    assert float(direction_loss(norms, PHOTOGRAPHS, KEPT, 0.1)) == pytest.approx(expected)


def test_direction_pushes_the_fuller_picture_up_and_the_emptier_down():
    norms = torch.ones(6, requires_grad=True)
    direction_loss(norms, PHOTOGRAPHS, KEPT, 0.1).backward()
    assert norms.grad[0] < 0 < norms.grad[1]


def test_views_that_keep_equally_much_are_held_together():
    norms = torch.tensor([2.0, 1.0, 1.5, 3.0, 2.0, 1.0])
    expected = math.log(3 / 2) ** 2  # views 3 and 4
    assert float(equal_content_loss(norms, PHOTOGRAPHS, KEPT)) == pytest.approx(expected)


def test_nothing_to_compare_costs_nothing():
    norms = torch.tensor([1.0, 2.0], requires_grad=True)
    apart, kept = torch.tensor([1, 2]), torch.tensor([1.0, 0.1])
    assert direction_loss(norms, apart, kept, 0.1).item() == 0
    assert equal_content_loss(norms, apart, kept).item() == 0


def test_spread_is_minus_the_log_distance_to_the_nearest_other_photograph():
    own, queue = vectors(4), Queue(10, 5, torch.device("cpu"))
    for _ in range(2):
        every = [*zip(own, PHOTOGRAPHS, strict=True)]
        every += zip(queue.vectors, queue.photographs, strict=True)
        nearest = [
            min(float((own[i] - other).norm()) for other, p in every if p != PHOTOGRAPHS[i])
            for i in range(6)
        ]
        expected = -sum(map(math.log, nearest)) / 6
        assert float(spread_loss(own, PHOTOGRAPHS, queue)) == pytest.approx(expected, rel=1e-5)
        queue.put(vectors(5, 30), torch.arange(30) % 12)
