"""A whole small run on drawn garments: train, stop, go on, export, serve."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from typer import Typer  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from model.drawings import write_catalog  # noqa: E402
from model.encoder import Encoder  # noqa: E402
from model.evaluate import embed_table, evaluate  # noqa: E402
from model.labels import LabelTable, read_labels  # noqa: E402
from model.pixels import decode  # noqa: E402
from model.training.asen import Asen, NetworkConfig  # noqa: E402
from model.training.averaging import WeightAverage  # noqa: E402
from model.training.cli import run_train  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.designs.registry import DESIGNS  # noqa: E402
from model.training.export import About, ExportError, Serving, check_parity, export  # noqa: E402
from model.training.runs import Run, load_run  # noqa: E402
from model.training.train import train  # noqa: E402
from model.training.validation import embed_packed  # noqa: E402

pytestmark = pytest.mark.torch
ATTRIBUTES = ("color", "sleeve_length")
CONFIG = TrainConfig(
    backbone="compact16",
    input_size=48,
    embedding_dimension=16,
    epochs=4,
    batch_size=16,
    validate_every=1,
    min_value_count=1,
    ema_decay=0.9,
    device="cpu",
)


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("garments")
    write_catalog(folder, 120, seed=5)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def table(garments: Path) -> LabelTable:
    return read_labels(garments, attributes=ATTRIBUTES)


@pytest.fixture(scope="module")
def work(table: LabelTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    train(table, CONFIG, folder, console=quiet())
    return folder


@pytest.fixture(scope="module")
def exported(work: Path, table: LabelTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "drawn.onnx"
    export(load_run(work), table, About(name="drawn"), path)
    return path


def quiet() -> Console:
    return Console(quiet=True)


class Interrupted(Exception):  # noqa: N818
    pass


def weights(run: Run) -> "torch.Tensor":
    return torch.cat([p.flatten() for p in run.network.parameters()])


def test_a_run_stopped_after_any_epoch_ends_like_one_that_was_not(
    table: LabelTable, work: Path, tmp_path: Path
) -> None:
    def stop_after(epoch: int) -> None:
        if epoch == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(table, CONFIG, tmp_path, console=quiet(), after_epoch=stop_after)
    resumed = train(table, CONFIG, tmp_path, console=quiet())
    whole = load_run(work)
    assert [entry["loss"] for entry in resumed.history] == [
        entry["loss"] for entry in whole.history
    ]
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)


def test_training_lowers_the_loss(work: Path) -> None:
    history = load_run(work).history
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_the_best_validated_epoch_is_what_is_kept(work: Path, table: LabelTable) -> None:
    run = load_run(work)
    assert run.validation_map == max(entry["map"] for entry in run.history)


def test_a_folder_of_another_configuration_is_refused(table: LabelTable, work: Path) -> None:
    with pytest.raises(ValueError, match="another configuration"):
        train(table, replace(CONFIG, seed=1), work, console=quiet())


def test_the_average_follows_the_slow_formula() -> None:
    network = Asen(NetworkConfig(value_counts=(2,), backbone="compact16"))
    average = WeightAverage(network, decay=0.5)
    expected = network.visibility.bias.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            network.visibility.bias += step
        average.update(network)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.visibility.bias.detach()
    torch.testing.assert_close(average.network.visibility.bias, expected)


def test_the_exported_file_says_what_the_network_says(
    exported: Path, work: Path, table: LabelTable
) -> None:
    run, encoder = load_run(work), Encoder.load(exported)
    train = table.split("train")
    packed = np.stack(
        [decode(file.read_bytes(), run.config.preprocessing()) for file in train.files]
    )
    vectors = embed_packed(run.network, packed, run.config.preprocessing())
    centres = np.stack(  # per attribute, the mean of the values' means
        [
            np.mean(
                [
                    vectors[[cell == value for cell in train.cells[name]], index].mean(axis=0)
                    for value in train.values(name)
                ],
                axis=0,
            )
            for index, name in enumerate(train.attributes)
        ]
    )
    rng = np.random.default_rng(2)
    for batch in (1, 3, 8):  # the batch is free
        pixels = rng.integers(0, 256, (batch, 48, 48, 3), dtype=np.uint8)
        raw = embed_packed(run.network, pixels, run.config.preprocessing())
        moved = raw - centres
        expected = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
        np.testing.assert_allclose(encoder.encode(pixels).vectors, expected, atol=1e-4)


def test_a_file_that_disagrees_with_the_network_is_refused(exported: Path, work: Path) -> None:
    with pytest.raises(ExportError, match="differ"):  # its spaces are not centred
        check_parity(Serving(load_run(work).network), Encoder.load(exported))


def test_prototypes_lie_where_training_garments_of_their_value_do(
    exported: Path, table: LabelTable
) -> None:
    encoder = Encoder.load(exported)
    train = embed_table(encoder, table.split("train"))
    for index, attribute in enumerate(encoder.card.attributes):
        actual = train.table.value_indices(attribute.name, attribute.values)
        cosines = train.vectors[:, index] @ np.array(attribute.prototypes, np.float32).T
        for value in range(len(attribute.values)):
            assert cosines[actual == value, value].mean() > cosines[actual != value, value].mean()


def test_the_card_carries_what_was_measured(exported: Path, table: LabelTable) -> None:
    encoder = Encoder.load(exported)
    measured = {quality.split: quality for quality in encoder.card.quality}
    assert set(measured) == {"valid", "test"}
    again = evaluate(embed_table(encoder, table.split("test")), encoder.card.attributes, "test")
    assert again == measured["test"]
    for attribute in encoder.card.attributes:
        assert attribute.same_value.slope > 0
        assert attribute.same_value.fitted_on == "valid"


def test_the_command_trains_exports_and_says_what_to_do_next(
    garments: Path, tmp_path: Path
) -> None:
    app = Typer()
    app.command()(run_train)
    about = tmp_path / "about.json"
    about.write_text(json.dumps({"name": "mine", "licence": "CC-BY-4.0"}))
    out = tmp_path / "mine.onnx"
    options = (
        f"--data {garments} --attributes color --out {out} --work {tmp_path / 'run'} "
        f"--about {about} --backbone compact16 --input-size 48 --epochs 1 --min-value-count 1"
    )
    result = CliRunner().invoke(app, options.split())
    assert result.exit_code == 0, result.output
    assert "lapel serve --model" in result.output
    card = Encoder.load(out).card
    assert (card.name, card.licence, card.attribute_names) == ("mine", "CC-BY-4.0", ("color",))


def test_help_says_what_each_design_is() -> None:
    app = Typer(rich_markup_mode=None)
    app.command()(run_train)
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    said = " ".join(result.output.split())
    for name, design in DESIGNS.items():
        assert f"{name}: {design.summary}." in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--attributes hem", "no column ['hem']"),
        ("--backbone vgg", "unknown backbone"),
        ("--design vae", "unknown design 'vae'; known: lapel, global, csn"),
        ("--design csn --loss prototypes", "'csn' has no value head"),
        ("--about missing.json", "cannot use missing.json"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    garments: Path, tmp_path: Path, options: str, message: str
) -> None:
    app = Typer()
    app.command()(run_train)
    fixed = f"--data {garments} --out {tmp_path / 'x.onnx'} --work {tmp_path / 'run'} "
    result = CliRunner().invoke(app, (fixed + options).split())
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
