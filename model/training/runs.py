"""What a training run leaves behind, and the network it is read back into."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from model.training.asen import NetworkConfig
from model.training.config import TrainConfig
from model.training.design_space import DesignHead
from model.training.designs.registry import design_named


@dataclass
class Run:
    """A training run's outcome: the averaged network and what it learnt from."""

    network: nn.Module
    config: TrainConfig
    attributes: tuple[str, ...]
    value_names: tuple[tuple[str, ...], ...]
    left_out_values: dict[str, tuple[str, ...]]
    training_images: int
    validation_map: float
    history: list[dict[str, Any]]
    design_head: DesignHead | None = None  # `design_training.with_design_space` finds it


def load_run(work_folder: Path) -> Run:
    """The best epoch so far of the run in a work folder.

    Raises:
        FileNotFoundError: the folder holds no checkpoint with a validated epoch.
    """
    state = torch.load(work_folder / "last.pt", map_location="cpu", weights_only=True)
    config = TypeAdapter(TrainConfig).validate_json(state["config"])
    value_names = tuple(tuple(names) for names in state["value_names"])
    network = new_network(replace(config, pretrained=False), value_names)
    network.load_state_dict(
        torch.load(work_folder / "best.pt", map_location="cpu", weights_only=True)
    )
    return Run(
        network=network.eval(),
        config=config,
        attributes=tuple(state["attributes"]),
        value_names=value_names,
        left_out_values={a: tuple(values) for a, values in state["left_out_values"].items()},
        training_images=state["training_images"],
        validation_map=state["best"],
        history=state["history"],
    )


def save(state: Any, path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def new_network(config: TrainConfig, value_names: tuple[tuple[str, ...], ...]) -> nn.Module:
    """The network a configuration asks for, for these values per attribute."""
    return design_named(config.design).build(_network_config(config, value_names))


def _network_config(config: TrainConfig, value_names: tuple[tuple[str, ...], ...]) -> NetworkConfig:
    return NetworkConfig(
        value_counts=tuple(len(names) for names in value_names),
        backbone=config.backbone,
        pretrained=config.pretrained,
        embedding_dimension=config.embedding_dimension,
    )
