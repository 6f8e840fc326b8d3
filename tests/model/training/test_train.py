"""A whole small run on drawn garments: train, stop, go on, export, serve."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

torch = pytest.importorskip("torch")

from scipy.optimize import minimize_scalar  # noqa: E402

from api_schemas.card import AttributeCard  # noqa: E402
from model.encoder import Encoder  # noqa: E402
from model.evaluate import EmbeddedTable, embed_table, evaluate  # noqa: E402
from model.labels import LabelTable, read_labels  # noqa: E402
from model.pixels import decode, normalise  # noqa: E402
from model.training.about import About  # noqa: E402
from model.training.asen import Asen, NetworkConfig  # noqa: E402
from model.training.averaging import WeightAverage  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.export import export  # noqa: E402
from model.training.model_file import (  # noqa: E402
    ExportError,
    check_parity,
    graph_of,
    write_model,
)
from model.training.palette import (  # noqa: E402
    SIZE,
    Palette,
    Reading,
    Readings,
    Watched,
    fit_readings,
)
from model.training.refinement import Colours, refine_spaces  # noqa: E402
from model.training.runs import Run, load_run  # noqa: E402
from model.training.serving import Refinement, Serving  # noqa: E402
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
def garments(first_garments: Callable[[int], Path]) -> Path:
    return first_garments(120)


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
    preprocessing = run.config.preprocessing()

    def raw_of(split: LabelTable) -> NDArray[np.float32]:
        packed = np.stack([decode(file.read_bytes(), preprocessing) for file in split.files])
        return embed_packed(run.network, packed, preprocessing)

    train, valid = table.split("train"), table.split("valid")
    centres = centres_of(raw_of(train), train)
    serving = Serving(run.network)
    serving.centres = torch.from_numpy(centres)
    rows = [embedded(split, raw_of(split)) for split in (train, valid)]
    palette = Palette(preprocessing)
    seen = Watched(palette, preprocessing, len(ATTRIBUTES))
    embed_table(encoder, train, watch=seen)
    readings = fit_readings(seen.said(), train, encoder.card)
    told = Watched(Readings(palette, readings), preprocessing, len(ATTRIBUTES))
    embed_table(encoder, valid, watch=told)
    colours = Colours(palette, readings, told.said())
    refinements = refine_spaces(serving, *rows, encoder.card, colours)

    def refined(raw: NDArray[np.float32]) -> NDArray[np.float32]:
        spaces = enumerate(refinements)
        around = unit(raw - centres)
        return np.stack([unit(around[:, index] @ r.whitening) for index, r in spaces], axis=1)

    validation = refined(raw_of(valid))
    rng = np.random.default_rng(2)
    for batch in (1, 3, 8):  # the batch is free
        pixels = rng.integers(0, 256, (batch, 48, 48, 3), dtype=np.uint8)
        spaces = refined(embed_packed(run.network, pixels, preprocessing))
        for index, attribute in enumerate(encoder.card.attributes):
            actual = valid.value_indices(attribute.name, attribute.values)
            scale = fitted_scale(validation[actual >= 0, index], attribute, actual[actual >= 0])
            pull, reading = refinements[index].pull, refinements[index].reading
            told_by = np.zeros((batch, len(attribute.values)), np.float32)
            if reading is not None:
                attention = encoder.encode(pixels).attention[:, index : index + 1]
                palettes = palette(
                    torch.from_numpy(normalise(pixels, preprocessing)), torch.from_numpy(attention)
                )
                logits = palettes[:, 0].numpy() @ reading.weights + reading.biases
                told_by = logits[:, : len(attribute.values)]
            expected = drawn_to_values(spaces[:, index], attribute, scale, pull, told_by)
            np.testing.assert_allclose(
                encoder.encode(pixels).vectors[:, index], expected, atol=1e-4
            )


def embedded(rows: LabelTable, vectors: NDArray[np.float32]) -> EmbeddedTable:
    nothing = np.zeros((len(rows), 1), np.float32)
    return EmbeddedTable(rows, vectors=vectors, visible=nothing, global_vectors=nothing)


def centres_of(vectors: NDArray[np.float32], train: LabelTable) -> NDArray[np.float32]:
    """(A, D): per attribute, the mean of the values' mean vectors."""
    means = [
        [
            vectors[[cell == value for cell in train.cells[name]], index].mean(axis=0)
            for value in train.values(name)
        ]
        for index, name in enumerate(train.attributes)
    ]
    return np.stack([np.mean(of_values, axis=0) for of_values in means])


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def probabilities(
    vector: NDArray[np.float32],
    attribute: AttributeCard,
    scale: float,
    told: Sequence[float] | None = None,
) -> list[float]:
    """Of each value: the softmax of the scaled cosines, and of what else is told of it."""
    cosines = [float(vector @ np.array(p)) for p in attribute.prototypes]
    told = told if told is not None else [0.0] * len(cosines)
    weights = [math.exp(scale * c + more) for c, more in zip(cosines, told, strict=True)]
    return [weight / sum(weights) for weight in weights]


def fitted_scale(
    vectors: NDArray[np.float32], attribute: AttributeCard, actual: NDArray[np.int64]
) -> float:
    """The scale of least log loss."""

    def log_loss(scale: float) -> float:
        return -sum(
            math.log(probabilities(vector, attribute, scale)[value])
            for vector, value in zip(vectors, actual, strict=True)
        )

    return float(minimize_scalar(log_loss, bounds=(0.5, 100), method="bounded").x)


def drawn_to_values(
    vectors: NDArray[np.float32],
    attribute: AttributeCard,
    scale: float,
    pull: float,
    told: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(N, D): each vector, a step towards every value by as much as that is probable."""
    drawn = []
    for vector, more in zip(vectors, told.tolist(), strict=True):
        probable = probabilities(vector, attribute, scale, more)
        step = sum(
            share * np.array(p) for share, p in zip(probable, attribute.prototypes, strict=True)
        )
        drawn.append(unit(vector + pull * step))
    return np.stack(drawn)


def test_a_file_that_asks_colours_says_what_the_network_says(
    exported: Path, work: Path, tmp_path: Path
) -> None:
    run, card = load_run(work), Encoder.load(exported).card
    random = np.random.default_rng(3)
    most = max(len(attribute.values) for attribute in card.attributes)
    reading = Reading(
        random.standard_normal((SIZE, most)).astype(np.float32), np.zeros(most, np.float32)
    )
    plain = Refinement(np.eye(CONFIG.embedding_dimension, dtype=np.float32))
    serving, deaf = Serving(run.network), Serving(run.network)
    serving.refine([replace(plain, reading=reading), plain], Palette(card.preprocessing))
    deaf.refine([plain, plain])
    for one in (serving, deaf):
        one.draw_towards(card.attributes)
    graph = graph_of(serving, card.preprocessing.input_size)
    encoder = write_model(graph, card, tmp_path / "asking.onnx")
    check_parity(serving, encoder)
    with pytest.raises(ExportError, match="differ"):
        check_parity(deaf, encoder)


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(exported: Path) -> None:
    content = exported.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(train.__code__.co_filename).parent).encode() not in content


def test_a_file_that_disagrees_with_the_network_is_refused(exported: Path, work: Path) -> None:
    with pytest.raises(ExportError, match="differ"):  # neither centred nor drawn to its values
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
        assert attribute.same_value.pairs > 0
        assert attribute.same_value.fitted_on == "valid"
    color, _ = encoder.card.attributes  # so short a run learns little of sleeves
    assert color.same_value.slope > 0
