"""The training loop: progress, validation MAP, checkpoints, resume.

The same seed gives the same model on the same machine, interrupted or not: every epoch draws
from a generator seeded by (seed, epoch), and a checkpoint holds all that carries over.
What is validated and exported is the exponential moving average of the weights.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from model.labels import LabelTable
from model.training.asen import Embeddings
from model.training.batches import Batches
from model.training.config import TrainConfig
from model.training.data import epoch_batches, epoch_order, learnt_values, packed_pixels
from model.training.designs.registry import design_named
from model.training.designs.rival import OwnLoss, Staged, Terms
from model.training.losses import AttributeLoss, attention_loss, balanced_value_weights
from model.training.machine import choose_device, keep_freed_memory, progress_bar
from model.training.run_state import RunState
from model.training.runs import Run, load_run
from model.training.validation import validation_maps


def train(
    table: LabelTable,
    config: TrainConfig,
    work_folder: Path,
    *,
    console: Console | None = None,
    after_epoch: Callable[[int], None] | None = None,
    pack_folder: Path | None = None,
) -> Run:
    """Train on the table's ``train`` split, choosing the epoch by MAP on its ``valid`` split.

    Continues from ``work_folder/last.pt`` when it holds a run of the same configuration.

    Args:
        table: labels with both splits.
        config: the recipe.
        work_folder: checkpoints and history go here.
        console: where progress is shown; default stderr.
        after_epoch: called with the epoch just checkpointed.
        pack_folder: packed photographs go here, for several runs to share; default the work folder.

    Raises:
        LabelTableError: a split is missing.
        ValueError: the folder holds a run of another configuration, or the configuration
            names what does not exist.
    """
    keep_freed_memory()
    console = console or Console(stderr=True)
    return _Loop(table, config, work_folder, console, pack_folder).run(after_epoch)


class _Loop:
    """A run in progress."""

    def __init__(
        self,
        table: LabelTable,
        config: TrainConfig,
        folder: Path,
        console: Console,
        pack_folder: Path | None,
    ) -> None:
        self.config, self.folder, self.console = config, folder, console
        self.stage_ends = design_named(config.design).last_epochs(config.epochs)
        self.loss_weights = config.loss_weights()
        self.device = choose_device(config.device)
        self.training, self.validation = table.split("train"), table.split("valid")
        self.value_names = tuple(
            learnt_values(self.training, attribute, at_least=config.min_value_count)
            for attribute in table.attributes
        )
        packed = pack_folder or folder
        self.batches = Batches(self.training, self.value_names, config, self.device, packed)
        self.validation_pixels = packed_pixels(
            self.validation.files, config.preprocessing(), packed
        )
        self.state = RunState(config, self.training, self.value_names, self.device)
        counts = self.batches.targets.value_counts()
        self.loss = AttributeLoss(self.loss_weights, balanced_value_weights(counts)).to(self.device)

    def run(self, after_epoch: Callable[[int], None] | None) -> Run:
        """Train what is left, then return the best epoch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state, epochs = self.state, self.config.epochs
        if state.resume(self.folder):
            self.console.print(f"resuming after epoch {state.epoch}")
        with progress_bar(self.console) as bar:
            task = bar.add_task("training", total=epochs, completed=state.epoch)
            while state.epoch < epochs:
                entry = self._one_epoch(bar)
                state.end_epoch(entry, self.folder)
                bar.update(task, completed=state.epoch)
                bar.console.print(_line(entry), highlight=False)
                if after_epoch:
                    after_epoch(state.epoch)
        return load_run(self.folder)

    def _one_epoch(self, bar: Progress) -> dict[str, Any]:
        """The epoch's entry in the history."""
        self._enter_stage()
        epoch, config = self.state.epoch, self.config
        size = config.size_at(epoch)
        losses = self._learn(epoch, size, bar)
        entry: dict[str, Any] = {"epoch": epoch + 1, "size": size, "loss": float(np.mean(losses))}
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            maps = validation_maps(
                self.state.average.network,
                self.validation_pixels,
                self.validation,
                self.value_names,
                config,
            )
            entry["map"] = float(np.mean(list(maps.values())))
            entry["maps"] = maps
        return entry

    def _enter_stage(self) -> None:
        """Tell the network; a new stage starts a new average, and the best epoch is one of its."""
        network, stage = self.state.network, self._stage()
        if not isinstance(network, Staged):
            return
        network.enter_stage(stage)
        if stage and self.state.epoch == self.stage_ends[stage - 1]:
            self.state.choose_anew()
        staged = self.state.average.network
        assert isinstance(staged, Staged)
        staged.enter_stage(stage)

    def _stage(self) -> int:
        return sum(self.state.epoch >= end for end in self.stage_ends[:-1])

    def _learn(self, epoch: int, size: int, bar: Progress) -> list[float]:
        """See every photograph once; the loss of each step."""
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
        torch.manual_seed(config.seed * 100_003 + epoch)  # dropout
        order = epoch_order(self.batches.groups, generator, balance=config.balance)
        steps = list(epoch_batches(order, config.batch_size))
        losses: list[float] = []
        task = bar.add_task(f"epoch {epoch + 1}, {size} px", total=len(steps))
        self.state.network.train()
        for step, rows in enumerate(steps):
            loss = self._loss(rows, size, generator)
            self.state.learn(loss, self._learning_rate(epoch + step / len(steps)))
            losses.append(float(loss.detach()))
            said = f"epoch {epoch + 1}, {size} px, loss {losses[-1]:.3f}"
            bar.update(task, advance=1, description=said)
        bar.remove_task(task)
        return losses

    def _loss(self, rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
        images, labels, parts = self.batches.of(rows, size, generator)
        embeddings, terms = self._answer(images)
        loss: Tensor = self.loss(embeddings, labels)
        if len(parts) and self.loss_weights.attention:
            looked = embeddings.attention[-len(parts) :]
            loss = loss + self.loss_weights.attention * attention_loss(looked, parts)
        if isinstance(self.state.network, OwnLoss):
            loss = loss + self.state.network.own_loss(terms, labels.values)
        return loss

    def _answer(self, images: Tensor) -> tuple[Embeddings, Terms]:
        """In float32, also where the network computes with less."""
        network = self.state.network
        terms: Terms = {}
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            if isinstance(network, OwnLoss):
                embeddings, terms = network.embed_with_terms(images)
            else:
                embeddings = network(images)
        embeddings = type(embeddings)(*(tensor.float() for tensor in embeddings))
        return embeddings, {name: tensor.float() for name, tensor in terms.items()}

    def _learning_rate(self, epoch: float) -> float:
        config, stage = self.config, self._stage()
        start = self.stage_ends[stage - 1] if stage else 0  # each stage warms up and cools down
        epoch, epochs = epoch - start, self.stage_ends[stage] - start
        if epoch < config.warmup_epochs:
            return config.learning_rate * (epoch + 0.05) / config.warmup_epochs
        done = (epoch - config.warmup_epochs) / max(1e-9, epochs - config.warmup_epochs)
        return config.learning_rate * (0.005 + 0.995 * (1 + math.cos(math.pi * done)) / 2)


def _line(entry: dict[str, Any]) -> str:
    line = f"epoch {entry['epoch']:3d}  {entry['size']} px  loss {entry['loss']:.4f}"
    return line + (f"  validation MAP {entry['map']:.4f}" if "map" in entry else "")
