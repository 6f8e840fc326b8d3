"""Drawn garments for every training run of the tests, drawn once, and a trunk for quick ones."""

import functools
import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.drawings import write_catalog

GARMENTS = 120


@pytest.fixture(scope="session")
def first_garments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A table of labels of the first few of 120 drawn garments; all tables share the pictures."""
    every = write_catalog(tmp_path_factory.mktemp("garments"), GARMENTS, seed=5)

    def table(count: int) -> Path:
        path = every.with_name(f"first-{count}.csv")
        with every.open() as rows:
            path.write_text("".join(itertools.islice(rows, count + 1)))
        return path

    return table


@pytest.fixture(scope="session", autouse=True)
def _few_drawings_for_evidence() -> Iterator[None]:
    """An exported card's evidence rests on four drawings a split: painting them takes longest."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    from model.training.evidence_fit import fit_evidence

    with pytest.MonkeyPatch.context() as patch:
        few = functools.partial(fit_evidence, drawn=4)
        patch.setattr("model.training.export.fit_evidence", few)
        yield


@pytest.fixture(scope="module")
def shallow_trunks() -> Iterator[None]:
    """Our own trunks with one block: training and export take a fraction of the time.

    For tests of what stands on a trunk, or goes on around a network.
    """
    nn = pytest.importorskip("torch").nn
    from model.training import asen
    from model.training.backbones import COMPACT_WIDTHS, ResidualBlock, build_trunk
    from model.training.designs import asenpp, rival

    def shallow(name: str, *, pretrained: bool = False) -> tuple[object, int]:
        if name not in COMPACT_WIDTHS:
            return build_trunk(name, pretrained=pretrained)
        stem = nn.Sequential(nn.Conv2d(3, 16, 4, stride=4, bias=False), nn.BatchNorm2d(16))
        return nn.Sequential(stem, nn.ReLU(), ResidualBlock(16, 32, stride=4)), 32

    with pytest.MonkeyPatch.context() as patch:
        for module in (asen, rival, asenpp):
            patch.setattr(module, "build_trunk", shallow)
        yield
