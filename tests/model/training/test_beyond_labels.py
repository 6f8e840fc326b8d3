import colorsys
import math

import pytest

torch = pytest.importorskip("torch")

from model.training.beyond_labels import (  # noqa: E402
    mixture,
    out_of_proportion,
    recoloured,
    stretches,
    withheld,
)

pytestmark = pytest.mark.torch


def generator(seed: int = 0) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


def test_a_share_of_the_pictures_gets_other_colours_and_the_rest_stay_as_they_are() -> None:
    images = torch.rand(200, 3, 4, 4, generator=generator(1))
    changed, chosen = recoloured(images, 0.3, generator())
    assert 40 < int(chosen.sum()) < 80
    assert torch.equal(changed[~chosen], images[~chosen])
    assert (changed[chosen] - images[chosen]).abs().flatten(1).amax(dim=1).gt(0.02).all()
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    nothing, none = recoloured(images, 0.0, generator())
    assert torch.equal(nothing, images)
    assert not none.any()


def test_hues_are_turned_together_and_grey_stays_grey() -> None:
    grey, red, yellow = (0.5, 0.5, 0.5), (0.55, 0.45, 0.45), (0.55, 0.55, 0.45)
    picture = torch.tensor([grey, red, yellow]).T.view(1, 3, 1, 3)
    turned: list[float] = []
    for seed in range(60):
        changed, _ = recoloured(picture, 1.0, generator(seed))
        now = changed[0, :, 0].T  # (3 colours, RGB)
        exponent = math.log(float(now[0].mean())) / math.log(0.5)
        assert math.exp(-0.5) - 1e-4 <= exponent <= math.exp(0.5) + 1e-4
        torch.testing.assert_close(now[0], now[0].mean().expand(3), atol=1e-3, rtol=0)
        before = [colorsys.rgb_to_yiq(*colour) for colour in (red, yellow)]
        after = [colorsys.rgb_to_yiq(*(v ** (1 / exponent)).tolist()) for v in now[1:]]
        turns = [
            math.atan2(a[2], a[1]) - math.atan2(b[2], b[1])
            for a, b in zip(after, before, strict=True)
        ]
        grown = [
            math.hypot(*a[1:]) / math.hypot(*b[1:]) for a, b in zip(after, before, strict=True)
        ]
        assert math.cos(turns[0] - turns[1]) > 0.999
        assert grown[0] == pytest.approx(grown[1], rel=0.03)
        assert 0.38 < grown[0] < 1.85
        turned.append(math.cos(turns[0]))
    assert min(turned) < -0.8  # some to the opposite hue
    assert max(turned) > 0.8


def test_stretches_go_both_ways_and_leave_the_rest() -> None:
    drawn = stretches(1000, 0.4, generator())
    moved = drawn[drawn != 0]
    assert 330 < len(moved) < 470
    assert -0.5 <= float(moved.min()) < -0.4
    assert 0.4 < float(moved.max()) <= 0.5
    assert out_of_proportion(torch.tensor([0.0, 0.1, -0.1, 0.2, -0.2])).tolist() == [
        *(False, False, False),
        *(True, True),
    ]


def test_labels_are_withheld_of_some_attributes_in_some_rows() -> None:
    values = torch.tensor([[3, 1, 0], [2, 0, -1]])
    rows = torch.tensor([True, False])
    left = withheld(values, ("color", "collar", "hem"), rows, ("color", "hem", "unheard of"))
    assert left.tolist() == [[-1, 1, -1], [2, 0, -1]]
    assert values.tolist() == [[3, 1, 0], [2, 0, -1]]


def test_a_mixture_is_at_least_half_the_picture_itself() -> None:
    partners, own = mixture(2000, 0.25, generator())
    mixed = own < 1
    assert 400 < int(mixed.sum()) < 600
    assert torch.equal(partners[~mixed], torch.arange(2000)[~mixed])
    assert float(own.min()) >= 0.5
    assert float(own[mixed].mean()) == pytest.approx(0.77, abs=0.03)
    assert len(set(partners[mixed].tolist())) == int(mixed.sum())  # nobody is asked twice
