"""Every design trained on the same photographs in the same way, and one table of what came of it.

``python -m model.training.rivals --data labels.csv --out runs/rivals`` trains and exports what is
not there yet and goes on where it was stopped. Quality is what each exported file's card says;
cost is measured here. The designs differ in network and loss alone: splits, trunk, input size,
epochs, batches, augmentation and learning rates are the same.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from rich.console import Console

from api_schemas.card import ModelCard, Quality
from model.encoder import Encoder
from model.labels import LabelTable, LabelTableError, comma_separated, read_labels
from model.pixels import UndecodableImage
from model.training.about import About
from model.training.backbones import BACKBONES
from model.training.config import TrainConfig, as_json
from model.training.cost import Cost, costs
from model.training.designs.registry import DESIGNS, design_named
from model.training.export import export
from model.training.model_file import ExportError
from model.training.runs import load_run
from model.training.train import train


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
    names = comma_separated(options.attributes)
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
    folders = {design: _folder(out, design, seeds[0]) for design in designs}
    cost = costs({d: (_file(folder), load_run(folder).network) for d, folder in folders.items()})
    return [
        Outcome(design, tuple(_quality(card, split) for card in cards[design]), cost[design])
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
    spent = [outcome.cost for outcome in outcomes]
    rows += [
        ("parameters, millions", [f"{cost.parameters / 1e6:.2f}" for cost in spent], ""),
        ("GFLOPs per image", [f"{cost.gflops:.3f}" for cost in spent], ""),
        ("CPU ms per image, one thread", [f"{cost.milliseconds:.2f}" for cost in spent], ""),
    ]
    lines = [f"| {name} | {' | '.join(cells)} | {last} |" for name, cells, last in rows]
    lines.insert(1, f"| --- |{' ---: |' * (len(outcomes) + 1)}")
    seeds = len(outcomes[0].qualities)
    runs = "one seed" if seeds == 1 else f"mean ± standard deviation of {seeds} seeds"
    note = f"{first.split} split, {first.images} images; {runs}; an addition is an operation too."
    return "\n".join([*lines, "", note, ""])


def _card(table: LabelTable, config: TrainConfig, out: Path, console: Console) -> ModelCard:
    folder = _folder(out, config.design, config.seed)
    file = _file(folder)
    if file.exists() and _trained_with(folder, config):
        return Encoder.load(file).card
    console.print(f"{config.design}, seed {config.seed}", style="bold")
    run = train(table, config, folder, console=console, pack_folder=out / "packed")
    return export(run, table, About(name=f"{config.design}-{config.seed}"), file)


def _trained_with(folder: Path, config: TrainConfig) -> bool:
    path = folder / "config.json"
    if not path.exists():
        return False
    saved = TypeAdapter(TrainConfig).validate_json(path.read_bytes())
    return as_json(saved) == as_json(config)  # as text, with the losses that hold


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
        drawn_share=options.drawn,
        new_ground_share=options.new_grounds,
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
    add(
        "--drawn", type=float, default=given.drawn_share, help="share of drawn garments (default 0)"
    )
    add(
        "--new-grounds",
        type=float,
        default=given.new_ground_share,
        help="share of photographs put on other grounds (default 0)",
    )
    add("--device", default="auto", help="auto, cpu, cuda, ... (default auto)")
    return parser


if __name__ == "__main__":
    main()
