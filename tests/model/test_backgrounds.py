import numpy as np
from PIL import Image

from model.backgrounds import busy_background, pasted


def test_backgrounds_are_full_of_edges_and_each_seed_has_its_own() -> None:
    seen = set()
    for seed in range(12):
        picture = busy_background((90, 120), np.random.default_rng(seed))
        assert picture.size == (90, 120)
        pixels = np.asarray(picture, float)
        assert pixels.std(axis=(0, 1)).max() > 20
        # Edges in all parts, not one seam: every sixteenth holds several colours.
        for tile in pixels.reshape(4, 30, 3, 30, 3).swapaxes(1, 2).reshape(-1, 900, 3):
            assert tile.std(axis=0).max() > 10
        seen.add(picture.tobytes())
        again = busy_background((90, 120), np.random.default_rng(seed))
        assert again.tobytes() == picture.tobytes()
    assert len(seen) == 12


def test_pasting_keeps_the_garment_and_nothing_of_its_background() -> None:
    mask = np.zeros((100, 100), dtype=bool)
    mask[30:70, 30:70] = True
    image = Image.new("RGB", (100, 100), (10, 20, 30))
    result = np.asarray(pasted(image, mask, Image.new("RGB", (100, 100), (200, 210, 220))))
    assert (result[35:65, 35:65] == (10, 20, 30)).all()
    outside = np.ones_like(mask)
    outside[25:75, 25:75] = False
    assert (result[outside] == (200, 210, 220)).all()
