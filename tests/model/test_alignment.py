"""Pictures laid one on the other, where it is known how: drawn garments on painted floors."""

import functools
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from api_schemas.card import Preprocessing
from model.alignment import Alignment, align, worth_of_points
from model.backgrounds import busy_background, pasted
from model.drawings.numbered import Drawn
from model.local_features import COARSE, POINTS, SIDE, LocalFeatures, features_of_file, squared
from model.pixels import UndecodableImage
from model.seams import SEAM

PICTURE = 400
"""Side of a drawn scene, pixels."""
PAD = Preprocessing(input_size=256, fit="pad", mean=(0, 0, 0), std=(1, 1, 1))
FITS = {"pad": PAD, "squash": PAD.model_copy(update={"fit": "squash"})}
SCENES = ((1, 101), (2, 102), (3, 103))
"""Numbers of a garment and of the floor that it lies on."""
EDITS = {
    # What each pixel of the copy shows of the scene, and the size of the copy.
    "a crop": ([[1, 0, 90], [0, 1, 60]], (240, 300)),
    "turned over": ([[-1, 0, PICTURE], [0, 1, 0]], (PICTURE, PICTURE)),
    "a crop turned over": ([[-1, 0, 330], [0, 1, 50]], (260, 320)),
    "turned by 17 degrees": ([[0.955, -0.296, 60], [0.296, 0.955, -50]], (PICTURE, PICTURE)),
    "within a larger page": ([[1.5, 0, -100], [0, 1.5, -60]], (400, 360)),
    "smaller": ([[1.6, 0, 0], [0, 1.6, 0]], (250, 250)),
}

Map = np.ndarray


@functools.cache
def scene(garment: int, floor: int) -> tuple[Image.Image, Image.Image]:
    """A garment on a floor, and where it lies, 255 in it."""
    drawn = Drawn.numbered(garment, side=PICTURE)
    mask = np.any(list(drawn.masks().values()), axis=0)
    ground = busy_background((PICTURE, PICTURE), np.random.default_rng(floor))
    return pasted(drawn.picture(), mask, ground), Image.fromarray(mask.astype(np.uint8) * 255)


def edited(image: Image.Image, map_: Map, size: tuple[int, int]) -> Image.Image:
    """The picture that shows at each of its pixels what the map says; beyond, white or 0 in L."""
    beyond = 0 if image.mode == "L" else "white"
    way, smooth = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return image.transform(size, way, tuple(map_.ravel()), smooth, fillcolor=beyond)


def in_file(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def looked_at(mask: Image.Image, fit: str) -> np.ndarray:
    """Attention (1, 10, 10) as of a network that looks at the garment, on its square input."""
    square = mask
    if fit == "pad":
        side = max(mask.size)
        square = Image.new("L", (side, side))
        square.paste(mask, ((side - mask.width) // 2, (side - mask.height) // 2))
    shares = np.asarray(square.resize((10, 10), Image.Resampling.BOX), np.float32) + 1
    return (shares / shares.sum())[None]


@functools.cache
def features(garment: int, floor: int, edit: str = "", fit: str = "pad") -> LocalFeatures:
    image, mask = scene(garment, floor)
    if edit:
        map_, size = EDITS[edit]
        image, mask = (edited(each, np.array(map_, float), size) for each in (image, mask))
    return features_of_file(in_file(image), looked_at(mask, fit), FITS[fit])


def plain_features(image: Image.Image, fit: str = "pad") -> LocalFeatures:
    """Of a picture at which the network looks evenly."""
    return features_of_file(in_file(image), np.full((3, 5, 5), 0.04, np.float32), FITS[fit])


def expected_corners(map_: Map, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Of the copy in the scene, and of the scene in the copy, as shares."""
    back = np.linalg.inv(np.vstack([map_, [0, 0, 1]]))[:2]
    found = []
    for turn, (width, height), other in (
        (map_, size, (PICTURE, PICTURE)),
        (back, (PICTURE, PICTURE), size),
    ):
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        found.append((corners @ turn[:, :2].T + turn[:, 2]) / other)
    return found[0], found[1]


def expected_shares(map_: Map, size: tuple[int, int]) -> tuple[float, float]:
    """Of the scene that the copy shows, and of the copy that the scene shows: pixel by pixel."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    across, down = (row[0] * x + row[1] * y + row[2] for row in map_)
    within = (across >= 0) & (across < PICTURE) & (down >= 0) & (down < PICTURE)
    each = abs(np.linalg.det(map_[:, :2]))  # pixels of the scene that one of the copy shows
    return float(within.sum() * each / PICTURE**2), float(within.mean())


def swapped(found: Alignment) -> Alignment:
    return found._replace(
        shown_of_a=found.shown_of_b,
        shown_of_b=found.shown_of_a,
        a_in_b=found.b_in_a,
        b_in_a=found.a_in_b,
        seam_of_a=found.seam_of_b,
        seam_of_b=found.seam_of_a,
    )


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("edit", EDITS)
def test_a_copy_is_laid_where_it_was_taken_from(edit, fit):
    map_, size = np.array(EDITS[edit][0], float), EDITS[edit][1]
    of_copy, of_scene = expected_corners(map_, size)
    shown, filled = expected_shares(map_, size)
    for numbers in SCENES:
        found = align(features(*numbers, fit=fit), features(*numbers, edit, fit))
        np.testing.assert_allclose(found.b_in_a, of_copy, atol=0.01)
        np.testing.assert_allclose(found.a_in_b, of_scene, atol=0.01)
        assert found.mirrored == ("over" in edit)
        assert found.shown_of_a == pytest.approx(shown, abs=0.03)
        assert found.shown_of_b == pytest.approx(filled, abs=0.03)
        assert found.points > 20
        assert found.agreement > 0.9


def test_what_was_pasted_ends_in_a_seam_and_a_crop_does_not():
    for numbers in SCENES:
        whole = features(*numbers)
        crop = align(whole, features(*numbers, "a crop"))
        page = align(whole, features(*numbers, "within a larger page"))
        assert crop.seam_of_b < SEAM < page.seam_of_a
        assert crop.seam_of_a == page.seam_of_b == 0  # their outlines lie beyond the other picture


def test_a_picture_lies_on_itself_as_it_is():
    for numbers in SCENES:
        one = features(*numbers)
        found = align(one, one)
        assert found.agreement > 0.97
        assert not found.mirrored
        assert (found.shown_of_a, found.shown_of_b) == pytest.approx((1, 1), abs=0.01)
        np.testing.assert_allclose(found.a_in_b, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=0.01)


def test_another_garment_on_the_same_floor_may_share_its_points_and_does_not_agree():
    most_points = 0
    for garment, floor in SCENES:
        copies = [
            align(features(garment, floor), features(garment, floor, edit)).agreement
            for edit in EDITS
        ]
        other = align(features(garment, floor), features(garment + 50, floor))
        assert other.agreement < 0.3 < min(copies)
        most_points = max(most_points, other.points)
    assert most_points > 20  # which points alone would take for a copy


def test_different_garments_on_different_floors_share_neither_points_nor_content():
    for (garment, floor), other in itertools.permutations([*SCENES, (4, 104)], 2):
        found = align(features(garment, floor), features(*other))
        assert worth_of_points(found.points) < worth_of_points(20)
        assert found.agreement < 0.4


def odd_pictures() -> dict[str, Image.Image]:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    striped = Image.new("RGB", (8, 4000), "white")
    for top in range(0, 4000, 200):
        striped.paste("black", (0, top, 8, top + 90))
    return {
        "white": Image.new("RGB", (200, 300), "white"),
        "one colour": Image.new("RGB", (300, 200), (90, 10, 200)),
        "black": Image.new("RGB", (64, 64), "black"),
        "tall and thin": striped,
        "broad and flat": striped.rotate(90, expand=True),
        "of few pixels": noise.resize((8, 8)),
        "noise": noise,
    }


@pytest.mark.parametrize("fit", FITS)
def test_pictures_with_little_in_them_do_not_fail_and_exchange_as_all_do(fit):
    odd = [plain_features(image, fit) for image in odd_pictures().values()]
    odd.append(features(*SCENES[0], fit=fit))
    for a, b in itertools.combinations_with_replacement(odd, 2):
        found = align(a, b)
        figures = np.array([*found.a_in_b, *found.b_in_a])
        assert np.isfinite(figures).all()
        assert np.isfinite(found.agreement)
        assert -1 <= found.agreement <= 1
        assert min(found.shown_of_a, found.shown_of_b) >= 0
        assert max(found.shown_of_a, found.shown_of_b) <= 1
        assert align(b, a) == (found if a is b else swapped(found))


@pytest.mark.parametrize("fit", FITS)
def test_a_plain_picture_says_nothing_for_a_copy(fit):
    odd = odd_pictures()
    for one, other in itertools.combinations(("white", "one colour", "black"), 2):
        found = align(plain_features(odd[one], fit), plain_features(odd[other], fit))
        assert found.points == 0
        assert found.agreement < 0.1


@pytest.mark.parametrize("fit", FITS)
def test_exchanging_the_pictures_exchanges_what_is_said_of_each_to_the_bit(fit):
    sides = [features(*numbers, fit=fit) for numbers in SCENES]
    sides += [features(*SCENES[0], edit, fit) for edit in EDITS]
    for a, b in itertools.combinations(sides, 2):
        assert align(b, a) == swapped(align(a, b))


def test_the_same_files_are_laid_alike_every_time():
    image, mask = scene(*SCENES[0])
    copy = image.rotate(9).crop((30, 30, 370, 330))
    runs = []
    for _ in range(2):
        sides = [
            features_of_file(in_file(each), looked_at(mask, "pad"), PAD) for each in (image, copy)
        ]
        runs.append((sides, align(*sides)))
    (first, found), (again, found_again) = runs
    assert found == found_again
    for one, other in zip(first, again, strict=True):
        for field, then, now in zip(LocalFeatures._fields, one, other, strict=True):
            np.testing.assert_array_equal(then, now, err_msg=field)


def test_agreement_is_weighed_by_where_the_network_looks():
    image, _ = scene(*SCENES[0])
    other, _ = scene(SCENES[0][0] + 50, SCENES[0][1])
    # The upper half is the same picture, the lower half another garment's.
    mixed = image.copy()
    mixed.paste(other.crop((0, 200, 400, 400)), (0, 200))
    agreements = []
    for rows in (slice(0, 4), slice(6, 10)):
        attention = np.full((1, 10, 10), 1e-4, np.float32)
        attention[:, rows] = 1.0
        sides = (
            features_of_file(in_file(each), attention / attention.sum(), PAD)
            for each in (image, mixed)
        )
        agreements.append(align(*sides).agreement)
    above, below = agreements
    assert above > 0.9
    assert below < above - 0.2


@pytest.mark.parametrize("fit", FITS)
def test_features_are_of_the_picture_and_not_of_what_it_was_padded_with(fit):
    _, size = EDITS["a crop"]
    found = features(*SCENES[0], "a crop", fit)
    x, y, width, height = found.box
    assert (width, height) == pytest.approx(
        (SIDE, SIDE) if fit == "squash" else (SIDE * size[0] / size[1], SIDE)
    )
    assert (2 * x + width, 2 * y + height) == pytest.approx((SIDE, SIDE))
    assert 20 < len(found.points) <= POINTS + 50  # SIFT gives a point a row for each direction
    assert (found.points >= (x, y)).all()
    assert (found.points <= (x + width, y + height)).all()
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-4)
    assert found.inside.mean() == pytest.approx(width * height / SIDE**2, abs=2 / COARSE)
    assert found.weights.sum() == pytest.approx(found.inside.sum(), rel=1e-4)
    assert not found.weights[found.inside == 0].any()


def test_points_are_looked_for_in_a_square_of_their_own_size():
    assert squared(PAD).input_size == SIDE
    assert squared(PAD).fit == "pad"


def test_places_up_to_those_that_any_map_fits_are_worth_nothing():
    assert [worth_of_points(n) for n in (0, 1, 4)] == [0, 0, 0]
    worths = [worth_of_points(n) for n in range(4, 60)]
    assert worths == sorted(set(worths))
    assert worth_of_points(4 + 9) == pytest.approx(np.log(10))


def test_what_is_no_image_is_said_to_be_none():
    with pytest.raises(UndecodableImage):
        features_of_file(b"no picture", np.ones((1, 2, 2), np.float32), PAD)
