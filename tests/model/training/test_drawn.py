import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.attention import RIGHT_PARTS  # noqa: E402
from model.drawings import ATTRIBUTES  # noqa: E402
from model.drawings.numbered import Drawn  # noqa: E402
from model.training.drawn import PART_CELLS, SIDE_PIXELS, DrawnGarments  # noqa: E402
from model.training.grounds import Grounds  # noqa: E402

pytestmark = pytest.mark.torch
ATTRIBUTE_NAMES = ("collar", "color", "hand", "skirt_length")
NAMES = (("none", "shirt", "hood"), ("red", "blue"), ("soft", "stiff"), ("mini", "knee"))
COUNT = 40


@pytest.fixture(scope="module")
def drawn() -> DrawnGarments:
    return DrawnGarments.make(ATTRIBUTE_NAMES, NAMES, count=COUNT, seed=3)


@pytest.fixture(scope="module")
def numbered() -> list[Drawn]:
    """The same garments, one at a time; measuring draws with small seeds, training never."""
    return [Drawn.numbered(number, 1_000_003, side=SIDE_PIXELS) for number in range(COUNT)]


def plain(color: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (5, 80, 80, 3))


def test_drawings_are_labelled_by_what_was_drawn(
    drawn: DrawnGarments, numbered: list[Drawn]
) -> None:
    for row, garment in enumerate(numbered):
        np.testing.assert_array_equal(drawn.pictures[row], np.asarray(garment.picture()))
        design = garment.design
        for column, value in enumerate((design.collar, design.color)):
            names = NAMES[column]
            assert drawn.values[row, column] == (names.index(value) if value in names else -1)
        assert drawn.visible[row, :2].tolist() == [design.collar != "na", 1.0]


def test_an_attribute_that_drawings_do_not_have_stays_unlabelled(drawn: DrawnGarments) -> None:
    assert (drawn.values[:, 2] == -1).all()
    assert drawn.visible[:, 2].isnan().all()
    assert not drawn.parts[:, 2].any()


def test_parts_are_the_share_of_each_cell_that_shows_the_attribute(
    drawn: DrawnGarments, numbered: list[Drawn]
) -> None:
    side = SIDE_PIXELS // PART_CELLS
    rows = torch.arange(0, COUNT, 5)
    parts = drawn.parts_of(rows)
    for row, of_garment in zip(rows.tolist(), parts, strict=True):
        whole = np.logical_or.reduce(list(numbered[row].masks().values()))
        collar = RIGHT_PARTS["collar"](numbered[row])
        assert (collar is None) == (numbered[row].design.collar == "na")
        # A colour has no part of its own: it is the garment's.
        for index, mask in enumerate((np.zeros_like(whole) if collar is None else collar, whole)):
            for y in range(PART_CELLS):
                for x in range(PART_CELLS):
                    cell = mask[y * side : (y + 1) * side, x * side : (x + 1) * side]
                    shown = float(of_garment[index, y, x])
                    assert shown == pytest.approx(cell.sum() / side**2, abs=0.51 / 255)


@pytest.mark.parametrize("attribute", ["collar", "skirt_length"])
def test_what_is_not_there_to_be_seen_has_no_part(drawn: DrawnGarments, attribute: str) -> None:
    column = ATTRIBUTE_NAMES.index(attribute)
    unseen = (drawn.visible[:, column] == 0).numpy()
    assert 0 < unseen.sum() < COUNT
    assert not drawn.parts[unseen, column].any()
    assert drawn.parts[~unseen, column].any(axis=(1, 2)).all()


def test_garments_stand_on_the_grounds_given(drawn: DrawnGarments) -> None:
    grounds = Grounds(photographs=plain((255, 0, 0)), busy=plain((255, 0, 255)))
    rows, pictures = drawn.sample(40, grounds, torch.Generator().manual_seed(0))
    assert pictures.shape == (40, 3, SIDE_PIXELS, SIDE_PIXELS)
    garments = torch.from_numpy(drawn.garments[rows.numpy()])
    own = torch.from_numpy(drawn.pictures[rows.numpy()]).permute(0, 3, 1, 2) / 255
    behind = {"red": 0, "purple": 0, "as drawn": 0}
    for picture, before, garment in zip(pictures, own, garments, strict=True):
        seen, drawn_on = picture[:, ~garment].mean(dim=1), before[:, ~garment].mean(dim=1)
        for name, color in (("red", (1, 0, 0)), ("purple", (1, 0, 1)), ("as drawn", drawn_on)):
            # Noise is cut off at 0 and 1, which moves the mean by less than its strength.
            behind[name] += bool((seen - torch.as_tensor(color)).abs().max() < 0.02)
        # Wrinkles make a garment darker here and lighter there, and leave it its colour.
        assert (picture[:, garment].mean(1) - before[:, garment].mean(1)).abs().max() < 0.15
    assert sum(behind.values()) == 40
    assert min(behind.values()) > 0  # some keep the plain ground they were drawn on


def test_equal_generators_give_equal_pictures(drawn: DrawnGarments) -> None:
    grounds = Grounds(photographs=plain((99, 99, 99)), busy=plain((9, 99, 9)))
    first, again, other = (
        drawn.sample(4, grounds, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_a_table_that_drawings_know_nothing_of_is_refused() -> None:
    with pytest.raises(ValueError, match=f"drawn garments have {ATTRIBUTES[0]}.*lining"):
        DrawnGarments.make(("lining",), (("silk", "none"),), count=1)
