"""The designs by name: ours and the published ones it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import nn

from model.training.asen import Asen, NetworkConfig
from model.training.designs.asen_published import AsenV1, AsenV2
from model.training.designs.asenpp import STAGE_ENDS, AsenPlusPlus
from model.training.designs.one_space import GlobalTriplet, MaskedSimilarity
from model.training.losses import LossWeights

# For networks that are trained by triplets, or bring their own loss, beside the visibility.
_ALL_TRIPLETS: Final = LossWeights(prototypes=0.0, supcon=0.0, all_triplets=1.0)
_OWN: Final = LossWeights(prototypes=0.0, supcon=0.0)


@dataclass(frozen=True)
class Design:
    """A network, and how it was meant to be trained.

    Attributes:
        summary: one line for people.
        build: the network; its forward answers with ``Embeddings``.
        losses: what it trains with unless told otherwise.
        branches: vectors are this many times ``embedding_dimension`` long.
        value_head: whether values can be learnt through it.
        stage_ends: shares of the run at which its stages end.
    """

    summary: str
    build: Callable[[NetworkConfig], nn.Module]
    losses: LossWeights
    branches: int = 1
    value_head: bool = False
    stage_ends: tuple[float, ...] = (1.0,)

    def last_epochs(self, epochs: int) -> tuple[int, ...]:
        """Where each stage ends, in epochs; the last one has at least one epoch.

        >>> DESIGNS["asen++"].last_epochs(50), DESIGNS["asen++"].last_epochs(1)
        ((35, 50), (0, 1))
        """
        earlier = (min(round(share * epochs), epochs - 1) for share in self.stage_ends[:-1])
        return (*earlier, epochs)


DESIGNS: Final = {
    "lapel": Design(
        "ours: where and which channels per attribute, values by cosine prototypes",
        Asen,
        LossWeights(attention=0.2),
        value_head=True,
    ),
    "global": Design(
        "one embedding for all attributes, triplets of every attribute",
        GlobalTriplet,
        _ALL_TRIPLETS,
    ),
    "csn": Design(
        "conditional similarity network (2017): one embedding, a learnt mask per attribute",
        MaskedSimilarity,
        _OWN,
    ),
    "asen-v1": Design(
        "ASEN (2020), first version: spatial and channel attention per attribute, triplets",
        AsenV1,
        _ALL_TRIPLETS,
    ),
    "asen-v2": Design(
        "ASEN, second version: one attribute embedding, scaled and normalised attention",
        AsenV2,
        _ALL_TRIPLETS,
    ),
    "asen++": Design(
        "ASEN++ (2021): then a closer look at what each map picks, trained in two stages",
        AsenPlusPlus,
        _OWN,
        branches=2,
        stage_ends=STAGE_ENDS,
    ),
}


def design_named(name: str) -> Design:
    """Look a design up.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in DESIGNS:
        raise ValueError(f"unknown design {name!r}; known: {', '.join(DESIGNS)}")
    return DESIGNS[name]
