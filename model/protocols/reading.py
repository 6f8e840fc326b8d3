"""One way into every published data set: what to measure, and what to train on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.labels import LabelTable
from model.protocols.label_rows import joined, label_rows
from model.protocols.retrieval_lists import MEASURED_SPLITS, read_annotated, read_lists
from model.protocols.stanford import WHOLE_SET, read_ground_truth, read_stanford
from model.protocols.tasks import Protocol, ProtocolError, RetrievalTask, TripletTask
from model.protocols.zappos import SPLITS, read_triplet_lists

Task = RetrievalTask | TripletTask

SPLITS_OF: Final[Mapping[Protocol, Sequence[str]]] = {
    Protocol.FASHIONAI: MEASURED_SPLITS,
    Protocol.DARN: MEASURED_SPLITS,
    Protocol.DEEPFASHION: MEASURED_SPLITS,
    Protocol.ZAPPOS: tuple(SPLITS),
    Protocol.STANFORD: (WHOLE_SET,),
}
"""The splits that can be measured."""


def read_task(protocol: Protocol, folder: Path, split: str) -> Task:
    """What one split of a published data set asks.

    Args:
        protocol: which data set.
        folder: where its files lie; docs/protocols.md shows each layout.
        split: one of `SPLITS_OF`.

    Raises:
        ProtocolError: no such folder or split, a malformed file, or missing pictures.
    """
    _require_folder(folder)
    if split not in SPLITS_OF[protocol]:
        known = ", ".join(SPLITS_OF[protocol])
        raise ProtocolError(f"{protocol} has no split {split!r} to measure; it has: {known}")
    task = _read(protocol, folder, split)
    _require_pictures(task.files)
    return task


def read_training_labels(protocol: Protocol, folder: Path) -> LabelTable:
    """The training and validation pictures as a table that a model can be trained on.

    Values are the published value numbers, as text. Stanford's set has no split: its rows are all
    in "all".

    Raises:
        ProtocolError: the set has triplets and no labels, a file is malformed, or pictures are
            missing.
    """
    _require_folder(folder)
    if protocol is Protocol.ZAPPOS:
        raise ProtocolError("zappos has triplets and no labels: there is no table to write")
    if protocol is Protocol.STANFORD:
        table = label_rows(*read_ground_truth(folder), split=WHOLE_SET)
    else:
        splits = ("train", "valid")
        table = joined(
            [label_rows(*read_annotated(protocol, folder, split), split=split) for split in splits]
        )
    _require_pictures(table.files)
    return table


def _read(protocol: Protocol, folder: Path, split: str) -> Task:
    if protocol is Protocol.ZAPPOS:
        return read_triplet_lists(folder, split)
    if protocol is Protocol.STANFORD:
        return read_stanford(folder)
    return read_lists(protocol, folder, split)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ProtocolError(f"{folder} is no folder; the published files are looked for in one")


def _require_pictures(files: Sequence[Path]) -> None:
    # Asked before anything is embedded: DARN's pictures come from links, of which some are dead.
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise ProtocolError(
            f"{len(missing)} of {len(files)} pictures are missing; the first is {missing[0]}"
        )
