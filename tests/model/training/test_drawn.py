import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.drawings import ATTRIBUTES, random_design  # noqa: E402
from model.training.drawn import SIDE_PIXELS, DrawnGarments  # noqa: E402

pytestmark = pytest.mark.torch
NAMES = (("none", "shirt", "hood"), ("red", "blue"), ("soft", "stiff"))


@pytest.fixture(scope="module")
def drawn() -> DrawnGarments:
    return DrawnGarments.make(("collar", "color", "hand"), NAMES, count=40, seed=3)


def test_drawings_are_labelled_by_what_was_drawn(drawn: DrawnGarments) -> None:
    rng = np.random.default_rng(3)
    for row, design in enumerate(random_design(rng) for _ in range(40)):
        for column, value in enumerate((design.collar, design.color)):
            names = NAMES[column]
            assert drawn.values[row, column] == (names.index(value) if value in names else -1)
        assert drawn.visible[row, :2].tolist() == [design.collar != "na", 1.0]


def test_an_attribute_that_drawings_do_not_have_stays_unlabelled(drawn: DrawnGarments) -> None:
    assert (drawn.values[:, 2] == -1).all()
    assert drawn.visible[:, 2].isnan().all()


def test_garments_stand_on_pieces_of_the_photographs(drawn: DrawnGarments) -> None:
    red = np.zeros((5, 80, 80, 3), np.uint8)
    red[..., 0] = 255
    rows, pictures = drawn.sample(30, red, torch.Generator().manual_seed(0))
    assert pictures.shape == (30, 3, SIDE_PIXELS, SIDE_PIXELS)
    outside = torch.from_numpy(~drawn.garments[rows.numpy()])
    on_red = [
        bool(picture[0][ground].mean() > 0.95 and picture[1][ground].mean() < 0.05)
        for picture, ground in zip(pictures, outside, strict=True)
    ]
    assert 15 < sum(on_red) < 30  # some keep the plain ground they were drawn on


def test_equal_generators_give_equal_pictures(drawn: DrawnGarments) -> None:
    floor = np.full((2, 80, 80, 3), 99, np.uint8)
    first, again = (drawn.sample(4, floor, torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_table_that_drawings_know_nothing_of_is_refused() -> None:
    with pytest.raises(ValueError, match=f"drawn garments have {ATTRIBUTES[0]}.*lining"):
        DrawnGarments.make(("lining",), (("silk", "none"),), count=1)
