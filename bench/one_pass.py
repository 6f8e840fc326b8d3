"""All attributes in one pass, against one full pass per attribute.

The original code runs the whole network for every pair of image and attribute. Both ways come from
the same network: the second graph is the first with every other attribute's rows cut away. It is
run once per attribute, since each costs the same.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from api_schemas.card import ModelCard
from bench.report import Goal, Report
from bench.runtime import open_session
from bench.timing import Progress, Rounds, interleaved, per_second
from model.encoder import SHIPPED_MODEL, Encoder
from model.training.asen import Asen, NetworkConfig

GOAL_SHARE = 0.8
"""Of A, the number of attributes: how many times faster one pass should be."""
BATCHES = (1, 16)
TOLERANCE = 1e-4
TOGETHER = "one pass"
ALONE = "a pass each"


def measure(progress: Progress, *, quick: bool) -> Report:
    """Compare the two ways at the shipped model's shape."""
    card = Encoder.load(SHIPPED_MODEL).card
    network = _network(card)
    progress("exporting two graphs")
    with tempfile.TemporaryDirectory(prefix="lapel-bench-") as folder:
        together = _exported(network, card, Path(folder) / "together.onnx")
        alone = _exported(_first_attribute(network), card, Path(folder) / "alone.onnx")
    _check_same_network(together, alone, card)
    by_batch = {}
    for batch in BATCHES:
        progress(f"batch of {batch}")
        images = _images(card, batch)
        contenders = {
            TOGETHER: _images_per_second(together, images, 1, quick),
            ALONE: _images_per_second(alone, images, len(card.attributes), quick),
        }
        by_batch[batch] = interleaved(contenders, 3 if quick else 11, progress)
    return _report(by_batch, card)


def _report(by_batch: Mapping[int, Rounds], card: ModelCard) -> Report:
    attributes = len(card.attributes)
    ratios = {batch: rounds.ratio(TOGETHER, ALONE) for batch, rounds in by_batch.items()}
    return Report(
        name="one_pass",
        title=f"One pass for all {attributes} attributes",
        method=f"Images per second of the {card.backbone} network at "
        f"{card.preprocessing.input_size} px in ONNX Runtime: one pass that gives all "
        f"{attributes} attributes, against {attributes} passes of the same network with one "
        "attribute's heads, as the original code does it.",
        columns=("images at a time", f"{TOGETHER}, images/s", f"{ALONE}, images/s", "ratio"),
        rows=[
            (
                str(batch),
                f"{rounds.median(TOGETHER):.1f}",
                f"{rounds.median(ALONE):.1f}",
                str(ratios[batch]),
            )
            for batch, rounds in by_batch.items()
        ],
        goals=[
            Goal(f"times faster, batch of {batch}", GOAL_SHARE * attributes, ratio.median)
            for batch, ratio in ratios.items()
        ],
    )


class _Serving(nn.Module):
    """The outputs of the model file, by position."""

    def __init__(self, network: Asen) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        e = self.network(images)
        return e.vectors, e.norms, e.attention, e.visible_logits.sigmoid(), e.global_vector


Floats = NDArray[np.float32]
Vectors = Callable[[Floats], Floats]


def _network(card: ModelCard) -> Asen:
    """The shipped network's shape with random weights, which take the same time."""
    torch.manual_seed(0)
    config = NetworkConfig(
        value_counts=tuple(len(attribute.values) for attribute in card.attributes),
        backbone=card.backbone,
        embedding_dimension=card.embedding_dimension,
    )
    return Asen(config).eval()


def _first_attribute(network: Asen) -> Asen:
    """The same network with the first attribute alone."""
    config = replace(network.config, value_counts=network.config.value_counts[:1])
    one = Asen(config).eval()
    every = network.state_dict()
    one.load_state_dict(
        {
            name: every[name][tuple(slice(0, size) for size in tensor.shape)]
            for name, tensor in one.state_dict().items()
        }
    )
    return one


def _exported(network: Asen, card: ModelCard, path: Path) -> Vectors:
    side = card.preprocessing.input_size
    program = torch.onnx.export(
        _Serving(network).eval(),
        (torch.zeros(2, 3, side, side),),
        input_names=["images"],
        output_names=["vectors", "norms", "attention", "visible", "global"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)
    session = open_session(path.read_bytes())
    return lambda images: session.run(None, {"images": images})[0]


def _check_same_network(together: Vectors, alone: Vectors, card: ModelCard) -> None:
    images = _images(card, 2)
    difference = float(np.abs(together(images)[:, :1] - alone(images)).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the two graphs differ by {difference:.1e}, not one network")


def _images(card: ModelCard, batch: int) -> Floats:
    side = card.preprocessing.input_size
    return np.random.default_rng(0).standard_normal((batch, 3, side, side), dtype=np.float32)


def _images_per_second(
    vectors: Vectors, images: Floats, passes: int, quick: bool
) -> Callable[[], float]:
    def work() -> None:
        for _ in range(passes):
            vectors(images)

    return lambda: len(images) * per_second(work, 0.3 if quick else 2.0)
