"""What the commands of this room can be told, once for all that share an option."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from model.training.backbones import BACKBONES
from model.training.beyond_labels import BeyondLabels
from model.training.designs.registry import DESIGNS
from model.training.losses import LossWeights


class Recipe(StrEnum):
    """Losses that can be trained with; docs/model.md compares them."""

    PROTOTYPES = "prototypes"
    PROTOTYPES_SUPCON = "prototypes+supcon"
    TRIPLET = "triplet"


LOSSES: Final = {
    Recipe.PROTOTYPES: LossWeights(supcon=0.0),
    Recipe.PROTOTYPES_SUPCON: LossWeights(),
    Recipe.TRIPLET: LossWeights(prototypes=0.0, supcon=0.0, triplet=1.0),
}

TOLD_BY_COLOUR: Final = ",".join(BeyondLabels.told_by_colour)
TOLD_BY_PROPORTIONS: Final = ",".join(BeyondLabels.told_by_proportions)
_DESIGNS_HELP: Final = "\n\n".join(
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
Design = Annotated[str, typer.Option(help=_DESIGNS_HELP)]
Backbone = Annotated[str, typer.Option(help=f"Trunk: {', '.join(BACKBONES)}.")]
Pretrained = Annotated[
    bool, typer.Option(help="Start from torchvision's weights (downloads them).")
]
Loss = Annotated[
    Recipe | None,
    typer.Option(
        help="What to train with, instead of prototypes+supcon (design lapel) or what the "
        "design was published with (the others, which have no prototypes)."
    ),
]
Epochs = Annotated[
    int,
    typer.Option(min=1, help="Times every photograph is seen; more for a small table."),
]
BatchSize = Annotated[
    int, typer.Option(min=2, help="Photographs per step; smaller for a small table.")
]
InputSize = Annotated[
    int,
    typer.Option(
        min=32,
        help="Side of the pictures, pixels; half the side is a quarter of the computing.",
    ),
]
EmbeddingDimension = Annotated[
    int, typer.Option(min=2, max=128, help="Numbers per attribute and garment.")
]
LearningRate = Annotated[
    float, typer.Option(min=0.0, help="The highest; it rises first, then falls.")
]
MinValueCount = Annotated[
    int,
    typer.Option(
        min=1,
        help="Values in fewer photographs of train than this are left out, unless all are; "
        "which ones is said.",
    ),
]
Tune = Annotated[
    int,
    typer.Option(
        min=0,
        help="Epochs of a second run that begins with the first one's weights, at half its "
        "learning rate; the mean of both networks is kept, which is better than either.",
    ),
]
Drawn = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Drawn garments with exact labels in every batch, as a share of its photographs; "
        "for attributes that are named and valued as the shipped model's.",
    ),
]
NewGrounds = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of the photographs whose garment is cut out and put on another ground, "
        "anew every epoch, so that backgrounds decide less.",
    ),
]
Recolour = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of the photographs given other colours, anew every epoch, so that shapes are "
        "known in any; there the labels of --told-by-colour are withheld.",
    ),
]
Stretch = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of the photographs made wider or longer, anew every epoch; there the labels "
        "of --told-by-proportions are withheld.",
    ),
]
Mixup = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of the photographs blended with another one, having the labels of both.",
    ),
]
ToldByColour = Annotated[
    str, typer.Option(help="Attributes that a change of colours changes, comma-separated.")
]
ToldByProportions = Annotated[
    str, typer.Option(help="Attributes that stretching changes, comma-separated.")
]
Balance = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Above 0, photographs by who took many are shown less often than others; 1 shows "
        "all photographers alike.",
    ),
]
WithDesignSpace = Annotated[
    bool,
    typer.Option(
        "--design-space",
        help="Teach it also to recognise edited copies of a picture, and which is the copy "
        "(as `lapel train-design` does afterwards). Needs no labels; takes about as long as "
        "a third of 50 epochs.",
    ),
]
DesignEpochs = Annotated[
    int, typer.Option(min=1, help="Times every photograph is seen, in several edited copies.")
]
DesignPhotographs = Annotated[
    int, typer.Option(min=2, help="Photographs per step, each in several copies.")
]
DesignStart = Annotated[
    Path | None,
    typer.Option(
        help="Work folder whose design space gives the first weights, for a network trained "
        "a little further since. Wants few epochs."
    ),
]
Direction = Annotated[
    float,
    typer.Option(min=0.0, help="Weight of telling copy from source; 0 learns no direction."),
]
