"""Runs whose photographs stand on other grounds, beside drawn garments."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from model.labels import LabelTable, read_labels  # noqa: E402
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
            self, embeddings: Embeddings, values: torch.Tensor, visible: torch.Tensor
        ) -> torch.Tensor:
            answers.append((embeddings, visible))
            return super().forward(embeddings, values, visible)

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
