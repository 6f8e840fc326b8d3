"""How one picture lies on the other: drawn, and in sentences, for whoever must judge a copy."""

from collections.abc import Iterator
from typing import Final

from api_schemas.evidence import EditedCopy, EvidenceDocument, PicturesAligned
from model.alignment import worth_of_points
from model.copies import NO_COPY
from service.evidence.overlays import as_jpeg, outlined, whole
from service.evidence.report.figures import percent
from service.evidence.report.parts import Columns, Part, Picture, Text
from service.evidence.store import EvidenceRecord

_OF_HOW_MUCH: Final = "1 is complete agreement, 0 none"


def aligned(record: EvidenceRecord, document: EvidenceDocument) -> Iterator[Part]:
    """What is said and shown of it; nothing where vectors alone were compared."""
    copy = document.edited_copy
    if copy is None or copy.alignment is None:
        return
    yield Text(sentence(copy, copy.alignment))
    if copy.decision == NO_COPY:
        return
    kept, names = record.pictures, document.pictures
    if kept.a is None or kept.b is None:
        return
    laid = copy.alignment
    shown = (
        _picture("A", "B", kept.a, (names.a.width, names.a.height), laid.b_in_a),
        _picture("B", "A", kept.b, (names.b.width, names.b.height), laid.a_in_b),
    )
    yield Columns(tuple((each,) for each in shown), (1, 1))
    yield Text(
        "Places may match on a floor or wall that both show, too. Agreement is counted most where "
        "the network looks, which is at the garment.",
        "note",
    )


def sentence(copy: EditedCopy, laid: PicturesAligned) -> str:
    """How many places match, how much of each the other covers, and how far they agree there."""
    turned = ", one of them turned over (mirrored)" if laid.mirrored else ""
    if copy.decision == NO_COPY:
        return (
            f"Laid one on the other as they fit best{turned}, {_places(laid.points)}, and where "
            f"they overlap they agree to {laid.agreement:.2f} ({_OF_HOW_MUCH})."
        )
    rest = (
        f"B covers {percent(round(laid.shown_of_a, 2))} of A, and A "
        f"{percent(round(laid.shown_of_b, 2))} of B. Where they overlap they agree to "
        f"{laid.agreement:.2f} ({_OF_HOW_MUCH})."
    )
    if not worth_of_points(laid.points):
        return (
            "Too few places of the two match to tell how one lies on the other. Laid on each "
            f"other as they fit best{turned}, {rest}"
        )
    return (
        f"{laid.points} places of picture A are found again in picture B{turned}, all moved "
        f"alike, as they are where one was made from the other. Laid on each other so, {rest}"
    )


def _places(points: int) -> str:
    if not worth_of_points(points):
        return "no more places match than in any two pictures"
    return f"{points} places match"


def _picture(
    letter: str,
    other: str,
    data: bytes,
    size: tuple[int, int],
    corners: list[tuple[float, float]],
) -> Picture:
    image = outlined(whole(data, size), corners)
    caption = f"{letter}; the line is the frame of {other}, laid on it"
    return Picture(as_jpeg(image), image.size, caption, f"picture {caption}")
