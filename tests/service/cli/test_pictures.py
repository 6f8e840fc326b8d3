import numpy as np
from PIL import Image

from model.encoder import SHIPPED_MODEL
from service.cli.sheet import BORDER, RIGHT, TILE, WRONG, Row, Tile, sheet


def test_right_and_wrong_hits_differ_in_border_and_sign():
    plain = Image.new("RGB", (TILE, TILE), "white")
    tiles = [Tile(plain, ("x",), right=right) for right in (True, False)]
    drawn = sheet("title", [Row(Tile(plain, ()), Tile(plain, ()), tiles)])
    pixels = np.asarray(drawn)
    size = TILE * BORDER * 2
    for color in (RIGHT, WRONG):
        assert (pixels == color).all(axis=2).sum() > size
    left, right = (
        np.asarray(sheet("t", [Row(tiles[0], tiles[0], [tile])]).convert("L")) < 180
        for tile in tiles
    )
    assert (left != right).any()


def test_a_sheet_is_written_for_each_attribute(run, table, encoder, tmp_path):
    names = [name for name in ("collar", "color") if name in encoder.card.attribute_names]
    options = [part for name in names for part in ("--attribute", name)]
    done = run(
        *("pictures", SHIPPED_MODEL, "--data", table, "--split", "train", *options),
        *("--typical", 1, "--worst", 1, "--out", tmp_path / "p"),
    )
    assert done.code == 0, done.err
    assert done.out.split() == [str(tmp_path / "p" / f"{name}.png") for name in names]
    for file in done.out.split():
        with Image.open(file) as drawn:
            assert drawn.height > 2 * TILE


def test_asking_for_no_query_is_told(run, table):
    done = run("pictures", SHIPPED_MODEL, "--data", table, "--typical", 0, "--worst", 0)
    assert done.code == 1
    assert "no query to draw" in done.err
