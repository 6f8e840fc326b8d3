"""Weights averaged over runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402

from model.labels import LabelTable, read_labels  # noqa: E402
from model.training.config import TrainConfig, tuning  # noqa: E402
from model.training.runs import load_run  # noqa: E402
from model.training.soup import average_runs  # noqa: E402
from model.training.train import train  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("shallow_trunks")]

CONFIG = TrainConfig(
    backbone="compact16",
    embedding_dimension=8,
    input_size=32,
    epochs=1,
    batch_size=20,
    min_value_count=1,
    device="cpu",
)
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def table(first_garments: Callable[[int], Path]) -> LabelTable:
    return read_labels(first_garments(60), attributes=("color", "pattern"))


@pytest.fixture(scope="module")
def folders(table: LabelTable, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    first = tmp_path_factory.mktemp("soup") / "first"
    train(table, CONFIG, first, console=QUIET)
    again = tuning(CONFIG, first, 2)
    train(table, again, first / "tuned", console=QUIET, pack_folder=first)
    return [first, first / "tuned"]


def test_every_weight_is_the_mean_of_what_the_runs_ended_with(
    folders: list[Path], table: LabelTable, tmp_path: Path
) -> None:
    run = average_runs(folders, table, tmp_path / "mean")
    first, second = (torch.load(f / "last.pt", weights_only=True)["average"] for f in folders)
    mean = run.network.state_dict()
    for name in mean:
        if mean[name].is_floating_point():
            slow = (first[name].double() + second[name].double()) / 2
            torch.testing.assert_close(mean[name].double(), slow, atol=1e-6, rtol=1e-5)
    assert not torch.equal(first["projection.weight"], second["projection.weight"])
    assert 0 < run.validation_map <= 1
    again = load_run(tmp_path / "mean")
    assert (again.attributes, again.validation_map) == (run.attributes, run.validation_map)


def test_runs_that_do_not_belong_together_are_refused(
    folders: list[Path], table: LabelTable, tmp_path: Path
) -> None:
    wider = tmp_path / "wider"
    train(table, replace(CONFIG, embedding_dimension=12), wider, console=QUIET)
    with pytest.raises(ValueError, match="different shapes"):
        average_runs([folders[0], wider], table, tmp_path / "mean")
    with pytest.raises(ValueError, match="takes two runs or more, got 1"):
        average_runs(folders[:1], table, tmp_path / "mean")
    other = replace(table, cells={"color": table.cells["color"]})
    color = tmp_path / "color"
    train(other, CONFIG, color, console=QUIET)
    with pytest.raises(ValueError, match=r"first learnt other attributes or values than .*color"):
        average_runs([folders[0], color], table, tmp_path / "mean")
