"""Every design trained on the same photographs in the same way, and one table of what came of it.

``python -m model.training.rivals --data labels.csv --out runs/rivals`` trains and exports what is
not there yet and goes on where it was stopped. Quality is what each exported file's card says;
cost is measured here. The designs differ in network and loss alone: splits, trunk, input size,
epochs, batches, augmentation and learning rates are the same.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from rich.console import Console
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from api_schemas.card import ModelCard, Quality
from model.encoder import Encoder
from model.labels import LabelTable, LabelTableError, read_labels
from model.pixels import UndecodableImage
from model.training.backbones import BACKBONES
from model.training.designs.registry import DESIGNS, design_named
from model.training.export import About, ExportError, export
from model.training.train import TrainConfig, as_json, load_run, train

TIMING_ROUNDS: Final = 31


@dataclass(frozen=True)
class Cost:
    """What it takes to embed one image for all attributes.

    Attributes:
        parameters: numbers in the exported file.
        gflops: 10^9 floating-point operations, a multiplication and an addition counted as two.
        milliseconds: median, exported file, one CPU thread, decoded image in.
    """

    parameters: int
    gflops: float
    milliseconds: float


@dataclass(frozen=True)
class Outcome:
    """One design's runs, one quality per seed, and its cost."""

    design: str
    qualities: tuple[Quality, ...]
    cost: Cost


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, export, measure, print the table and write it to OUT/table.md and OUT/table.json."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    names = [name.strip() for name in options.attributes.split(",") if name.strip()]
    try:
        for design in options.designs:
            design_named(design)
        table = read_labels(
            options.data, attributes=names or None, group_column=options.group_column
        )
        table.split(options.split)
        outcomes = compare(
            table,
            lambda design, seed: _config(options, design, seed),
            options.designs,
            options.seeds,
            options.out,
            split=options.split,
            console=console,
        )
    except (LabelTableError, UndecodableImage, ExportError, ValueError, FileNotFoundError) as exc:
        parser.exit(1, f"rivals: {exc}\n")
    text = markdown(outcomes)
    (options.out / "table.md").write_text(text)
    (options.out / "table.json").write_text(_as_records(outcomes))
    print(text)


def compare(
    table: LabelTable,
    config: Callable[[str, int], TrainConfig],
    designs: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    split: str,
    console: Console,
) -> list[Outcome]:
    """Train what is not trained yet, and measure.

    Args:
        table: labels, with ``split`` in them.
        config: from design and seed to the recipe.
        designs: names.
        seeds: one run each.
        out: runs go to ``DESIGN/seed-N`` in it, model files beside them.
        split: ``valid`` or ``test``, the split whose quality is taken from the cards.
        console: where progress is shown.

    Raises:
        ValueError: a design is unknown, or ``out`` holds runs of another configuration.
    """
    cards: dict[str, list[ModelCard]] = {design: [] for design in designs}
    for seed in seeds:  # all designs of a seed first, so that a run cut short compares them all
        for design in designs:
            cards[design].append(_card(table, config(design, seed), out, console))
    costs = _costs({design: _folder(out, design, seeds[0]) for design in designs})
    return [
        Outcome(design, tuple(_quality(card, split) for card in cards[design]), costs[design])
        for design in designs
    ]


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table: attributes and costs down, designs across.

    Quality is the mean over seeds ± the standard deviation over them (of the sample, n - 1).
    """
    first = outcomes[0].qualities[0]
    rows = [("cross-photographer MAP", [outcome.design for outcome in outcomes], "random")]
    for name, quality in first.attributes.items():
        rows.append(
            (
                name,
                [_over_seeds(outcome, _map_of(name)) for outcome in outcomes],
                f"{quality.retrieval_random_order.map_other_photographers:.3f}",
            )
        )
    summaries: Mapping[str, Callable[[Quality], float]] = {
        "mean": lambda q: q.mean_map_other_photographers,
        "weighted by queries": lambda q: q.weighted_map_other_photographers,
        "Recall@1, mean": lambda q: float(
            np.mean([a.retrieval.recall_at_1 for a in q.attributes.values()])
        ),
    }
    rows += [
        (name, [_over_seeds(outcome, read) for outcome in outcomes], "")
        for name, read in summaries.items()
    ]
    costs = [outcome.cost for outcome in outcomes]
    rows += [
        ("parameters, millions", [f"{cost.parameters / 1e6:.2f}" for cost in costs], ""),
        ("GFLOPs per image", [f"{cost.gflops:.3f}" for cost in costs], ""),
        ("CPU ms per image, one thread", [f"{cost.milliseconds:.2f}" for cost in costs], ""),
    ]
    lines = [f"| {name} | {' | '.join(cells)} | {last} |" for name, cells, last in rows]
    lines.insert(1, f"| --- |{' ---: |' * (len(outcomes) + 1)}")
    seeds = len(outcomes[0].qualities)
    note = f"{first.split} split, {first.images} images; mean ± standard deviation of {seeds} seeds"
    return "\n".join([*lines, "", f"{note}.", ""])


def _card(table: LabelTable, config: TrainConfig, out: Path, console: Console) -> ModelCard:
    folder = _folder(out, config.design, config.seed)
    file = _file(folder)
    if file.exists() and _trained_with(folder) == as_json(config):
        return Encoder.load(file).card
    console.print(f"{config.design}, seed {config.seed}", style="bold")
    run = train(table, config, folder, console=console, pack_folder=out / "packed")
    return export(run, table, About(name=f"{config.design}-{config.seed}"), file)


def _trained_with(folder: Path) -> str:
    path = folder / "config.json"
    return path.read_text() if path.exists() else ""


def _folder(out: Path, design: str, seed: int) -> Path:
    return out / design / f"seed-{seed}"


def _file(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.onnx"


def _quality(card: ModelCard, split: str) -> Quality:
    return next(quality for quality in card.quality if quality.split == split)


def _map_of(attribute: str) -> Callable[[Quality], float]:
    return lambda quality: quality.attributes[attribute].retrieval.map_other_photographers


def _over_seeds(outcome: Outcome, read: Callable[[Quality], float]) -> str:
    figures = [read(quality) for quality in outcome.qualities]
    if len(figures) == 1:
        return f"{figures[0]:.3f}"
    return f"{np.mean(figures):.3f} ± {np.std(figures, ddof=1):.3f}"


def _costs(folders: Mapping[str, Path]) -> dict[str, Cost]:
    milliseconds = _milliseconds({design: _file(folder) for design, folder in folders.items()})
    return {
        design: Cost(
            parameters=_parameters(_file(folder)),
            gflops=_operations(load_run(folder).network, _input_size(_file(folder))) / 1e9,
            milliseconds=milliseconds[design],
        )
        for design, folder in folders.items()
    }


def _milliseconds(files: Mapping[str, Path]) -> dict[str, float]:
    """Medians; the designs take turns, so that a busy moment of the machine meets them all."""
    encoders = {design: Encoder.load(file, threads=1) for design, file in files.items()}
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {design: [] for design in files}
    for _ in range(TIMING_ROUNDS):
        for design, encoder in encoders.items():
            side = encoder.card.preprocessing.input_size
            image = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
            start = time.perf_counter()
            encoder.encode(image)
            seconds[design].append(time.perf_counter() - start)
    return {design: 1000 * float(np.median(times)) for design, times in seconds.items()}


def _parameters(file: Path) -> int:
    weights = onnx.load(file).graph.initializer
    return sum(
        int(np.prod(weight.dims))
        for weight in weights
        if weight.data_type == onnx.TensorProto.FLOAT
    )


def _operations(network: nn.Module, input_size: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, input_size, input_size))
    return int(counter.get_total_flops())


def _input_size(file: Path) -> int:
    return Encoder.load(file).card.preprocessing.input_size


def _as_records(outcomes: Sequence[Outcome]) -> str:
    records = [
        {
            "design": outcome.design,
            "cost": asdict(outcome.cost),
            "qualities": [quality.model_dump() for quality in outcome.qualities],
        }
        for outcome in outcomes
    ]
    return json.dumps(records, indent=1)


def _config(options: argparse.Namespace, design: str, seed: int) -> TrainConfig:
    return TrainConfig(
        design=design,
        backbone=options.backbone,
        epochs=options.epochs,
        input_size=options.input_size,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        min_value_count=options.min_value_count,
        seed=seed,
        device=options.device,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.training.rivals",
        description="Train every design in the same way and compare them in one table. "
        "Run the same line again to go on.",
    )
    given = TrainConfig()
    add = parser.add_argument
    add("--data", type=Path, required=True, help="CSV of labels, as for lapel train")
    add("--attributes", default="", help="comma-separated; default all")
    add("--group-column", default="photographer", help="who took the photograph")
    add("--out", type=Path, default=Path("runs/rivals"), help="folder (default %(default)s)")
    add("--designs", nargs="+", default=list(DESIGNS), help=f"default {' '.join(DESIGNS)}")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="a run each (default 0 1 2)")
    add("--split", choices=("valid", "test"), default="test", help="measured (default test)")
    add("--backbone", choices=BACKBONES, default="compact16", help="trunk (default compact16)")
    add("--epochs", type=int, default=given.epochs, help="default %(default)s")
    add("--input-size", type=int, default=given.input_size, help="pixels (default %(default)s)")
    add("--batch-size", type=int, default=given.batch_size, help="default %(default)s")
    add("--learning-rate", type=float, default=given.learning_rate, help="default %(default)s")
    add("--min-value-count", type=int, default=given.min_value_count, help="default %(default)s")
    add("--device", default="auto", help="auto, cpu, cuda, ... (default auto)")
    return parser


if __name__ == "__main__":
    main()
