"""``lapel train``, ``train-design`` and ``export``: from a table of labels to one model file.

The command line in ``service`` finds these by entry point, so that serving never imports torch.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api_schemas.card import ModelCard
from model.labels import GROUP_COLUMN, LabelTable, LabelTableError
from model.pixels import UndecodableImage
from model.training.advice import foretold, training_table
from model.training.backbones import BACKBONES
from model.training.config import TrainConfig, tuning
from model.training.design_losses import DesignLosses
from model.training.design_training import (
    DesignConfig,
    require_design_space,
    train_design,
    with_design_space,
)
from model.training.designs.registry import DESIGNS
from model.training.export import About, ExportError, export, images_embedded
from model.training.losses import LossWeights
from model.training.runs import Run, load_run
from model.training.soup import average_runs
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
        help="CSV of labels (commas, semicolons or tabs): a 'file' column (paths relative to the "
        "CSV), one column per attribute ('na' = not there or not visible, empty = unlabelled), "
        "and 'split' (train, valid, and optionally test); without 'split' the table is divided "
        "80/10/10, always in the same way."
    ),
]
Attributes = Annotated[
    str,
    typer.Option(
        help="Attribute columns to learn, comma-separated; default all that look like attributes "
        "(not prices, titles, ids: what is left out is said)."
    ),
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
    str,
    typer.Option(
        help="Column naming who took the photograph, or whatever else (a shop, a garment taken "
        "twice) should not stand in both train and valid: a network knows a photographer's "
        "floor again, which flatters validation."
    ),
]
Seed = Annotated[int, typer.Option(help="Same seed, same machine, same model.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]


def run_train(
    data: Data,
    out: Out,
    attributes: Attributes = "",
    work: Work = None,
    about: AboutFile = None,
    group_column: GroupColumn = GROUP_COLUMN,
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
    epochs: Annotated[
        int,
        typer.Option(min=1, help="Times every photograph is seen; more for a small table."),
    ] = TrainConfig.epochs,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Photographs per step; smaller for a small table.")
    ] = TrainConfig.batch_size,
    input_size: Annotated[
        int,
        typer.Option(
            min=32,
            help="Side of the pictures, pixels; half the side is a quarter of the computing.",
        ),
    ] = TrainConfig.input_size,
    embedding_dimension: Annotated[
        int, typer.Option(min=2, max=128, help="Numbers per attribute and garment.")
    ] = TrainConfig.embedding_dimension,
    learning_rate: Annotated[
        float, typer.Option(min=0.0, help="The highest; it rises first, then falls.")
    ] = TrainConfig.learning_rate,
    min_value_count: Annotated[
        int,
        typer.Option(
            min=1,
            help="Values in fewer photographs of train than this are left out, unless all are; "
            "which ones is said.",
        ),
    ] = TrainConfig.min_value_count,
    tune: Annotated[
        int,
        typer.Option(
            min=0,
            help="Epochs of a second run that begins with the first one's weights, at half its "
            "learning rate; the mean of both networks is kept, which is better than either.",
        ),
    ] = 0,
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
    seed: Seed = 0,
    device: Device = "auto",
    design_space: Annotated[
        bool,
        typer.Option(
            "--design-space",
            help="Teach it also to recognise edited copies of a picture, and which is the copy "
            "(as `lapel train-design` does afterwards). Needs no labels; takes about as long as "
            "a third of 50 epochs.",
        ),
    ] = False,
) -> None:
    """Train a model on your own attributes and write it as one file the service runs.

    Example: lapel train --data labels.csv --attributes collar,sleeve_length --out my.onnx

    The table's first lines could be:

    - `file,collar,sleeve_length,photographer,split`
    - `images/1.jpg,polo,short,anna,train`

    Says first what it makes of the table: photographs per split, values learnt and left out, number
    of steps, and what to add when the table is small. For a few hundred photographs, try
    `--backbone compact16 --input-size 96 --batch-size 16 --epochs 80`.

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
    console = Console(stderr=True)
    with _Friendly():
        description = About.read(about)
        work = work or Path("runs") / out.stem
        names = [name.strip() for name in attributes.split(",") if name.strip()]
        prepared = training_table(data, names, group_column, record=work / "labels.csv")
        for line in (*prepared.remarks, *foretold(prepared.table, config)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if design_space:
            require_design_space(config)
        run = train(prepared.table, config, work, console=console)
        if tune:
            tuned = work / "tuned"
            train(
                prepared.table, tuning(config, work, tune), tuned, console=console, pack_folder=work
            )
            run = average_runs([work, tuned], prepared.table, work := work / "mean")
        if design_space:
            copies = DesignConfig(seed=seed, device=device)
            run.design_head = train_design(run, prepared.table, copies, work, console=console)
        card = _export(run, prepared.table, description, out, console)
    _show(card, out, console)


def run_export(
    work: Annotated[Path, typer.Argument(help="The work folder of a training run.")],
    data: Data,
    out: Out,
    about: AboutFile = None,
    group_column: GroupColumn = GROUP_COLUMN,
) -> None:
    """Write the best epoch of a training run as a model file, also while it is still running.

    Example: lapel export runs/my --data labels.csv --out my.onnx
    """
    console = Console(stderr=True)
    with _Friendly():
        run = with_design_space(load_run(work), work)
        table = training_table(data, run.attributes, group_column).table
        card = _export(run, table, About.read(about), out, console)
    _show(card, out, console)


def run_train_design(
    work: Annotated[Path, typer.Argument(help="The work folder of a finished training run.")],
    data: Data,
    out: Out,
    about: AboutFile = None,
    group_column: GroupColumn = GROUP_COLUMN,
    epochs: Annotated[
        int, typer.Option(min=1, help="Times every photograph is seen, in several edited copies.")
    ] = DesignConfig.epochs,
    photographs: Annotated[
        int, typer.Option(min=2, help="Photographs per step, each in several copies.")
    ] = DesignConfig.photographs,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Work folder whose design space gives the first weights, for a network trained "
            "a little further since. Wants few epochs."
        ),
    ] = None,
    direction: Annotated[
        float,
        typer.Option(min=0.0, help="Weight of telling copy from source; 0 learns no direction."),
    ] = DesignLosses.direction,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Teach a trained model to recognise edited copies, and write it as one file.

    Example: lapel train-design runs/my --data labels.csv --out my.onnx

    What it knows of attributes stays exactly as it is. The table's photographs are enough: crops,
    stickers, pages, screenshots and other edits of them are made on the way.

    Shows how many copies of validation photographs are found as it goes; stop it any time and run
    the same line to go on.
    """
    console = Console(stderr=True)
    with _Friendly():
        description = About.read(about)
        run = load_run(work)
        table = training_table(data, run.attributes, group_column).table
        config = DesignConfig(
            epochs=epochs,
            photographs=photographs,
            start_from=str(start_from or ""),
            seed=seed,
            device=device,
            losses=DesignLosses(direction=direction),
        )
        run.design_head = train_design(run, table, config, work, console=console)
        card = _export(run, table, description, out, console)
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


def _export(run: Run, table: LabelTable, about: About, out: Path, console: Console) -> ModelCard:
    total = images_embedded(table, with_copies=run.design_head is not None)
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
    if (copies := card.design_space) is not None:
        console.print(
            f"edited copies: {copies.detection_rate:.1%} recognised on {copies.fitted_on}, where "
            f"{copies.false_accusation_rate:.1%} of other garments' pictures are taken for one"
        )
    console.print(f"serve it with: lapel serve --model {out}")
