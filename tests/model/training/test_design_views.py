import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from api_schemas.card import Preprocessing
from model.drawings import draw, random_design
from model.robustness import as_served
from model.training.design_views import Ask, ViewMaker

INPUT = Preprocessing(input_size=32, fit="pad", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
PACK = INPUT.model_copy(update={"input_size": 64})
SHAPES = [(64, 40), (30, 64), (64, 64)]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Drawn garments on grey, so that white is the bars' alone."""
    made = []
    for seed, size in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        drawn = draw(random_design(rng), size=64, rng=rng).resize(size)
        made.append(Image.blend(drawn, Image.new("RGB", size, "grey"), 0.3))
    return made


@pytest.fixture(scope="module")
def maker(pictures) -> ViewMaker:
    packed = np.stack([as_served(picture, PACK) for picture in pictures])
    return ViewMaker(packed, None, packed, INPUT)


def test_a_packed_photograph_gets_its_own_shape_back(maker, pictures):
    for row, picture in enumerate(pictures):
        assert maker.source(row).picture.size == picture.size
        assert maker.source(row).picture.tobytes() == picture.tobytes()


def test_a_white_picture_is_not_cut_away(maker):
    white = np.full((1, 64, 64, 3), 255, np.uint8)
    whole = ViewMaker(white, None, white, INPUT).source(0).picture
    assert min(whole.size) >= 16


def test_a_view_without_edits_is_what_serving_would_decode(maker, pictures):
    views = maker.make([Ask(row, 0.0, (), ()) for row in (2, 0)])
    assert views.photographs.tolist() == [2, 0]
    assert views.kept.tolist() == [1.0, 1.0]
    for view, row in zip(views.pixels, (2, 0), strict=True):
        np.testing.assert_array_equal(view, as_served(pictures[row], INPUT))


def test_the_same_views_come_from_one_thread_and_from_three(maker):
    asked = [Ask(n % 3, 1.0, None, (7, n)) for n in range(12)]
    one = maker.make(asked)
    three = ViewMaker(maker.packed, None, maker.others, INPUT, threads=3).make(asked)
    np.testing.assert_array_equal(one.pixels, three.pixels)
    np.testing.assert_array_equal(one.kept, three.kept)
    assert (one.kept < 1).any()


def test_a_garments_place_moves_with_the_picture_it_was_cut_out_of(maker):
    garments = np.zeros((3, 64, 64), bool)
    garments[0, 20:30, 30:40] = True
    cut = ViewMaker(maker.packed, garments, maker.others, INPUT)
    garment = cut.source(0).garment()
    left = (64 - SHAPES[0][0]) // 2
    top = (64 - SHAPES[0][1]) // 2
    assert garment.shape == SHAPES[0][::-1]
    rows, columns = np.nonzero(garment)
    assert (rows.min() + top, columns.min() + left) == (20, 30)
    assert garment.sum() == 100
    assert cut.source(1).garment() is None
