import itertools

import pytest

torch = pytest.importorskip("torch")

from model.training.asen import Asen, NetworkConfig, with_places  # noqa: E402
from model.training.backbones import BACKBONES, build_trunk  # noqa: E402

pytestmark = pytest.mark.torch
COUNTS = (3, 5, 2)


@pytest.fixture(scope="module")
def network() -> Asen:
    torch.manual_seed(0)
    return Asen(NetworkConfig(value_counts=COUNTS, backbone="compact16", dropout=0.0)).eval()


@pytest.fixture(scope="module")
def features(network: Asen) -> "torch.Tensor":
    with torch.no_grad():
        return network.trunk(images())


def images(batch: int = 2) -> "torch.Tensor":
    return torch.randn(batch, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_one_pass_gives_every_attribute_its_unit_vector_norm_and_map(network: Asen) -> None:
    e = network(images())
    assert e.vectors.shape == (2, 3, 64)
    torch.testing.assert_close(e.vectors.norm(dim=-1), torch.ones(2, 3))
    torch.testing.assert_close(e.attention.sum(dim=(2, 3)), torch.ones(2, 3))
    assert e.norms.shape == e.visible_logits.shape == (2, 3)
    assert e.value_logits.shape == (2, 3, max(COUNTS))


@torch.no_grad()
def test_the_trunk_runs_once_whatever_the_number_of_attributes(network: Asen) -> None:
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    hook = network.trunk.register_forward_hook(count)
    network(images())
    hook.remove()
    assert runs == 1


@torch.no_grad()
def test_all_attributes_at_once_equal_the_papers_attribute_by_attribute(
    network: Asen, features: "torch.Tensor"
) -> None:
    """ASEN as written, with two maps: attend over positions, then gate channels."""
    asa, aca = network.spatial_attention, network.channel_attention
    all_at_once = network(images())
    placed = with_places(features)
    channels = features.shape[1]
    for attribute in range(len(COUNTS)):
        embedding = network.attribute_embedding[attribute]
        maps, contents, places = [], [], []
        for one in embedding.split(asa.attribute_dimension):
            query = 2 * asa.attribute(one)  # (K,), then duplicated over all positions
            duplicated = query.view(1, -1, 1, 1).expand(2, -1, *features.shape[2:])
            scores = (asa.image(placed) * duplicated).sum(1) / query.numel() ** 0.5
            maps.append(scores.flatten(1).softmax(1).view_as(scores))
            summed = (placed * maps[-1].unsqueeze(1)).sum(dim=(2, 3))
            contents.append(summed[:, :channels])
            places.append(2 * summed[:, channels:])
        pooled, attention = torch.cat(contents, dim=1), sum(maps) / len(maps)
        both = torch.cat([aca.attribute(embedding).expand(2, -1), pooled], dim=1)
        first = torch.cat([aca.reduce_attribute.weight, aca.reduce_image.weight], dim=1)
        hidden = torch.relu(both @ first.T + aca.reduce_image.bias)
        gated = torch.cat([pooled * torch.sigmoid(aca.expand(hidden)), *places], dim=1)
        raw = gated @ network.projection.weight[attribute] + network.projection.bias[attribute]
        torch.testing.assert_close(all_at_once.attention[:, attribute], attention)
        torch.testing.assert_close(all_at_once.norms[:, attribute], raw.norm(dim=1))
        torch.testing.assert_close(
            all_at_once.vectors[:, attribute], torch.nn.functional.normalize(raw, dim=1)
        )


@torch.no_grad()
def test_origins_are_what_each_place_adds_to_a_vector_shared_with_its_neighbours(
    network: Asen, features: "torch.Tensor"
) -> None:
    e, placed = network(images()), with_places(features)
    maps = network.spatial_attention(placed, network.attribute_embedding)  # (B, A, M, h, w)
    height, width, channels = *features.shape[2:], features.shape[1]
    summed = torch.einsum("bamhw,bchw->bamc", maps, placed)
    content = summed[..., :channels].flatten(2)
    gate = network.channel_attention(content, network.attribute_embedding)
    for image, attribute in ((0, 0), (1, 2)):
        weight = network.projection.weight[attribute]
        added = torch.zeros(height, width, weight.shape[1])
        for y in range(height):
            for x in range(width):
                shown = maps[image, attribute, :, y, x, None] * placed[image, :, y, x]  # (M, C + P)
                seen = shown[:, :channels].flatten() * gate[image, attribute]
                added[y, x] = torch.cat([seen, 2 * shown[:, channels:].flatten()]) @ weight
        whole = added.sum(dim=(0, 1)) + network.projection.bias[attribute, 0]
        vector = e.vectors[image, attribute]
        torch.testing.assert_close(whole, e.norms[image, attribute] * vector)
        parts = (added @ vector).relu()
        shared = torch.zeros(height, width)
        for y in range(height):
            for x in range(width):
                for dy, dx in itertools.product((-1, 0, 1), repeat=2):
                    near = parts[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                    shared[y, x] += near / 2 ** (2 + abs(dy) + abs(dx))
        torch.testing.assert_close(
            e.origins[image, attribute], shared / shared.sum(), atol=1e-5, rtol=1e-4
        )


@torch.no_grad()
def test_a_vector_no_place_speaks_for_comes_from_where_it_looked() -> None:
    network = Asen(NetworkConfig(value_counts=(2,), backbone="compact16")).eval()
    network.projection.weight.zero_()
    network.projection.bias.fill_(1.0)
    e = network(images())
    torch.testing.assert_close(e.origins, e.attention)


def test_places_are_height_and_distance_from_the_middle_alike_on_both_sides() -> None:
    places = with_places(torch.zeros(1, 3, 5, 3))[0, 3:]
    for y, down in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0)):
        for x, across in enumerate((-1.0, 0.0, 1.0)):
            expected = torch.tensor([down, down**2, across**2, abs(across)])
            torch.testing.assert_close(places[:, y, x], expected)


@torch.no_grad()
def test_a_value_an_attribute_does_not_have_gets_no_probability(network: Asen) -> None:
    probabilities = network(images()).value_logits.softmax(-1)
    for attribute, count in enumerate(COUNTS):
        assert probabilities[:, attribute, count:].sum() == 0


@torch.no_grad()
def test_value_logits_are_scaled_cosines_to_the_prototypes(network: Asen) -> None:
    e = network(images())
    prototypes = network.values.unit_prototypes()
    for attribute, count in enumerate(COUNTS):
        for value in range(count):
            cosine = torch.nn.functional.cosine_similarity(
                e.vectors[:, attribute], prototypes[attribute, value], dim=-1
            )
            scale = network.values.log_scale[attribute].exp()
            torch.testing.assert_close(e.value_logits[:, attribute, value], scale * cosine)


@torch.no_grad()
def test_images_of_another_size_pass() -> None:
    network = Asen(NetworkConfig(value_counts=(2,), backbone="compact16")).eval()
    assert network(torch.zeros(1, 3, 96, 80)).attention.shape == (1, 1, 6, 5)


@pytest.mark.parametrize("name", ["compact16", "compact24", "resnet18", "mobilenet_v3_small"])
@torch.no_grad()
def test_a_trunk_says_how_many_channels_it_gives(name: str) -> None:
    trunk, channels = build_trunk(name)
    assert trunk.eval()(torch.zeros(1, 3, 64, 64)).shape[1] == channels


@torch.no_grad()
def test_resnets_are_cut_after_their_third_stage() -> None:
    trunk, channels = build_trunk("resnet50")
    assert channels == 1024
    assert trunk.eval()(torch.zeros(1, 3, 224, 224)).shape[2:] == (14, 14)


def test_an_unknown_backbone_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=BACKBONES[0]):
        build_trunk("vgg-2000")


def test_pretrained_weights_are_refused_where_there_are_none() -> None:
    with pytest.raises(ValueError, match="no pretrained weights"):
        build_trunk("compact24", pretrained=True)
