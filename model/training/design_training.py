"""Teaching a finished network the space ``design``: which picture is an edited copy of which.

No labels are needed: every photograph is shown whole and in edited copies. Where the table has
labels, garments of equal values come into one step together, so that the hardest negatives, other
garments of the same kind, are told apart by more than their kind.

The trunk is only read, never changed. The same seed gives the same head on the same machine,
interrupted or not.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from rich.console import Console
from torch import Tensor, nn

from model.labels import LabelTable
from model.metrics import average_precision
from model.pixels import normalise
from model.training.averaging import WeightAverage
from model.training.config import TrainConfig
from model.training.cutouts import Cutouts
from model.training.data import packed_pixels
from model.training.design_losses import (
    DesignLosses,
    Queue,
    contrast_loss,
    direction_loss,
    equal_content_loss,
    spread_loss,
)
from model.training.design_space import DesignHead, frozen_taps, new_head
from model.training.design_views import Ask, ViewMaker, Views
from model.training.machine import choose_device, keep_freed_memory, progress_bar
from model.training.optimizer import Muon
from model.training.runs import Run, save

FILE: Final = "design.pt"
_LAST: Final = "design-last.pt"
_PACK_MARGIN: Final = 1.6  # crops of a photograph are sharper than its packed copy
_ALIKE_TOGETHER: Final = 8  # garments of equal values that come into one step
_VALIDATED_AT_MOST: Final = 500
_TRUNK_BATCH: Final = 32


@dataclass(frozen=True)
class DesignConfig:
    """Everything that decides the design space's training; saved beside its checkpoint.

    Attributes:
        epochs: times every photograph is shown.
        photographs: per step.
        copies: edited copies of each, beside the whole photograph, from mild to severe.
        small_epochs: share of the epochs, the first ones, that see small pictures.
        small_size: their side, as a share of the network's input.
        queue: vectors of earlier steps that serve as negatives.
        start_from: work folder whose head gives the first weights: of a trunk like this one.
    """

    epochs: int = 10
    photographs: int = 16
    copies: int = 3
    small_epochs: float = 0.5
    small_size: float = 0.7
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    queue: int = 4096
    ema_decay: float = 0.99
    seed: int = 0
    device: str = "auto"
    start_from: str = ""
    losses: DesignLosses = field(default_factory=DesignLosses)


def train_design(
    run: Run,
    table: LabelTable,
    config: DesignConfig,
    work_folder: Path,
    *,
    console: Console | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> DesignHead:
    """Train a head on the run's trunk, with the photographs of ``train``, choosing by ``valid``.

    Goes on from ``work_folder/design-last.pt`` where that was trained on the same trunk by the
    same configuration. The best epoch is left in ``work_folder/design.pt``.

    Args:
        run: the finished run; it is not changed.
        table: labels with both splits.
        config: the recipe.
        work_folder: checkpoints and packed photographs go here.
        console: where progress is shown; default stderr.
        after_epoch: called with the epoch just checkpointed.

    Raises:
        LabelTableError: a split is missing.
        ValueError: the trunk lacks the grids that are read, or the folder holds a head trained by
            another configuration on this very trunk.
    """
    keep_freed_memory()
    console = console or Console(stderr=True)
    return _DesignLoop(run, table, config, work_folder, console).run(after_epoch)


def require_design_space(config: TrainConfig) -> None:
    """See beforehand whether a run of this configuration can be given a design space.

    Raises:
        ValueError: not by this design, or not with this backbone.
    """
    if config.design != "lapel":
        raise ValueError(f"a design space needs design 'lapel', not {config.design!r}")
    new_head(config.backbone, config.embedding_dimension)


def with_design_space(run: Run, work_folder: Path) -> Run:
    """The run with the head in its work folder, if there is one.

    Raises:
        ValueError: the head was trained on other weights of the trunk.
    """
    path = work_folder / FILE
    if not path.exists():
        return run
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["trunk"] != trunk_fingerprint(run.network):
        raise ValueError(
            f"the design space in {path} was trained on other weights than the run has now: "
            f"train it again (lapel train-design {work_folder} ...), or remove {path}"
        )
    run.design_head = _loaded(run, state["head"])
    return run


def trunk_fingerprint(network: nn.Module) -> str:
    """sha256 of the trunk's weights, in hexadecimal digits."""
    key = hashlib.sha256()
    for name, tensor in sorted(_trunk(network).state_dict().items()):
        key.update(name.encode())
        key.update(tensor.cpu().contiguous().numpy().tobytes())
    return key.hexdigest()


def _trunk(network: nn.Module) -> nn.Module:
    trunk = getattr(network, "trunk", None)
    if not isinstance(trunk, nn.Module) or not hasattr(network, "from_features"):
        raise ValueError("a design space can be trained for networks of design 'lapel' only")
    return trunk


def _loaded(run: Run, weights: dict[str, Tensor]) -> DesignHead:
    head = new_head(run.config.backbone, run.config.embedding_dimension)
    head.load_state_dict(weights)
    return head.eval()


class _DesignLoop:
    """State of a training in progress."""

    def __init__(
        self, run: Run, table: LabelTable, config: DesignConfig, folder: Path, console: Console
    ) -> None:
        self.source, self.config, self.folder, self.console = run, config, folder, console
        self.trunk_name = trunk_fingerprint(run.network)
        self.device = choose_device(config.device)
        self.training, validation = table.split("train"), table.split("valid")
        self.preprocessing = run.config.preprocessing()
        self.views = self._maker(self.training)
        self.exam = _Exam.of(self._maker(validation), config.seed)
        self.taps = frozen_taps(_trunk(run.network)).to(self.device)
        torch.manual_seed(config.seed)
        head = new_head(run.config.backbone, run.config.embedding_dimension)
        self.head = head.to(self.device).to(memory_format=torch.channels_last)
        if config.start_from:
            earlier = torch.load(Path(config.start_from) / FILE, weights_only=True)
            self.head.load_state_dict(earlier["head"])
        self.average = WeightAverage(self.head, config.ema_decay)
        self.queue = Queue(config.queue, run.config.embedding_dimension, self.device)
        self.optimizers = _optimizers(self.head, config)
        self.epoch, self.best, self.history = 0, -1.0, list[dict[str, Any]]()

    def _maker(self, table: LabelTable) -> ViewMaker:
        side = round(self.preprocessing.input_size * _PACK_MARGIN / 16) * 16
        larger = self.preprocessing.model_copy(update={"input_size": side})
        packed = packed_pixels(table.files, larger, self.folder)
        pack = Path(str(packed.filename))
        masks = Cutouts.of(packed, pack.with_name(f"garments-{pack.name}")).masks
        others = getattr(self, "views", None)
        return ViewMaker(
            packed, masks, others.packed if others else packed, self.preprocessing, _threads()
        )

    def run(self, after_epoch: Callable[[int], None] | None) -> DesignHead:
        """Train what is left, then return the best epoch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        with progress_bar(self.console) as bar:
            task = bar.add_task("design space", total=self.config.epochs, completed=self.epoch)
            while self.epoch < self.config.epochs:
                steps = self._steps()
                inner = bar.add_task(f"epoch {self.epoch + 1}", total=len(steps))
                terms = []
                for number, views in enumerate(self._prepared(steps)):
                    self._set_rate(self.epoch + number / len(steps))
                    terms.append(self._step(views))
                    bar.update(
                        inner,
                        advance=1,
                        description=f"epoch {self.epoch + 1}, loss {terms[-1]['loss']:.3f}",
                    )
                bar.remove_task(inner)
                self._finish_epoch(terms)
                bar.update(task, completed=self.epoch)
                bar.console.print(_line(self.history[-1]), highlight=False)
                if after_epoch:
                    after_epoch(self.epoch)
        state = torch.load(self.folder / FILE, map_location="cpu", weights_only=True)
        return _loaded(self.source, state["head"])

    def _steps(self) -> list[NDArray[np.int64]]:
        """Rows of each step: groups of garments with equal values, in random order."""
        rng = np.random.default_rng((self.config.seed, self.epoch))
        cells = list(zip(*self.training.cells.values(), strict=True))
        shuffled = rng.permutation(len(cells))
        ordered = np.array(sorted(shuffled.tolist(), key=lambda row: cells[row]), np.int64)
        groups = [
            ordered[start : start + _ALIKE_TOGETHER]
            for start in range(0, len(ordered), _ALIKE_TOGETHER)
        ]
        mixed = np.concatenate([groups[i] for i in rng.permutation(len(groups))])
        size = min(self.config.photographs, len(mixed))
        return [mixed[start : start + size] for start in range(0, len(mixed) - size + 1, size)]

    def _prepared(self, steps: Sequence[NDArray[np.int64]]) -> Iterator[Views]:
        """Each step's views, made while the step before is learnt from."""
        maker = self._sized_views()
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(maker.make, self._asked(rows)) for rows in steps[:1]]
            for following in [*steps[1:], None]:
                views = coming.pop().result()
                if following is not None:
                    coming.append(ahead.submit(maker.make, self._asked(following)))
                yield views

    def _step(self, views: Views) -> dict[str, float]:
        grids = self._grids(views.pixels)
        self.head.train()
        embedding = self.head(grids)
        photographs = torch.from_numpy(views.photographs).to(self.device)
        kept = torch.from_numpy(views.kept).to(self.device)
        weights = self.config.losses
        terms = {
            "contrast": contrast_loss(
                embedding.vectors, photographs, self.queue, weights.temperature
            ),
            "direction": weights.direction
            * direction_loss(embedding.norms, photographs, kept, weights.less_content),
            "equal": weights.equal_content * equal_content_loss(embedding.norms, photographs, kept),
            "spread": weights.spread * spread_loss(embedding.vectors, photographs, self.queue),
        }
        loss = torch.stack(list(terms.values())).sum()
        self.head.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.head.parameters(), 5.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update(self.head)
        self.queue.put(embedding.vectors, photographs)
        return {"loss": float(loss.detach())} | {k: float(v.detach()) for k, v in terms.items()}

    def _sized_views(self) -> ViewMaker:
        """Small pictures first: most of the learning at half the cost."""
        if (self.epoch + 1) / self.config.epochs > self.config.small_epochs + 1e-9:
            return self.views
        side = max(32, round(self.preprocessing.input_size * self.config.small_size / 16) * 16)
        smaller = self.preprocessing.model_copy(update={"input_size": side})
        return replace(self.views, preprocessing=smaller)

    def _asked(self, rows: NDArray[np.int64]) -> list[Ask]:
        """Every photograph whole, then copies of rising strength."""
        asked = []
        for row in rows.tolist():
            asked.append(Ask(row, 0.0, (), ()))
            for number in range(self.config.copies):
                low = number / self.config.copies
                seed = (self.config.seed, self.epoch, row, number)
                strength = np.random.default_rng((*seed, 1)).uniform(low, 1.0)
                asked.append(Ask(row, float(strength), None, seed))
        return asked

    @torch.no_grad()
    def _grids(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        parts = [
            self.taps(
                torch.from_numpy(
                    normalise(pixels[start : start + _TRUNK_BATCH], self.preprocessing)
                )
                .to(self.device)
                .contiguous(memory_format=torch.channels_last)
            )
            for start in range(0, len(pixels), _TRUNK_BATCH)
        ]
        return [torch.cat(grids) for grids in zip(*parts, strict=True)]

    def _set_rate(self, epoch: float) -> None:
        done = epoch / self.config.epochs
        warm = min(1.0, (epoch + 0.02) / 0.5)
        rate = self.config.learning_rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _finish_epoch(self, terms: Sequence[dict[str, float]]) -> None:
        entry: dict[str, Any] = {"epoch": self.epoch + 1}
        entry |= {name: float(np.mean([t[name] for t in terms])) for name in terms[0]}
        entry |= self.exam.marks(self._embedded)
        self.history.append(entry)
        self.epoch += 1
        self._checkpoint(entry["micro_ap"])

    @torch.no_grad()
    def _embedded(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """(N, D) vectors and (N,) norms by the averaged head."""
        parts = []
        for start in range(0, len(pixels), _TRUNK_BATCH):
            head = self.average.network(self._grids(pixels[start : start + _TRUNK_BATCH]))
            parts.append((head.vectors.cpu().numpy(), head.norms.cpu().numpy()))
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _checkpoint(self, mark: float) -> None:
        if mark > self.best:
            self.best = mark
            averaged = {
                "head": self.average.network.state_dict(),
                "trunk": self.trunk_name,
                "history": self.history,
            }
            save(averaged, self.folder / FILE)
        state = {
            "config": _as_json(self.config),
            "trunk": self.trunk_name,
            "epoch": self.epoch,
            "best": self.best,
            "history": self.history,
            "head": self.head.state_dict(),
            "average": self.average.network.state_dict(),
            "average_steps": self.average.steps,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "queue": (self.queue.vectors, self.queue.photographs),
        }
        save(state, self.folder / _LAST)
        (self.folder / "design-history.json").write_text(json.dumps(self.history, indent=1))

    def _resume(self) -> None:
        path = self.folder / _LAST
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["trunk"] != self.trunk_name:
            self.console.print("the trunk has changed: training the design space from the start")
            return
        config = TypeAdapter(DesignConfig).validate_json(state["config"])
        if _as_json(config) != _as_json(self.config):
            raise ValueError(
                f"{path} was trained by another configuration; remove it to start over"
            )
        self.head.load_state_dict(state["head"])
        self.average.network.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.queue.vectors, self.queue.photographs = state["queue"]
        self.epoch, self.best, self.history = state["epoch"], state["best"], state["history"]
        self.console.print(f"design space: resuming after epoch {self.epoch}")


@dataclass(frozen=True)
class _Exam:
    """What an epoch is judged by: copies of validation photographs, the same every time."""

    wholes: Views
    copies: Views
    crops: Views

    @classmethod
    def of(cls, maker: ViewMaker, seed: int) -> "_Exam":
        count = min(len(maker.packed), _VALIDATED_AT_MOST)
        strengths = np.random.default_rng((seed, 7)).uniform(0.2, 1.0, count)
        return cls(
            maker.make([Ask(row, 0.0, (), ()) for row in range(count)]),
            maker.make([Ask(r, float(strengths[r]), None, (seed, 8, r)) for r in range(count)]),
            maker.make([Ask(r, 1.0, ("crop",), (seed, 9, r)) for r in range(count)]),
        )

    def marks(
        self, embedded: Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], ...]]
    ) -> dict[str, float]:
        """Micro average precision of the cosine, and the share of crops of smaller norm.

        Every second copy has its source taken away from among the references: nothing found for
        it is right.
        """
        (references, norms), (queries, _), (_, cropped) = (
            embedded(views.pixels) for views in (self.wholes, self.copies, self.crops)
        )
        cosines = queries @ references.T
        own = np.eye(len(cosines), dtype=bool)
        stays = ~own
        stays[::2] = True
        order = np.argsort(-cosines[stays], kind="stable")
        return {
            "micro_ap": average_precision(own[stays][order]),
            "crops_right": float(np.mean(cropped < norms)),
        }


def _optimizers(head: DesignHead, config: DesignConfig) -> list[torch.optim.Optimizer]:
    """Muon for the head's convolutions, as for the trunk's; AdamW for the rest."""
    kernels = [p for p in head.parameters() if p.ndim == 4 and p.shape[0] > 1]
    taken = {id(p) for p in kernels}
    rest = [p for p in head.parameters() if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    muon = Muon(kernels, config.learning_rate, config.weight_decay)
    return [muon, torch.optim.AdamW(groups, lr=config.learning_rate)]


def _threads() -> int:
    return max(1, torch.get_num_threads())


def _as_json(config: DesignConfig) -> str:
    return json.dumps(asdict(config), indent=1)


def _line(entry: dict[str, Any]) -> str:
    return (
        f"epoch {entry['epoch']:3d}  loss {entry['loss']:.3f}  copies found (micro AP, validation) "
        f"{entry['micro_ap']:.3f}  crops' direction right {entry['crops_right']:.3f}"
    )
