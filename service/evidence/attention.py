"""Where the network looked, as an answer shows it: grids of shares, or pictures."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.errors import ImageNotStored
from service.evidence.canonical import Document, rounded
from service.evidence.making import attention_of
from service.evidence.overlays import as_png_uri, overlay
from service.evidence.store import EvidenceRecord

Form = Literal["none", "grid", "overlay"]


def attention_maps(record: EvidenceRecord, form: Form) -> list[Document]:
    """Both maps of each attribute, as `AttentionMaps`.

    Raises:
        ImageNotStored: overlays need the pictures, which were not kept.
    """
    kept, grid = record.pictures, record.document["attention"]
    maps = zip(record.document["attributes"], *attention_of(record), strict=True)
    if form == "grid":
        return [{"name": each["name"], "a": _grid(a), "b": _grid(b)} for each, a, b in maps]
    if kept.a is None or kept.b is None:
        raise ImageNotStored("the files of this evidence were not kept; ask for attention=grid")
    return [
        {
            "name": each["name"],
            "a": as_png_uri(overlay(kept.a, a, grid["fit"])),
            "b": as_png_uri(overlay(kept.b, b, grid["fit"])),
        }
        for each, a, b in maps
    ]


def _grid(attention: NDArray[np.float32]) -> list[list[float | None]]:
    return [[rounded(share) for share in row] for row in attention.tolist()]
