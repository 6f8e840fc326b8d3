"""FashionAI, DARN and DeepFashion as split for attribute-specific retrieval.

The split files are those of ASEN (Ma et al., AAAI 2020, arXiv 2002.02814) and the papers after it:
filenames_*.txt, label_train.txt, query_*.txt and candidate_*.txt in the data set's folder, beside
the pictures. Values have numbers only; their names are in none of these files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.protocols.split_files import (
    read_annotations,
    read_labels_by_picture,
    read_names,
    read_text,
)
from model.protocols.tasks import PICTURE, Protocol, ProtocolError, RetrievalTask, Rows, only_listed

MEASURED_SPLITS: Final = ("valid", "test")
ATTRIBUTES: Final[Mapping[Protocol, tuple[str, ...]]] = {
    Protocol.FASHIONAI: (
        "skirt_length",
        "sleeve_length",
        "coat_length",
        "pant_length",
        "collar_design",
        "lapel_design",
        "neckline_design",
        "neck_design",
    ),
    Protocol.DARN: (
        "clothes_category",
        "clothes_button",
        "clothes_color",
        "clothes_length",
        "clothes_pattern",
        "clothes_shape",
        "collar_shape",
        "sleeve_length",
        "sleeve_shape",
    ),
    Protocol.DEEPFASHION: (
        "texture_related",
        "fabric_related",
        "shape_related",
        "part_related",
        "style_related",
    ),
}
"""In the order of the split files' attribute numbers, where no meta.json tells another."""
META_NAMES: Final[Mapping[Protocol, str]] = {
    Protocol.FASHIONAI: "FashionAI",
    Protocol.DARN: "DARN",
    Protocol.DEEPFASHION: "DeepFashion",
}
"""What the data sets are called in meta.json."""


def read_lists(protocol: Protocol, folder: Path, split: str) -> RetrievalTask:
    """The query and the candidate list of one split.

    Args:
        protocol: one of `ATTRIBUTES`.
        folder: holds the split files; picture names are relative to it.
        split: "valid" or "test".

    Raises:
        ProtocolError: a file is missing or malformed; names the file and the line.
    """
    attributes = attribute_names(protocol, folder)
    names = read_names(folder / f"filenames_{split}.txt")
    queries, candidates = (
        read_annotations(folder / f"{kind}_{split}.txt", len(names), len(attributes))
        for kind in ("query", "candidate")
    )
    files, (query_rows, candidate_rows) = only_listed(
        [folder / name for name in names], queries[:, PICTURE], candidates[:, PICTURE]
    )
    queries[:, PICTURE], candidates[:, PICTURE] = query_rows, candidate_rows
    return RetrievalTask(protocol, split, files, attributes, queries, candidates)


def read_annotated(
    protocol: Protocol, folder: Path, split: str
) -> tuple[list[Path], tuple[str, ...], Rows]:
    """All that one split says of its pictures, "train" included.

    Returns:
        Pictures, attribute names, and int64 (L, 3) of picture, attribute and value number.

    Raises:
        ProtocolError: a file is missing or malformed; names the file and the line.
    """
    attributes = attribute_names(protocol, folder)
    names = read_names(folder / f"filenames_{split}.txt")
    if split == "train":
        rows = read_labels_by_picture(folder / "label_train.txt", len(names), len(attributes))
    else:
        lists = [folder / f"{kind}_{split}.txt" for kind in ("query", "candidate")]
        rows = np.concatenate([read_annotations(p, len(names), len(attributes)) for p in lists])
    return [folder / name for name in names], attributes, rows


def attribute_names(protocol: Protocol, folder: Path) -> tuple[str, ...]:
    """Names in the order of the attribute numbers.

    The split archive has them in meta.json, beside the folder of each data set; without that file
    they are the published ones. "sleeve length" and "texture-related" are given as sleeve_length
    and texture_related.

    Raises:
        ProtocolError: meta.json is there and does not name this data set's attributes.
    """
    for meta in (folder / "meta.json", folder.resolve().parent / "meta.json"):
        if meta.is_file():
            named = _named_in(meta, META_NAMES[protocol])
            return tuple(name.lower().replace(" ", "_").replace("-", "_") for name in named)
    return ATTRIBUTES[protocol]


def _named_in(meta: Path, data_set: str) -> list[str]:
    try:
        document: Any = json.loads(read_text(meta))
        names = document[data_set]["ATTRIBUTES"]
    except (ValueError, KeyError, TypeError) as exc:
        if isinstance(exc, ProtocolError):
            raise
        raise ProtocolError(f"{meta} does not hold {data_set!r} with its 'ATTRIBUTES'") from exc
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ProtocolError(f"{meta}: 'ATTRIBUTES' of {data_set!r} must be a list of names")
    return names
