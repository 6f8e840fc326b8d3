"""Each published design through the whole harness: train on drawn garments, export, measure."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

torch = pytest.importorskip("torch")

from model.encoder import Encoder  # noqa: E402
from model.evaluate import embed_table, evaluate  # noqa: E402
from model.labels import LabelTable, read_labels  # noqa: E402
from model.pixels import decode_file  # noqa: E402
from model.training.about import About  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.designs.asenpp import AsenPlusPlus  # noqa: E402
from model.training.designs.registry import DESIGNS  # noqa: E402
from model.training.export import export  # noqa: E402
from model.training.losses import LossWeights  # noqa: E402
from model.training.runs import Run, load_run  # noqa: E402
from model.training.train import train  # noqa: E402
from model.training.validation import embed_packed  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("shallow_trunks")]
RIVALS = [name for name in DESIGNS if name != "lapel"]
CONFIG = TrainConfig(
    backbone="compact24",  # of which asen++ has a smaller one by name
    input_size=32,
    resolution_schedule=((1.0, 1.0),),
    embedding_dimension=8,
    epochs=6,
    batch_size=16,
    warmup_epochs=0.5,
    validate_every=1,
    min_value_count=1,
    ema_decay=0.9,
    device="cpu",
)
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def table(first_garments: Callable[[int], Path]) -> LabelTable:
    return read_labels(first_garments(80), attributes=("color", "sleeve_length"))


@pytest.fixture(scope="module")
def works(
    table: LabelTable, shallow_trunks: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A trained run of each rival; they share their packed pictures."""
    folder = tmp_path_factory.mktemp("work")
    for name in RIVALS:
        config = replace(CONFIG, design=name)
        train(table, config, folder / name, console=QUIET, pack_folder=folder)
    assert len(list(folder.glob("**/pixels-*.npy"))) == 2  # one per size, for all designs
    return {name: folder / name for name in RIVALS}


@pytest.mark.parametrize("name", RIVALS)
def test_every_stage_lowers_the_loss(works: dict[str, Path], name: str) -> None:
    losses = [entry["loss"] for entry in load_run(works[name]).history]
    start = 0
    for end in DESIGNS[name].last_epochs(CONFIG.epochs):
        assert losses[end - 1] < losses[start]
        start = end


@pytest.mark.parametrize("name", RIVALS)
def test_a_run_is_exported_as_what_it_is(
    works: dict[str, Path], table: LabelTable, name: str, tmp_path: Path
) -> None:
    run, path = load_run(works[name]), tmp_path / "rival.onnx"
    export(run, table, About(), path)
    encoder = Encoder.load(path)
    assert encoder.card.design == name
    dimension = CONFIG.embedding_dimension * DESIGNS[name].branches
    assert encoder.card.embedding_dimension == dimension
    measured = {quality.split: quality for quality in encoder.card.quality}
    again = evaluate(embed_table(encoder, table.split("test")), encoder.card.attributes, "test")
    assert measured["test"] == again
    pixels = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    moved = embed_packed(run.network, pixels, CONFIG.preprocessing()) - centres(run, table)
    expected = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(pixels).vectors, expected, atol=1e-4)


def centres(run: Run, table: LabelTable) -> NDArray[np.float32]:
    """(A, D): per attribute, the mean of the values' mean training vectors."""
    training = table.split("train")
    pixels = np.stack([decode_file(file, CONFIG.preprocessing()) for file in training.files])
    vectors = embed_packed(run.network, pixels, CONFIG.preprocessing())
    means = [
        [
            vectors[[cell == value for cell in training.cells[name]], index].mean(axis=0)
            for value in training.values(name)
        ]
        for index, name in enumerate(training.attributes)
    ]
    return np.stack([np.mean(of_values, axis=0) for of_values in means])


class Interrupted(Exception):  # noqa: N818
    pass


def test_a_staged_run_goes_on_where_it_was_stopped(
    works: dict[str, Path], table: LabelTable, tmp_path: Path
) -> None:
    def stop_after(epoch: int, last: int) -> None:
        if epoch == last:
            raise Interrupted

    config = replace(CONFIG, design="asen++")
    for last in (4, 5):  # at the change of stage, and within the second
        stop = functools.partial(stop_after, last=last)
        with pytest.raises(Interrupted):
            train(table, config, tmp_path, console=QUIET, after_epoch=stop)
    resumed, whole = train(table, config, tmp_path, console=QUIET), load_run(works["asen++"])
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole.history]
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], tensor, rtol=0, atol=0)


def test_the_epoch_kept_is_one_of_the_last_stage(works: dict[str, Path]) -> None:
    run = load_run(works["asen++"])
    assert isinstance(run.network, AsenPlusPlus)
    assert int(run.network.stage) == 1
    assert run.validation_map == max(entry["map"] for entry in run.history[4:])


def test_a_checkpoint_from_before_designs_is_one_of_ours(
    works: dict[str, Path], table: LabelTable, tmp_path: Path
) -> None:
    train(table, replace(CONFIG, epochs=1), tmp_path, console=QUIET)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert '"design": "lapel",' in state["config"]
    state["config"] = state["config"].replace('"design": "lapel",', "")
    torch.save(state, tmp_path / "last.pt")
    assert load_run(tmp_path).config.design == "lapel"
    train(table, replace(CONFIG, epochs=1), tmp_path, console=QUIET)  # and goes on as such


def test_prototypes_are_refused_where_there_is_no_value_head(
    table: LabelTable, tmp_path: Path
) -> None:
    config = replace(CONFIG, design="csn", losses=LossWeights())
    with pytest.raises(ValueError, match="'csn' has no value head"):
        train(table, config, tmp_path, console=QUIET)
    with pytest.raises(ValueError, match="unknown design 'vae'"):
        train(table, replace(CONFIG, design="vae"), tmp_path, console=QUIET)


def test_a_run_of_another_design_gives_no_first_weights(
    works: dict[str, Path], table: LabelTable, tmp_path: Path
) -> None:
    config = replace(CONFIG, design="csn", start_from=str(works["global"]))
    with pytest.raises(ValueError, match="trained design 'global', not 'csn'"):
        train(table, config, tmp_path, console=QUIET)
