"""Everything that decides a training run, in one value that is saved beside its checkpoints."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from api_schemas.card import Preprocessing
from model.training.beyond_labels import BeyondLabels
from model.training.data import Augmentation
from model.training.designs.registry import design_named
from model.training.losses import LossWeights

MEAN: Final = (0.485, 0.456, 0.406)  # ImageNet's, so that pretrained trunks fit
STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run; saved beside its checkpoint."""

    design: str = "lapel"
    backbone: str = "compact24"
    pretrained: bool = False
    embedding_dimension: int = 64
    input_size: int = 160
    fit: str = "pad"
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 3.0
    # Shares of the run and of the input size: small pictures first, most of the learning at
    # a third of the cost.
    resolution_schedule: tuple[tuple[float, float], ...] = ((0.5, 0.6), (0.85, 0.8), (1.0, 1.0))
    ema_decay: float = 0.998
    validate_every: int = 2
    min_value_count: int = 20
    seed: int = 0
    device: str = "auto"
    start_from: str = ""  # work folder whose best epoch gives the first weights
    drawn_share: float = 0.0  # drawn garments joining a batch, as a share of its photographs
    new_ground_share: float = 0.0  # photographs whose garment is put on another ground
    balance: float = 0.0  # above 0, who took many photographs has each shown less often
    beyond_labels: BeyondLabels = field(default_factory=BeyondLabels)
    losses: LossWeights | None = None  # None: what the design was published with
    augmentation: Augmentation = field(default_factory=Augmentation)

    def preprocessing(self) -> Preprocessing:
        """What the exported card will say."""
        return Preprocessing.model_validate(
            {"input_size": self.input_size, "fit": self.fit, "mean": MEAN, "std": STD}
        )

    def loss_weights(self) -> LossWeights:
        """The losses given, or else the design's own.

        Raises:
            ValueError: unknown design, or values to be learnt without a value head.
        """
        design = design_named(self.design)
        losses = self.losses or design.losses
        if losses.prototypes and not design.value_head:
            raise ValueError(
                f"losses.prototypes is {losses.prototypes}, but design {self.design!r} has no "
                "value head to train with it; give 0"
            )
        return losses

    def size_at(self, epoch: int) -> int:
        """Side of the training pictures in an epoch, a multiple of the trunk's stride."""
        done = (epoch + 1) / self.epochs
        share = next(size for until, size in self.resolution_schedule if done <= until + 1e-9)
        return max(32, round(self.input_size * share / 16) * 16)


def tuning(config: TrainConfig, start_from: Path, epochs: int) -> TrainConfig:
    """A second, shorter run that begins with the best weights of a first one.

    At half of its learning rate, with large pictures, and with the photographs in another order.
    """
    return replace(
        config,
        start_from=str(start_from),
        epochs=epochs,
        learning_rate=config.learning_rate / 2,
        warmup_epochs=1.0,
        resolution_schedule=((0.55, 0.8), (1.0, 1.0)),
        validate_every=1,
        seed=config.seed + 1,
    )


def as_json(config: TrainConfig) -> str:
    """The configuration as it is saved, with the losses that hold for it."""
    config = replace(config, losses=config.loss_weights())
    return json.dumps(asdict(config), indent=1)
