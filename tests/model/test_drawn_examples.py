from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.drawings.examples import EXAMPLES, write_examples

COMMITTED = Path(__file__).parents[2] / "docs" / "examples"


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), np.float32)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    assert [file.stem for file in write_examples(folder)] == list(EXAMPLES)
    return folder


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_pictures_of_the_documents_are_what_is_drawn(name: str, drawn: Path) -> None:
    # JPEG encoders differ by little; another design, look or size by much.
    committed, again = pixels(COMMITTED / f"{name}.jpg"), pixels(drawn / f"{name}.jpg")
    assert committed.shape == again.shape
    assert np.abs(committed - again).mean() < 2
    others = [pixels(drawn / f"{other}.jpg") for other in EXAMPLES if other != name]
    assert all(np.abs(committed - other).mean() > 5 for other in others)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_pictures_stay_small(name: str) -> None:
    assert (COMMITTED / f"{name}.jpg").stat().st_size < 30_000
