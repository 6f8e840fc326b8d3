import pytest

torch = pytest.importorskip("torch")

from model.training.asen import Asen, NetworkConfig  # noqa: E402
from model.training.backbones import build_trunk  # noqa: E402
from model.training.design_space import Taps, frozen_taps, new_head  # noqa: E402

pytestmark = pytest.mark.torch


def settled(backbone: str) -> "torch.nn.Module":
    """A trunk whose BatchNorm has seen something, and does not start as the identity."""
    torch.manual_seed(0)
    trunk, _ = build_trunk(backbone)
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return trunk.eval()


@pytest.mark.parametrize("backbone", ["compact16", "resnet18"])
def test_the_head_reads_grids_of_4_8_and_16_pixels_a_cell(backbone):
    trunk, images = settled(backbone), torch.randn(2, 3, 96, 64)
    grids = Taps(trunk)(images)
    assert [tuple(grid.shape[2:]) for grid in grids] == [(24, 16), (12, 8), (6, 4)]
    torch.testing.assert_close(grids[-1], trunk(images), rtol=0, atol=0)
    found = new_head(backbone, 24).eval()(grids)
    assert found.vectors.shape == (2, 24)
    assert found.attention.shape == (2, 6, 4)
    torch.testing.assert_close(found.vectors.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(found.attention.sum(dim=(1, 2)), torch.ones(2))
    assert (found.norms > 0).all()


def test_a_trunk_without_those_grids_is_refused_by_what_it_has():
    with pytest.raises(ValueError, match=r"grids of 4, 8, 16 .* this one has 2, 4, 8, 16, 32"):
        new_head("mobilenet_v3_small", 16)


def test_folding_changes_no_answer_and_not_the_trunk():
    trunk, images = settled("compact16"), torch.randn(2, 3, 48, 48)
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    folded = frozen_taps(trunk)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    for grid, own in zip(folded(images), Taps(trunk)(images), strict=True):
        torch.testing.assert_close(grid, own, rtol=1e-4, atol=1e-4)
    for name, tensor in trunk.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_the_network_reads_the_grid_it_is_given_as_its_own():
    torch.manual_seed(0)
    network = Asen(NetworkConfig(value_counts=(3, 2), backbone="compact16")).eval()
    images = torch.randn(2, 3, 48, 48)
    for given, own in zip(
        network.from_features(network.trunk(images)), network(images), strict=True
    ):
        torch.testing.assert_close(given, own, rtol=0, atol=0)
