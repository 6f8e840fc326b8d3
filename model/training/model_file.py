"""The file itself: a network's graph, its card beside it, and whether it says what PyTorch says.

A graph is made once, which takes a while, and written as often as its card changes.
"""

from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch

from api_schemas.card import CARD_KEY, ModelCard
from model.encoder import Encoder
from model.pixels import normalise
from model.training.serving import OUTPUTS, Serving

PARITY_TOLERANCE: Final = 1e-4
"""Largest difference allowed between two unit vectors."""


class ExportError(RuntimeError):
    """The exported file does not say what the network says."""


def graph_of(serving: Serving, input_size: int) -> onnx.ModelProto:
    """The graph, without a card; nothing in it tells of the machine it was made on."""
    # Two rows: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, input_size, input_size)
    program = torch.onnx.export(
        serving.eval(),
        (example,),
        input_names=["images"],
        output_names=list(OUTPUTS),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model_proto
    for part in (*graph.graph.node, *graph.graph.value_info):
        del part.metadata_props[:]  # where the exporter ran, with paths of that machine
    return graph


def write_model(graph: onnx.ModelProto, card: ModelCard, path: Path) -> Encoder:
    """Write graph and card as one file, and open it as serving does."""
    onnx.helper.set_model_props(graph, {CARD_KEY: card.model_dump_json()})
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    return Encoder.load(path)


def check_parity(serving: Serving, encoder: Encoder) -> float:
    """Compare file and network on random pictures, alone and in a batch.

    Returns:
        The largest absolute difference of the unit vectors.

    Raises:
        ExportError: it exceeds ``PARITY_TOLERANCE``.
    """
    rng = np.random.default_rng(0)
    side = encoder.card.preprocessing.input_size
    worst = 0.0
    for batch in (1, 5):
        images = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        normalised = torch.from_numpy(normalise(images, encoder.card.preprocessing))
        with torch.no_grad():
            expected = serving(normalised)[0].numpy()
        worst = max(worst, float(np.abs(encoder.encode(images).vectors - expected).max()))
    if worst > PARITY_TOLERANCE:
        raise ExportError(
            f"the exported vectors differ from PyTorch's by {worst:.2e}, more than "
            f"{PARITY_TOLERANCE:.0e}"
        )
    return worst
