"""UT Zappos50k with the triplets of conditional similarity networks (CVPR 2017, arXiv 1603.07810).

A line "a b c" says that picture a is more like c than like b. filenames.json, despite its name, is
a text file with one picture per line, relative to ut-zap50k-images.
"""

from pathlib import Path
from typing import Final

import numpy as np

from model.protocols.split_files import read_names, read_triplets
from model.protocols.tasks import Protocol, TripletTask, only_listed

CONDITIONS: Final = ("class", "closure", "gender", "heel")
SPLITS: Final = {"train": "train", "valid": "val", "test": "test"}
"""Our names of the splits, and those in the file names."""
PICTURES: Final = "ut-zap50k-images"


def read_triplet_lists(folder: Path, split: str) -> TripletTask:
    """All triplets of one split.

    Args:
        folder: holds filenames.json, tripletlists and ut-zap50k-images.
        split: "train", "valid" or "test".

    Raises:
        ProtocolError: a file is missing or malformed; names the file and the line.
    """
    names = read_names(folder / "filenames.json")
    lists = [
        read_triplets(
            folder / "tripletlists" / f"{condition}_tripletlist_{SPLITS[split]}.txt", len(names)
        )
        for condition in CONDITIONS
    ]
    conditions = np.repeat(np.arange(len(CONDITIONS)), [len(rows) for rows in lists])
    files, (pictures,) = only_listed(
        [folder / PICTURES / name for name in names], np.concatenate(lists)
    )
    triplets = np.column_stack([conditions, pictures])
    return TripletTask(Protocol.ZAPPOS, split, files, CONDITIONS, triplets)
