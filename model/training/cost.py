"""What a design costs: parameters, operations, time on one CPU thread.

Parameters and time are the exported file's; operations are counted in the network it came from.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from model.encoder import Encoder

TIMING_ROUNDS: Final = 31


@dataclass(frozen=True)
class Cost:
    """What it takes to embed one image for all attributes.

    Attributes:
        parameters: numbers in the exported file.
        gflops: 10^9 floating-point operations, a multiplication and an addition counted as two.
        milliseconds: median, exported file, one CPU thread, decoded image in.
    """

    parameters: int
    gflops: float
    milliseconds: float


def costs(designs: Mapping[str, tuple[Path, nn.Module]]) -> dict[str, Cost]:
    """Measure designs side by side, each given as its exported file and its network."""
    encoders = {design: Encoder.load(file, threads=1) for design, (file, _) in designs.items()}
    milliseconds = milliseconds_per_image(encoders)
    return {
        design: Cost(
            parameters=_parameters(file),
            gflops=_operations(network, encoders[design].card.preprocessing.input_size) / 1e9,
            milliseconds=milliseconds[design],
        )
        for design, (file, network) in designs.items()
    }


def milliseconds_per_image(encoders: Mapping[str, Encoder]) -> dict[str, float]:
    """Medians; the designs take turns, so that a busy moment of the machine meets them all."""
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {design: [] for design in encoders}
    for _ in range(TIMING_ROUNDS):
        for design, encoder in encoders.items():
            side = encoder.card.preprocessing.input_size
            image = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
            start = time.perf_counter()
            encoder.encode(image)
            seconds[design].append(time.perf_counter() - start)
    return {design: 1000 * float(np.median(times)) for design, times in seconds.items()}


def _parameters(file: Path) -> int:
    weights = onnx.load(file).graph.initializer
    return sum(
        int(np.prod(weight.dims))
        for weight in weights
        if weight.data_type == onnx.TensorProto.FLOAT
    )


def _operations(network: nn.Module, input_size: int) -> int:
    network.requires_grad_(False)  # the counter follows gradients where a parameter is an input
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, input_size, input_size))
    return int(counter.get_total_flops())
