import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from model.drawings import draw, random_design
from model.training.edits import KINDS, Editor, Source


def drawn(seed: int, size: int = 120) -> Image.Image:
    rng = np.random.default_rng(seed)
    return draw(random_design(rng), size=size, rng=rng)


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor([drawn(seed) for seed in range(100, 104)])


@pytest.fixture(scope="module")
def source() -> Source:
    garment = np.zeros((120, 120), bool)
    garment[30:90, 40:80] = True
    return Source(drawn(1), lambda: garment)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_every_edit_changes_the_picture_and_says_so(editor, source, kind, strength):
    before = source.picture.tobytes()
    edited = editor.copy(source, strength, np.random.default_rng(3), kinds=(kind,))
    assert edited.kinds == (kind,)
    assert 0 < edited.kept <= 1
    assert edited.picture.mode == "RGB"
    assert edited.picture.tobytes() != before
    assert source.picture.tobytes() == before


@pytest.mark.parametrize("kind", ["crop", "stickers", "text", "collage", "screenshot"])
def test_less_is_kept_the_stronger_the_edit_that_hides(editor, source, kind):
    def kept(strength: float) -> float:
        return float(
            np.mean(
                [
                    editor.copy(source, strength, np.random.default_rng(n), kinds=(kind,)).kept
                    for n in range(12)
                ]
            )
        )

    assert kept(1.0) < kept(0.1) < 1.0


def test_a_crop_keeps_what_it_says(editor, source):
    edited = editor.copy(source, 1.0, np.random.default_rng(0), kinds=("crop",))
    width, height = edited.picture.size
    assert edited.kept == pytest.approx(width * height / 120**2)


def test_equal_generators_make_equal_copies_and_others_make_others(editor, source):
    one, same, other = (
        editor.copy(source, 0.8, np.random.default_rng(seed)).picture for seed in (5, 5, 6)
    )
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_a_garment_that_was_not_cut_out_keeps_its_ground(editor):
    whole = Source(drawn(1))
    edited = editor.copy(whole, 1.0, np.random.default_rng(0), kinds=("background",))
    assert edited.kinds == ()
    assert edited.picture.tobytes() == whole.picture.tobytes()


def test_a_new_ground_leaves_the_garment(editor, source):
    edited = editor.copy(source, 1.0, np.random.default_rng(0), kinds=("background",))
    before, after = np.asarray(source.picture), np.asarray(edited.picture)
    np.testing.assert_array_equal(after[40:80, 50:70], before[40:80, 50:70])
    assert (after[:20] != before[:20]).any()


def test_an_unknown_edit_is_refused_by_name(editor, source):
    with pytest.raises(ValueError, match=r"unknown edits \['melt'\]; known: background, crop"):
        editor.copy(source, 1.0, np.random.default_rng(0), kinds=("melt",))
