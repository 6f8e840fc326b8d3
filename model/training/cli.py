"""``lapel train``, ``train-design`` and ``export``: from a table of labels to one model file.

The command line in ``service`` finds these by entry point, so that serving never imports torch.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api_schemas.card import ModelCard
from model.labels import GROUP_COLUMN, LabelTable, LabelTableError, comma_separated
from model.pixels import UndecodableImage
from model.training import options
from model.training.about import About
from model.training.advice import foretold, training_table
from model.training.beyond_labels import BeyondLabels
from model.training.config import TrainConfig, tuning
from model.training.design_losses import DesignLosses
from model.training.design_training import (
    DesignConfig,
    require_design_space,
    train_design,
    with_design_space,
)
from model.training.export import export, images_embedded
from model.training.model_file import ExportError
from model.training.runs import Run, load_run
from model.training.soup import average_runs
from model.training.train import train


def run_train(
    data: options.Data,
    out: options.Out,
    attributes: options.Attributes = "",
    work: options.Work = None,
    about: options.AboutFile = None,
    group_column: options.GroupColumn = GROUP_COLUMN,
    design: options.Design = "lapel",
    backbone: options.Backbone = "compact24",
    pretrained: options.Pretrained = False,
    loss: options.Loss = None,
    epochs: options.Epochs = TrainConfig.epochs,
    batch_size: options.BatchSize = TrainConfig.batch_size,
    input_size: options.InputSize = TrainConfig.input_size,
    embedding_dimension: options.EmbeddingDimension = TrainConfig.embedding_dimension,
    learning_rate: options.LearningRate = TrainConfig.learning_rate,
    min_value_count: options.MinValueCount = TrainConfig.min_value_count,
    tune: options.Tune = 0,
    drawn: options.Drawn = TrainConfig.drawn_share,
    new_grounds: options.NewGrounds = TrainConfig.new_ground_share,
    recolour: options.Recolour = BeyondLabels.recolour,
    told_by_colour: options.ToldByColour = options.TOLD_BY_COLOUR,
    stretch: options.Stretch = BeyondLabels.stretch,
    told_by_proportions: options.ToldByProportions = options.TOLD_BY_PROPORTIONS,
    mixup: options.Mixup = BeyondLabels.mixup,
    balance: options.Balance = TrainConfig.balance,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    design_space: options.WithDesignSpace = False,
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
        losses=options.LOSSES[loss] if loss else None,
        epochs=epochs,
        batch_size=batch_size,
        input_size=input_size,
        embedding_dimension=embedding_dimension,
        learning_rate=learning_rate,
        min_value_count=min_value_count,
        drawn_share=drawn,
        new_ground_share=new_grounds,
        beyond_labels=BeyondLabels(
            recolour=recolour,
            stretch=stretch,
            mixup=mixup,
            told_by_colour=comma_separated(told_by_colour),
            told_by_proportions=comma_separated(told_by_proportions),
        ),
        balance=balance,
        seed=seed,
        device=device,
    )
    console = Console(stderr=True)
    with _Friendly():
        description = About.read(about)
        work = work or Path("runs") / out.stem
        prepared = training_table(
            data, comma_separated(attributes), group_column, record=work / "labels.csv"
        )
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
    data: options.Data,
    out: options.Out,
    about: options.AboutFile = None,
    group_column: options.GroupColumn = GROUP_COLUMN,
) -> None:
    """Write the best epoch of a training run as a model file, also while it is still running.

    Each attribute's space is made as the split 'valid' finds most: whitened between photographers
    or not, with its colours asked too or not (docs/model.md).

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
    data: options.Data,
    out: options.Out,
    about: options.AboutFile = None,
    group_column: options.GroupColumn = GROUP_COLUMN,
    epochs: options.DesignEpochs = DesignConfig.epochs,
    photographs: options.DesignPhotographs = DesignConfig.photographs,
    start_from: options.DesignStart = None,
    direction: options.Direction = DesignLosses.direction,
    seed: options.Seed = 0,
    device: options.Device = "auto",
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
    if (design := card.design_space) is not None:
        copies = design.verification or design
        console.print(
            f"edited copies: {copies.detection_rate:.1%} recognised on {design.fitted_on}, where "
            f"{copies.false_accusation_rate:.1%} of other garments' pictures are taken for one"
        )
    console.print(f"serve it with: lapel serve --model {out}")
