"""What carries over from one epoch to the next: weights, their average, optimizers, history.

A checkpoint, ``last.pt``, holds all of it, so that a run that was stopped ends as one that was
not; ``best.pt`` is the average after the epoch that validated best.
"""

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from model.labels import LabelTable
from model.training.averaging import WeightAverage
from model.training.config import TrainConfig, as_json
from model.training.optimizer import optimizers
from model.training.runs import load_run, new_network, save


class RunState:
    """A network being trained.

    Args:
        config: of the run; its seed draws the first weights.
        training: the photographs learnt from.
        value_names: values learnt of each attribute.
        device: where the network is.

    Attributes:
        network: as the last step left it.
        average: moving average of its weights.
        epoch: how many are done.
        best: highest validation MAP so far; below 0 before there is one.
        history: an entry for each epoch.

    Raises:
        ValueError: the run to start from is of another design, or learnt other values.
    """

    def __init__(
        self,
        config: TrainConfig,
        training: LabelTable,
        value_names: tuple[tuple[str, ...], ...],
        device: torch.device,
    ) -> None:
        self._config, self._training, self._value_names = config, training, value_names
        self._device = device
        torch.manual_seed(config.seed)
        self.network = new_network(config, value_names).to(device)
        self.network.to(memory_format=torch.channels_last)
        if config.start_from:
            self.network.load_state_dict(_first_weights(config, value_names))
        self.average = WeightAverage(self.network, config.ema_decay)
        self._optimizers = optimizers(self.network, config.learning_rate, config.weight_decay)
        self._scaler = torch.amp.GradScaler(enabled=device.type == "cuda")
        self.epoch, self.best, self.history = 0, -1.0, list[dict[str, Any]]()

    def learn(self, loss: Tensor, rate: float) -> None:
        """One step of this learning rate down the loss."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        self.network.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers:
            self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimizer in self._optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()
        self.average.update(self.network)

    def choose_anew(self) -> None:
        """Forget the average and the best epoch: another stage begins."""
        self.average = WeightAverage(self.network, self._config.ema_decay)
        self.best = -1.0

    def end_epoch(self, entry: dict[str, Any], folder: Path) -> None:
        """Write a checkpoint of an epoch that is done.

        Args:
            entry: for the history; has ``map`` where the epoch was validated.
            folder: where checkpoints lie.
        """
        self.history.append(entry)
        self.epoch += 1
        score = entry.get("map")
        if score is not None and score > self.best:
            self.best = score
            save(self.average.network.state_dict(), folder / "best.pt")
        save(self._checkpoint(), folder / "last.pt")
        (folder / "config.json").write_text(as_json(self._config))
        (folder / "history.json").write_text(json.dumps(self.history, indent=1))

    def resume(self, folder: Path) -> bool:
        """Go on from the checkpoint in a folder; False where there is none.

        Raises:
            ValueError: it is of another configuration or table.
        """
        path = folder / "last.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self._device, weights_only=True)
        config = TypeAdapter(TrainConfig).validate_json(state["config"])
        same = as_json(config) == as_json(self._config)  # once more, for fields added since
        if not same or state["value_names"] != self._value_names:
            raise ValueError(
                f"{folder} holds a run of another configuration or table; "
                "give another work folder, or remove it to start over"
            )
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._scaler.load_state_dict(state["scaler"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], state["history"]
        return True

    def _checkpoint(self) -> dict[str, Any]:
        return {
            "config": as_json(self._config),
            "attributes": self._training.attributes,
            "value_names": self._value_names,
            "left_out_values": _left_out(self._training, self._value_names),
            "training_images": len(self._training),
            "epoch": self.epoch,
            "best": self.best,
            "history": self.history,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "average_steps": self.average.steps,
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "scaler": self._scaler.state_dict(),
        }


def _first_weights(
    config: TrainConfig, value_names: tuple[tuple[str, ...], ...]
) -> dict[str, Tensor]:
    earlier = load_run(Path(config.start_from))
    if earlier.config.design != config.design:
        raise ValueError(
            f"{config.start_from} trained design {earlier.config.design!r}, not {config.design!r}"
        )
    if earlier.value_names != value_names:
        raise ValueError(
            f"{config.start_from} learnt other attributes or values than this table has"
        )
    weights: dict[str, Tensor] = earlier.network.state_dict()
    return weights


def _left_out(
    table: LabelTable, value_names: tuple[tuple[str, ...], ...]
) -> dict[str, tuple[str, ...]]:
    """Per attribute with any, the values of the table that are too rare to learn."""
    rare = {
        attribute: tuple(v for v in table.values(attribute) if v not in names)
        for attribute, names in zip(table.attributes, value_names, strict=True)
    }
    return {attribute: values for attribute, values in rare.items() if values}
