"""Validation between epochs: the network itself on packed pictures, before there is a file."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from api_schemas.card import Preprocessing
from model import pixels
from model.evaluate import cross_photographer_map
from model.labels import LabelTable
from model.training.config import MEAN, STD, TrainConfig


def validation_maps(
    network: nn.Module,
    packed: NDArray[np.uint8],
    table: LabelTable,
    value_names: tuple[tuple[str, ...], ...],
    config: TrainConfig,
) -> dict[str, float]:
    """Cross-photographer MAP per attribute, over every value the split holds."""
    vectors = embed_packed(network, packed, config.preprocessing())
    return {
        attribute: cross_photographer_map(vectors[:, index], table, attribute)
        for index, attribute in enumerate(table.attributes)
    }


@torch.no_grad()
def embed_packed(
    network: nn.Module,
    packed: NDArray[np.uint8],
    preprocessing: Preprocessing,
    batch_size: int = 128,
) -> NDArray[np.float32]:
    """(N, S, S, 3) uint8 -> vectors (N, A, D) float32, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    batches = [
        network(
            torch.from_numpy(
                pixels.normalise(packed[start : start + batch_size], preprocessing)
            ).to(device, memory_format=torch.channels_last)
        ).vectors.cpu()
        for start in range(0, len(packed), batch_size)
    ]
    vectors: NDArray[np.float32] = torch.cat(batches).numpy()
    return vectors


def normalise(images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..1 -> standardised with ``MEAN`` and ``STD``."""
    mean = images.new_tensor(MEAN).view(3, 1, 1)
    std = images.new_tensor(STD).view(3, 1, 1)
    return (images - mean) / std
