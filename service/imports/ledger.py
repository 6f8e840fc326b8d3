"""What survives the process: imports and webhooks that wait, and what is known of those done.

The ledger lies in a local folder also where the catalog is a Redis: it belongs to one process,
which does the work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from service.feeds.signatures import Shop
from service.imports.records import Fault, ImportOptions, Step

State = Literal["waiting", "running", "done", "failed", "cancelled"]
OPEN: Final[tuple[State, ...]] = ("waiting", "running")
"""The states of an import that has not ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """One import.

    Attributes:
        id: names its feed's file too.
        format: of the feed, once it is known.
        entries: of the feed dealt with.
        counts: by `OUTCOMES` and `FETCHED`.
        faults: how many.
        detail: why it failed, or what it waits for.
        created_at, updated_at: ISO 8601 UTC.
    """

    id: str
    options: ImportOptions
    state: State
    format: str | None
    entries: int
    progress: float
    counts: Mapping[str, int]
    faults: int
    detail: str | None
    created_at: str
    updated_at: str

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook whose signature was right.

    Attributes:
        number: in order of arrival.
    """

    number: int
    shop: Shop
    topic: str
    catalog: str
    currency: str | None
    body: bytes


class Ledger(Protocol):
    """Each method is durable when it returns, may block, and may be called from any thread."""

    def add(self, id: str, options: ImportOptions, format: str) -> None:
        """A new import, waiting."""
        ...

    def jobs(self, limit: int) -> Sequence[Job]:
        """The newest imports, newest first."""
        ...

    def job(self, id: str) -> Job | None:
        """One import."""
        ...

    def next_job(self) -> Job | None:
        """The oldest import that is neither done nor given up; it is running from now on."""
        ...

    def advance(self, id: str, step: Step) -> bool:
        """Add a step; False when the import is not running any more, and nothing is added."""
        ...

    def hold(self, id: str, detail: str) -> None:
        """Say what a running import waits for."""
        ...

    def finish(self, id: str, state: State, detail: str | None = None) -> None:
        """End an import that has not ended."""
        ...

    def faults(self, id: str, skip: int, limit: int) -> Sequence[Fault]:
        """Some of an import's faults, in order."""
        ...

    def receive(
        self, shop: Shop, key: str, topic: str, catalog: str, currency: str | None, body: bytes
    ) -> bool:
        """A webhook; False when one of the same shop and key has come before."""
        ...

    def next_delivery(self) -> Received | None:
        """The oldest webhook not yet dealt with."""
        ...

    def deliver(self, number: int, detail: str | None = None) -> None:
        """A webhook is dealt with; `detail` says what could not be done."""
        ...

    def close(self) -> None:
        """Let go of the folder."""
        ...
