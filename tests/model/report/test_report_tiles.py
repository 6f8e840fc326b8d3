import base64
import io

import numpy as np
import pytest
from PIL import Image

from model.report import tiles
from model.report.tiles import THUMBNAIL_PIXELS, TILE_PIXELS, Tiles


@pytest.fixture
def files(photo, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(photo(number))
    return sorted(tmp_path.glob("*.png"))


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_tile_shows_its_row(files):
    shown = np.asarray(opened(Tiles(files, "pad").tile(2)).convert("RGB"), np.float32)
    original = Image.open(files[2]).convert("RGB").resize((TILE_PIXELS, TILE_PIXELS))
    assert np.abs(shown - np.asarray(original, np.float32)).mean() < 8


def test_thumbnails_are_smaller_pictures_of_the_rows_asked_for(files):
    found = Tiles(files, "pad").thumbnails([3, 1])
    assert sorted(found) == [1, 3]
    assert {opened(uri).size for uri in found.values()} == {(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)}


def test_every_use_of_a_picture_counts(files):
    kept = Tiles(files, "pad")
    uris = [kept.tile(0), kept.tile(0), kept.attended(1, np.full((2, 2), 0.25, np.float32))]
    uris += kept.thumbnails([2]).values()
    assert kept.spent_bytes == sum(map(len, uris))


def test_thumbnails_stop_at_the_limit(files, monkeypatch):
    kept = Tiles(files, "pad")
    one = len(kept.thumbnails([0])[0])
    monkeypatch.setattr(tiles, "MOST_BYTES", one + 10)
    assert kept.thumbnails([0, 1, 2]) == {}
    assert Tiles(files, "pad").thumbnails([0, 1, 2]).keys() == {0}
