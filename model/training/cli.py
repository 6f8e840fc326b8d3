"""``lapel train`` and ``lapel export``: from a table of labels to one model file.

The command line in ``service`` finds these by entry point, so that serving never imports torch.
"""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api_schemas.card import ModelCard
from model.labels import LabelTable, LabelTableError, read_labels
from model.pixels import UndecodableImage
from model.training.backbones import BACKBONES
from model.training.config import TrainConfig
from model.training.data import GENTLE
from model.training.designs.registry import DESIGNS
from model.training.export import About, ExportError, export
from model.training.losses import LossWeights
from model.training.runs import Run, load_run
from model.training.train import train


class Recipe(StrEnum):
    """Losses that can be trained with; docs/model.md compares them."""

    PROTOTYPES = "prototypes"
    PROTOTYPES_SUPCON = "prototypes+supcon"
    TRIPLET = "triplet"


_LOSSES = {
    Recipe.PROTOTYPES: LossWeights(supcon=0.0),
    Recipe.PROTOTYPES_SUPCON: LossWeights(),
    Recipe.TRIPLET: LossWeights(prototypes=0.0, supcon=0.0, triplet=1.0),
}

_DESIGNS_HELP = "\n\n".join(
    ["The network, trained with the losses it was published with:"]
    + [f"- {name}: {design.summary}." for name, design in DESIGNS.items()]
)

Data = Annotated[
    Path,
    typer.Option(
        help="CSV of labels: a 'file' column (paths relative to the CSV), one column per "
        "attribute ('na' = not there or not visible, empty = unlabelled), and 'split' "
        "(train, valid, and optionally test)."
    ),
]
Attributes = Annotated[
    str, typer.Option(help="Attribute columns to learn, comma-separated; default all.")
]
Out = Annotated[Path, typer.Option(help="The model file to write.")]
Work = Annotated[
    Path | None,
    typer.Option(
        help="Folder for checkpoints; an interrupted run goes on from it. Default runs/NAME-OF-OUT."
    ),
]
AboutFile = Annotated[
    Path | None,
    typer.Option(
        "--about",
        help="JSON with name, version, licence, data, data_licence, and what attributes and "
        "values mean; goes into the model's card.",
    ),
]
GroupColumn = Annotated[
    str, typer.Option(help="Column naming who took the photograph, for honest validation.")
]


def run_train(
    data: Data,
    out: Out,
    attributes: Attributes = "",
    work: Work = None,
    about: AboutFile = None,
    group_column: GroupColumn = "photographer",
    design: Annotated[str, typer.Option(help=_DESIGNS_HELP)] = "lapel",
    backbone: Annotated[str, typer.Option(help=f"Trunk: {', '.join(BACKBONES)}.")] = "compact24",
    pretrained: Annotated[
        bool, typer.Option(help="Start from torchvision's weights (downloads them).")
    ] = False,
    loss: Annotated[
        Recipe | None,
        typer.Option(
            help="What to train with, instead of prototypes+supcon (design lapel) or what the "
            "design was published with (the others, which have no prototypes)."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = TrainConfig.epochs,
    batch_size: Annotated[int, typer.Option(min=2)] = TrainConfig.batch_size,
    input_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = TrainConfig.input_size,
    embedding_dimension: Annotated[int, typer.Option(min=2, max=128)] = 64,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = TrainConfig.learning_rate,
    min_value_count: Annotated[
        int, typer.Option(min=1, help="Values rarer than this in train are left out.")
    ] = TrainConfig.min_value_count,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Work folder of an earlier run: begin with its best weights and go on with "
            "full-size pictures, changed but little. Wants few epochs and a low learning rate."
        ),
    ] = None,
    drawn: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Drawn garments with exact labels in every batch, as a share of its photographs; "
            "for attributes that are named and valued as the shipped model's.",
        ),
    ] = TrainConfig.drawn_share,
    new_grounds: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the photographs whose garment is cut out and put on another ground, "
            "anew every epoch, so that backgrounds decide less.",
        ),
    ] = TrainConfig.new_ground_share,
    seed: Annotated[int, typer.Option(help="Same seed, same machine, same model.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Train a model on your own attributes and write it as one file the service runs.

    Example: lapel train --data labels.csv --attributes collar,sleeve_length --out my.onnx

    Shows loss and validation MAP as it goes; stop it any time and run the same line to go on.
    """
    config = TrainConfig(
        design=design,
        backbone=backbone,
        pretrained=pretrained,
        losses=_LOSSES[loss] if loss else None,
        epochs=epochs,
        batch_size=batch_size,
        input_size=input_size,
        embedding_dimension=embedding_dimension,
        learning_rate=learning_rate,
        min_value_count=min_value_count,
        drawn_share=drawn,
        new_ground_share=new_grounds,
        seed=seed,
        device=device,
    )
    if start_from:
        config = replace(
            config,
            start_from=str(start_from),
            resolution_schedule=((1.0, 1.0),),
            augmentation=GENTLE,
            warmup_epochs=0.5,
            ema_decay=0.99,
            validate_every=1,
        )
    console = Console(stderr=True)
    with _Friendly():
        description = About.read(about)
        table = _table(data, attributes, group_column)
        run = train(table, config, work or _work_folder(out), console=console)
        card = _export(run, table, description, out, console)
    _show(card, out, console)


def run_export(
    work: Annotated[Path, typer.Argument(help="The work folder of a training run.")],
    data: Data,
    out: Out,
    about: AboutFile = None,
    group_column: GroupColumn = "photographer",
) -> None:
    """Write the best epoch of a training run as a model file, also while it is still running.

    Example: lapel export runs/my --data labels.csv --out my.onnx
    """
    console = Console(stderr=True)
    with _Friendly():
        run = load_run(work)
        table = _table(data, ",".join(run.attributes), group_column)
        card = _export(run, table, About.read(about), out, console)
    _show(card, out, console)


class _Friendly:
    """Turns what a user can mend into one line and exit status 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        expected = (LabelTableError, UndecodableImage, ExportError, ValueError, FileNotFoundError)
        if isinstance(error, expected):
            typer.secho(f"lapel: {error}", fg="red", err=True)
            raise typer.Exit(1) from error


def _table(data: Path, attributes: str, group_column: str) -> LabelTable:
    names = [name.strip() for name in attributes.split(",") if name.strip()]
    return read_labels(data, attributes=names or None, group_column=group_column)


def _work_folder(out: Path) -> Path:
    return Path("runs") / out.stem


def _export(run: Run, table: LabelTable, about: About, out: Path, console: Console) -> ModelCard:
    total = sum(split in ("train", "valid", "test") for split in table.splits)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("measuring the exported file", total=total)
        return export(run, table, about, out, progress=lambda done: bar.advance(task, done))


def _show(card: ModelCard, out: Path, console: Console) -> None:
    measured = card.quality[-1]
    table = Table("attribute", "MAP", "random", title=f"{out}, {measured.split} split")
    for name, quality in measured.attributes.items():
        table.add_row(
            name,
            f"{quality.retrieval.map_other_photographers:.3f}",
            f"{quality.retrieval_random_order.map_other_photographers:.3f}",
        )
    table.add_row("mean", f"{measured.mean_map_other_photographers:.3f}", "")
    console.print(table)
    console.print(f"serve it with: lapel serve --model {out}")
