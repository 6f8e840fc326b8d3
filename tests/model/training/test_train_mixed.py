"""Runs whose photographs stand on other grounds, beside drawn garments."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from model.labels import LabelTable, read_labels  # noqa: E402
from model.training import batches  # noqa: E402
from model.training import train as loop  # noqa: E402
from model.training.asen import Embeddings  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.drawn import DrawnGarments  # noqa: E402
from model.training.grounds import Grounds  # noqa: E402
from model.training.losses import AttributeLoss, LossWeights, attention_loss  # noqa: E402
from model.training.runs import Run  # noqa: E402
from model.training.train import train  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("shallow_trunks", "few_drawings")]
CONFIG = TrainConfig(
    input_size=32,
    embedding_dimension=8,
    epochs=3,
    batch_size=12,
    min_value_count=1,
    drawn_share=0.5,
    new_ground_share=0.5,
    losses=LossWeights(attention=1.0),
    device="cpu",
)
QUIET = Console(quiet=True)


@pytest.fixture
def few_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    for made, name, count in ((DrawnGarments, "make", 24), (Grounds, "of", 6)):
        monkeypatch.setattr(made, name, functools.partial(getattr(made, name), count=count))


@pytest.fixture(scope="module")
def table(first_garments: Callable[[int], Path]) -> LabelTable:
    return read_labels(first_garments(40), attributes=("color", "collar"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs keep their photographs and cut-out garments."""
    return tmp_path_factory.mktemp("packed")


class Interrupted(Exception):  # noqa: N818
    pass


def stop(epoch: int) -> None:
    raise Interrupted


def weights(run: Run) -> "torch.Tensor":
    return torch.cat([p.flatten() for p in run.network.parameters()])


def test_a_mixed_run_stopped_and_resumed_ends_like_one_that_was_not(
    table: LabelTable, packed: Path, tmp_path: Path
) -> None:
    whole = train(table, CONFIG, tmp_path / "whole", console=QUIET, pack_folder=packed)
    (garments,) = packed.glob("garments-pixels-*.npy")
    written = garments.stat().st_mtime_ns
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(
                *(table, CONFIG, tmp_path / "stopped"),
                console=QUIET,
                after_epoch=stop,
                pack_folder=packed,
            )
    resumed = train(table, CONFIG, tmp_path / "stopped", console=QUIET, pack_folder=packed)
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole.history]
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert garments.stat().st_mtime_ns == written  # cut out once for all of them


def test_each_ingredient_changes_what_is_learnt(
    table: LabelTable, packed: Path, tmp_path: Path
) -> None:
    every = replace(CONFIG, epochs=1)
    configs = {
        "every": every,
        "no drawings": replace(every, drawn_share=0.0),
        "own grounds": replace(every, new_ground_share=0.0),
        "attention untaught": replace(every, losses=LossWeights(attention=0.0)),
    }
    losses = {
        name: train(table, config, tmp_path / name, console=QUIET, pack_folder=packed).history
        for name, config in configs.items()
    }
    assert len({history[0]["loss"] for history in losses.values()}) == len(configs)


def test_attention_is_taught_on_the_drawn_garments_of_a_batch(
    table: LabelTable, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[Embeddings, torch.Tensor]] = []
    lessons: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Watched(AttributeLoss):
        def forward(
            self,
            embeddings: Embeddings,
            values: torch.Tensor,
            visible: torch.Tensor,
            groups: torch.Tensor,
        ) -> torch.Tensor:
            answers.append((embeddings, visible))
            assert len(groups[12:].unique()) == 6  # every drawing is by a hand of its own
            assert not set(groups[12:].tolist()) & set(groups[:12].tolist())
            return super().forward(embeddings, values, visible, groups)

    def watched(attention: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        lessons.append((attention, parts))
        return attention_loss(attention, parts)

    monkeypatch.setattr(loop, "AttributeLoss", Watched)
    monkeypatch.setattr(loop, "attention_loss", watched)
    train(table, replace(CONFIG, epochs=1), tmp_path, console=QUIET, pack_folder=packed)
    assert len(lessons) == len(answers) == 2  # 24 photographs, 12 in a batch
    for (embeddings, visible), (attention, parts) in zip(answers, lessons, strict=True):
        assert len(embeddings.vectors) == 12 + 6  # half as many drawings behind the photographs
        assert torch.equal(attention, embeddings.attention[12:])
        assert torch.equal(parts.sum(dim=(2, 3)) > 0, visible[12:] == 1)


@pytest.fixture
def green_corners(monkeypatch: pytest.MonkeyPatch) -> list[list[bool]]:
    """Of every batch of photographs, which reach augmentation on the one ground there is, green."""
    seen: list[list[bool]] = []
    green = np.broadcast_to(np.array((0, 255, 0), np.uint8), (1, 48, 48, 3))
    augment = batches.augment

    def watched(images: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.append([corner.tolist() == [0, 1, 0] for corner in images[:, :, 0, 0]])
        return augment(images, *rest)

    monkeypatch.setattr(Grounds, "of", lambda photographs, seed: Grounds(green, green))
    monkeypatch.setattr(batches, "augment", watched)
    return seen


def test_photographs_stand_on_other_grounds_anew_every_epoch(
    table: LabelTable, packed: Path, tmp_path: Path, green_corners: list[list[bool]]
) -> None:
    config = replace(CONFIG, drawn_share=0.0, epochs=2)
    for share in (1.0, 0.5):
        mixed = replace(config, new_ground_share=share)
        train(table, mixed, tmp_path / str(share), console=QUIET, pack_folder=packed)
    (garments,) = packed.glob("garments-pixels-*.npy")
    cut_out = int(np.load(garments).any(axis=(1, 2)).sum())
    assert cut_out > 12
    always, half = green_corners[:4], green_corners[4:]  # two batches an epoch
    assert [sum(map(sum, always[:2])), sum(map(sum, always[2:]))] == [cut_out, cut_out]
    assert 0 < sum(map(sum, half)) < 2 * cut_out
    assert len({tuple(batch) for batch in half}) == 4
