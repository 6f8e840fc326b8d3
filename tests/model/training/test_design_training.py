"""A network is given its design space: trained, stopped, gone on with, exported."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from typer import Typer  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from model.copies import copy_evidence  # noqa: E402
from model.encoder import Encoder  # noqa: E402
from model.labels import LabelTable, read_labels  # noqa: E402
from model.pixels import decode_file  # noqa: E402
from model.similarity import read_values  # noqa: E402
from model.training import cli  # noqa: E402
from model.training.about import About  # noqa: E402
from model.training.cli import run_export, run_train_design  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.design_training import (  # noqa: E402
    DesignConfig,
    require_design_space,
    train_design,
    trunk_fingerprint,
    with_design_space,
)
from model.training.export import export  # noqa: E402
from model.training.runs import load_run  # noqa: E402
from model.training.train import train  # noqa: E402

pytestmark = pytest.mark.torch
CONFIG = TrainConfig(
    backbone="compact16",
    input_size=48,
    embedding_dimension=16,
    epochs=1,
    batch_size=16,
    min_value_count=1,
    device="cpu",
)
COPIES = DesignConfig(epochs=2, photographs=8, copies=1, queue=32, device="cpu")
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def labels(first_garments: Callable[[int], Path]) -> Path:
    return first_garments(40)


@pytest.fixture(scope="module")
def table(labels: Path) -> LabelTable:
    return read_labels(labels, attributes=("color", "sleeve_length"))


@pytest.fixture(scope="module")
def work(table: LabelTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    train(table, CONFIG, folder, console=QUIET)
    return folder


@pytest.fixture(scope="module")
def taught(work: Path, table: LabelTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and its design head."""
    folder = tmp_path_factory.mktemp("taught")
    for name in ("best.pt", "last.pt"):
        (folder / name).write_bytes((work / name).read_bytes())
    train_design(load_run(work), table, COPIES, folder, console=QUIET)
    return folder


@pytest.fixture(scope="module")
def files(
    work: Path, taught: Path, table: LabelTable, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The same run exported without and with its design space."""
    folder = tmp_path_factory.mktemp("models")
    without, with_it = folder / "without.onnx", folder / "with.onnx"
    export(load_run(work), table, About(), without)
    export(with_design_space(load_run(taught), taught), table, About(), with_it)
    return without, with_it


def weights(folder: Path) -> "torch.Tensor":
    state = torch.load(folder / "design.pt", weights_only=True)["head"]
    return torch.cat([tensor.flatten().float() for tensor in state.values()])


def test_the_attributes_spaces_stay_as_they_are_to_the_bit(
    files: tuple[Path, Path], table: LabelTable
) -> None:
    before, after = (Encoder.load(path, threads=1) for path in files)
    preprocessing = before.card.preprocessing
    pixels = np.stack([decode_file(file, preprocessing) for file in table.files[:5]])
    old, new = before.encode(pixels), after.encode(pixels)
    for name in ("vectors", "norms", "visible", "attention"):
        np.testing.assert_array_equal(getattr(new, name)[:, :2], getattr(old, name), name)
    np.testing.assert_array_equal(new.global_vector, old.global_vector)
    assert after.card.attributes == before.card.attributes
    assert [read_values(new[row], after.card) for row in range(5)] == [
        read_values(old[row], before.card) for row in range(5)
    ]


def test_the_space_is_the_files_last_row(files: tuple[Path, Path], table: LabelTable) -> None:
    encoder = Encoder.load(files[1], threads=1)
    card = encoder.card
    assert card.space_names == ("color", "sleeve_length", "design")
    assert card.design_space is not None
    assert card.design_space.fitted_on == "valid"
    pixels = np.stack([decode_file(f, card.preprocessing) for f in table.files[:2]])
    found = encoder.encode(pixels)
    assert found.vectors.shape == (2, 3, 16)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found.attention.sum(axis=(2, 3)), 1, atol=1e-5)
    assert (found.visible[:, -1] == 1).all()
    assert (found.norms > 0).all()
    itself = copy_evidence(found[0], found[0], card)
    assert itself is not None
    assert itself.similarity == pytest.approx(1)
    assert itself.a_is_copy_of_b == itself.b_is_copy_of_a


def test_a_file_without_the_space_says_so(files: tuple[Path, Path]) -> None:
    card = Encoder.load(files[0], threads=1).card
    assert card.design_space is None
    assert card.space_names == ("color", "sleeve_length")


class Interrupted(Exception):  # noqa: N818
    pass


def test_training_stopped_and_gone_on_with_ends_like_one_that_was_not(
    work: Path, taught: Path, table: LabelTable, tmp_path: Path
) -> None:
    def stop(epoch: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train_design(load_run(work), table, COPIES, tmp_path, console=QUIET, after_epoch=stop)
    assert not torch.equal(weights(tmp_path), weights(taught))
    epochs: list[int] = []
    train_design(load_run(work), table, COPIES, tmp_path, console=QUIET, after_epoch=epochs.append)
    assert epochs == [2]
    last = [
        torch.load(folder / "design-last.pt", weights_only=True) for folder in (tmp_path, taught)
    ]
    for name, tensor in last[0]["head"].items():
        torch.testing.assert_close(tensor, last[1]["head"][name], rtol=0, atol=0)
    assert torch.equal(weights(tmp_path), weights(taught))


def test_training_does_not_change_the_network(work: Path, taught: Path) -> None:
    assert trunk_fingerprint(load_run(work).network) == trunk_fingerprint(load_run(taught).network)


def test_another_configuration_is_not_gone_on_with(taught: Path, table: LabelTable) -> None:
    other = replace(COPIES, learning_rate=1e-4)
    with pytest.raises(ValueError, match="trained by another configuration"):
        train_design(load_run(taught), table, other, taught, console=QUIET)


def test_a_head_of_another_trunk_is_refused(taught: Path) -> None:
    run = load_run(taught)
    next(run.network.parameters())  # the run is whole
    with torch.no_grad():
        next(run.network.trunk.parameters()).mul_(1.01)
    with pytest.raises(ValueError, match="trained on other weights"):
        with_design_space(run, taught)


def test_it_is_said_beforehand_where_there_can_be_no_design_space() -> None:
    require_design_space(CONFIG)
    with pytest.raises(ValueError, match="needs design 'lapel', not 'global'"):
        require_design_space(replace(CONFIG, design="global"))
    with pytest.raises(ValueError, match="needs a trunk with grids of 4, 8, 16"):
        require_design_space(replace(CONFIG, backbone="mobilenet_v3_small"))


def test_one_flag_of_the_train_command_gives_a_new_model_the_space(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "DesignConfig", partial(DesignConfig, epochs=1))
    app = Typer()
    app.command()(cli.run_train)
    out = tmp_path / "mine.onnx"
    options = (
        f"--data {labels} --attributes color --out {out} --work {tmp_path / 'run'} --epochs 1 "
        "--backbone compact16 --input-size 48 --min-value-count 1 --design-space"
    )
    result = CliRunner().invoke(app, options.split())
    assert result.exit_code == 0, result.output
    assert Encoder.load(out, threads=1).card.space_names == ("color", "design")
    refused = CliRunner().invoke(app, [*options.split(), "--design", "global"])
    assert refused.exit_code == 1
    assert "needs design 'lapel'" in refused.output


def test_the_command_teaches_a_finished_run_and_export_keeps_what_it_learnt(
    work: Path, labels: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("best.pt", "last.pt"):
        (folder / name).write_bytes((work / name).read_bytes())
    app = Typer()
    app.command("train-design")(run_train_design)
    app.command("export")(run_export)
    taught, again = tmp_path / "taught.onnx", tmp_path / "again.onnx"
    options = f"train-design {folder} --data {labels} --out {taught} --epochs 1 --photographs 8"
    result = CliRunner().invoke(app, options.split())
    assert result.exit_code == 0, result.output
    assert "edited copies:" in result.output
    result = CliRunner().invoke(app, f"export {folder} --data {labels} --out {again}".split())
    assert result.exit_code == 0, result.output
    cards = [Encoder.load(path, threads=1).card for path in (taught, again)]
    assert cards[0].design_space is not None
    assert cards[0] == cards[1]
