from dataclasses import asdict

import numpy as np

from model.drawings import ATTRIBUTES, variant
from model.drawings.numbered import SIDE_PIXELS, Drawn, drawn_table


def test_a_number_always_draws_the_same_garment_and_others_do_not() -> None:
    assert Drawn.numbered(4).picture().tobytes() == Drawn.numbered(4).picture().tobytes()
    assert Drawn.numbered(4).picture().tobytes() != Drawn.numbered(5).picture().tobytes()
    assert Drawn.numbered(4, seed=1).picture().tobytes() != Drawn.numbered(4).picture().tobytes()


def test_masks_lie_where_the_picture_has_the_garment() -> None:
    drawn = Drawn.numbered(0)  # a plain one
    pixels = np.asarray(drawn.picture(), float)
    assert pixels.shape == (SIDE_PIXELS, SIDE_PIXELS, 3)
    masks = drawn.masks()
    garment = np.logical_or.reduce(list(masks.values()))
    distance = np.abs(pixels - pixels[0, 0]).max(axis=2)
    assert (distance > 40)[garment].mean() > 0.95
    assert (distance > 40)[~garment].mean() < 0.05
    again = drawn.masks(variant(drawn.design, "pattern", "stripe"))
    assert all((again[part] == mask).all() for part, mask in masks.items())


def test_a_side_asked_for_is_that_of_the_picture_and_of_the_masks() -> None:
    large, small = Drawn.numbered(0), Drawn.numbered(0, side=80)
    assert small.design == large.design
    assert small.picture().size == (80, 80)
    assert small.masks().keys() == large.masks().keys()
    pixels = np.asarray(small.picture().resize((320, 320)), float)
    assert np.abs(pixels - np.asarray(large.picture(), float)).mean() < 6  # of 255
    for part, mask in small.masks().items():
        assert mask.shape == (80, 80)
        enlarged = mask.repeat(4, axis=0).repeat(4, axis=1)
        apart = (enlarged != large.masks()[part]).mean()
        assert apart < 0.02


def test_the_table_tells_the_designs() -> None:
    table = drawn_table(5, seed=2)
    for row in range(5):
        design = asdict(Drawn.numbered(row, seed=2).design)
        assert {name: table.cells[name][row] for name in ATTRIBUTES} == design
        assert table.files[row].name == str(row)
    assert len(set(table.groups.tolist())) == 5
