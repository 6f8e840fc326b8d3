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
from model.training.beyond_labels import BeyondLabels  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.drawn import DrawnGarments  # noqa: E402
from model.training.grounds import Grounds  # noqa: E402
from model.training.losses import AttributeLoss, Labels, LossWeights, attention_loss  # noqa: E402
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
        "other colours": replace(every, beyond_labels=BeyondLabels(recolour=0.5)),
        "stretched": replace(every, beyond_labels=BeyondLabels(stretch=0.5)),
        "mixed": replace(every, beyond_labels=BeyondLabels(mixup=0.5)),
        "balanced": replace(every, balance=0.5),
    }
    losses = {
        name: train(table, config, tmp_path / name, console=QUIET, pack_folder=packed).history
        for name, config in configs.items()
    }
    assert len({history[0]["loss"] for history in losses.values()}) == len(configs)


@pytest.mark.parametrize(
    ("beyond", "kept"),
    [
        (BeyondLabels(), {"color", "collar"}),
        (BeyondLabels(recolour=1.0), {"collar"}),
        (BeyondLabels(stretch=1.0, told_by_proportions=("collar",)), {"color"}),
        (BeyondLabels(recolour=1.0, told_by_colour=()), {"color", "collar"}),
    ],
)
def test_a_photograph_keeps_the_labels_that_survive_its_changes(
    table: LabelTable, packed: Path, beyond: BeyondLabels, kept: set[str]
) -> None:
    config = replace(CONFIG, beyond_labels=beyond)
    training = table.split("train")
    names = tuple(training.values(attribute) for attribute in training.attributes)
    source = batches.Batches(training, names, config, torch.device("cpu"), packed)
    rows = torch.arange(len(training))
    generator = torch.Generator().manual_seed(0)
    labels = source.of(rows, 32, generator).labels
    photographs = labels.values[: len(rows)]
    had = source.targets.values >= 0
    drawn = labels.values[len(rows) :]
    for column, attribute in enumerate(training.attributes):
        left = photographs[had[:, column], column] >= 0
        share = 1.0 if attribute in kept else 0.3 if beyond.stretch else 0.0
        assert float(left.float().mean()) == pytest.approx(share, abs=0.25 if 0 < share < 1 else 0)
        assert (drawn[:, column] >= 0).any()  # drawings are of all colours anyway


def test_pictures_are_blended_with_their_partners_after_all_other_changes(
    table: LabelTable, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, drawn_share=0.0, beyond_labels=BeyondLabels(mixup=1.0))
    training = table.split("train")
    names = tuple(training.values(attribute) for attribute in training.attributes)
    source = batches.Batches(training, names, config, torch.device("cpu"), packed)
    changed: list[torch.Tensor] = []
    augment = batches.augment

    def watched(*given: object) -> torch.Tensor:
        changed.append(augment(*given))
        return changed[-1]

    monkeypatch.setattr(batches, "augment", watched)
    rows = torch.arange(12)
    images, labels, _ = source.of(rows, 32, torch.Generator().manual_seed(0))
    assert (labels.partners != rows).sum() > 6
    before = batches.normalise(changed[0])
    for row in range(12):
        own = float(labels.own_shares[row])
        assert 0.5 <= own <= 1
        blend = own * before[row] + (1 - own) * before[labels.partners[row]]
        torch.testing.assert_close(images[row], blend, atol=1e-5, rtol=1e-5)


def test_attention_is_taught_on_the_drawn_garments_of_a_batch(
    table: LabelTable, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[Embeddings, torch.Tensor]] = []
    lessons: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Watched(AttributeLoss):
        def forward(self, embeddings: Embeddings, labels: Labels) -> torch.Tensor:
            answers.append((embeddings, labels.visible))
            groups = labels.groups
            assert len(groups[12:].unique()) == 6  # every drawing is by a hand of its own
            assert not set(groups[12:].tolist()) & set(groups[:12].tolist())
            return super().forward(embeddings, labels)

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
