"""What an import is asked for, and what it tells of itself."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from service.feeds.records import FeedError, Problem

OUTCOMES: Final = ("created", "replaced", "updated", "unchanged", "failed", "deleted")
"""What becomes of a garment: new, with other images, with new metadata alone, as it was, not
stored (a row that is lost included), or gone from the feed."""
FETCHED: Final = "fetched"
"""Images asked for by URL, whether or not they came."""
NOTHING_DELETED: Final = "nothing_deleted"
"""Code of the fault that says why what seems missing stays."""


class EmptyFeedError(FeedError):
    """A feed of which no product can be read, and which was to say what is deleted."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is to be done with a feed.

    Attributes:
        catalog: where the garments go.
        currency: ISO 4217 code for prices that name none.
        refetch: fetch every image, also where its address is the one stored.
        delete_missing: in the end, delete what imports stored before and this feed does not have.
        images_per_product: how many of a product's images are stored, 1 to 8.
    """

    catalog: str
    currency: str | None = None
    refetch: bool = False
    delete_missing: bool = False
    images_per_product: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that could not be done, as a line of the errors' file.

    Attributes:
        number: line of a table or of NDJSON, ordinal of an XML or JSON element; 0 for the whole.
        id: the garment, where it is known.
        column: as the feed writes it; `images` for an image that cannot be had.
        code: row_unreadable, value_unreadable, duplicate_id, reserved_name, invalid_metadata,
            nothing_deleted, feed_unreadable, or the code of a problem document.
        message: the value received and the values allowed.
    """

    number: int
    id: str | None
    column: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Some entries of the feed, dealt with and on disk.

    Attributes:
        entries: of the feed so far, from its beginning; an import goes on behind them.
        counts: of this step, by `OUTCOMES` and `FETCHED`.
        faults: of this step.
        progress: how much of the file has been read, 0 to 1.
    """

    entries: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: tuple[Fault, ...] = ()
    progress: float = 0.0


def fault_of(problem: Problem) -> Fault:
    """What a feed's reader could not read."""
    code = "value_unreadable" if problem.kept else "row_unreadable"
    return Fault(problem.number, None, problem.column, code, problem.message)
