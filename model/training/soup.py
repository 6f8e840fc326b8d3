"""Several runs' weights averaged into one network, which costs no more than one of them.

Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482: networks that were tuned from the same
weights, each in its own way, lie in one valley, and their mean is often better than any of them.
Runs that began from different weights do not average.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.labels import LabelTable
from model.training.data import packed_pixels
from model.training.runs import Run, load_run, save
from model.training.validation import validation_maps


def average_runs(folders: Sequence[Path], table: LabelTable, out: Path) -> Run:
    """Write a work folder whose network is the mean of several runs'.

    Of each run the last epoch counts, not the best: there the learning rate has come to rest.
    Configuration and history are the last folder's. The result is measured on ``valid``.

    Args:
        folders: two or more work folders of one network's shape, tuned from the same weights.
        table: labels with a ``valid`` split.
        out: the work folder to write.

    Returns:
        The run in ``out``.

    Raises:
        ValueError: fewer than two folders, or runs of another network, attributes or values.
        FileNotFoundError: a folder holds no checkpoint with a validated epoch.
    """
    if len(folders) < 2:
        raise ValueError(f"averaging takes two runs or more, got {len(folders)}")
    runs = [load_run(folder) for folder in folders]
    last = runs[-1]
    for folder, run in zip(folders, runs, strict=True):
        if (run.attributes, run.value_names) != (last.attributes, last.value_names):
            raise ValueError(f"{folder} learnt other attributes or values than {folders[-1]}")
    checkpoints = [
        torch.load(folder / "last.pt", map_location="cpu", weights_only=True) for folder in folders
    ]
    mean = _mean([checkpoint["average"] for checkpoint in checkpoints])
    last.network.load_state_dict(mean)
    out.mkdir(parents=True, exist_ok=True)
    score = _validated(last, table, folders[0])
    save(mean, out / "best.pt")
    save({**checkpoints[-1], "average": mean, "best": score}, out / "last.pt")
    return load_run(out)


def _mean(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(each != shapes[0] for each in shapes):
        raise ValueError("the runs trained networks of different shapes")
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in states[-1].items()
    }


def _validated(run: Run, table: LabelTable, packs: Path) -> float:
    valid = table.split("valid")
    pixels = packed_pixels(valid.files, run.config.preprocessing(), packs)
    maps = validation_maps(run.network, pixels, valid, run.value_names, run.config)
    return float(np.mean(list(maps.values())))
