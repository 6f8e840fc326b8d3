import numpy as np
import pytest
from PIL import Image

from model.encoder import SHIPPED_MODEL
from service.cli.pictures import HITS, choose, nearest
from service.cli.sheet import BORDER, RIGHT, TILE, WRONG, Row, Tile, sheet


def test_the_worst_are_the_lowest_and_the_typical_the_nearest_to_the_median():
    precisions = np.array([0.9, 0.1, 0.5, np.nan, 0.55, 0.2])
    values = np.zeros(6, np.int64)
    assert choose(precisions, values, typical=2, worst=2) == [
        ("typical", 2),
        ("typical", 4),
        ("worst", 1),
        ("worst", 5),
    ]


def test_a_value_comes_again_only_after_every_other():
    precisions = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    values = np.array([0, 0, 1, 0, 2])
    assert [row for _, row in choose(precisions, values, typical=0, worst=4)] == [0, 2, 4, 1]


@pytest.mark.parametrize("count", [0, 3, 50])
def test_no_query_is_drawn_twice_and_none_without_a_precision(count):
    rng = np.random.default_rng(count)
    precisions = np.where(rng.random(30) < 0.2, np.nan, rng.random(30))
    rows = [row for _, row in choose(precisions, rng.integers(0, 4, 30), count, count)]
    assert len(rows) == len(set(rows)) == min(2 * count, int(np.isfinite(precisions).sum()))
    assert np.isfinite(precisions[rows]).all()


def test_hits_are_the_nearest_by_others_as_a_slow_loop_ranks_them():
    rng = np.random.default_rng(1)
    values, groups = rng.integers(-1, 3, 40), rng.integers(0, 5, 40)
    similarities = rng.random(40, dtype=np.float32)
    query = int(np.flatnonzero(values >= 0)[0])
    allowed = [i for i in range(40) if values[i] >= 0 and groups[i] != groups[query]]
    expected = sorted(allowed, key=lambda i: -similarities[i])[:HITS]
    assert nearest(query, similarities, values, groups) == expected


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
