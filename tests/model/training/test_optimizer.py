import pytest

torch = pytest.importorskip("torch")

from model.training.asen import Asen, NetworkConfig  # noqa: E402
from model.training.optimizer import Muon, optimizers, orthogonalised  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (8, 8)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_scales(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalised(matrix)
    scales = torch.linalg.svdvals(found)
    assert scales.min() > 0.6
    assert scales.max() < 1.3
    assert (found * (u @ v)).sum() / (found.norm() * (u @ v).norm()) > 0.98


def test_muon_steps_along_the_orthogonalised_momentum_and_decays() -> None:
    generator = torch.Generator().manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(4, 3, 3, 3, generator=generator))
    muon = Muon([kernel], lr=0.1, weight_decay=0.5)
    expected, average = kernel.detach().clone(), torch.zeros(4, 27)
    for _ in range(3):
        gradient = torch.randn(4, 27, generator=generator)
        kernel.grad = gradient.view_as(kernel)
        muon.step()
        average = 0.95 * average + 0.05 * gradient
        direction = orthogonalised(0.05 * gradient + 0.95 * average)
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 27**0.5 * direction.view_as(kernel)
    torch.testing.assert_close(kernel.detach(), expected)


def test_every_weight_has_one_optimizer_and_the_first_convolution_is_adams() -> None:
    network = Asen(NetworkConfig(value_counts=(2, 3), backbone="compact16"))
    muon, adam = optimizers(network, 1e-3, 0.05)
    moved = [p for o in (muon, adam) for g in o.param_groups for p in g["params"]]
    assert len(moved) == len({id(p) for p in moved}) == len(list(network.parameters()))
    inside = {id(p) for g in muon.param_groups for p in g["params"]}
    assert id(network.trunk[0][0].weight) not in inside
    assert all(p.ndim == 4 for g in muon.param_groups for p in g["params"])
    assert [g["weight_decay"] for g in adam.param_groups] == [0.05, 0.0]
    assert all(p.ndim < 2 for p in adam.param_groups[1]["params"])
