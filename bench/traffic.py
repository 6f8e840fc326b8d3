"""Steady traffic on services that may die under it, and what became of every request.

Nothing is sent twice: a request that fails counts as one, so that an outage shows as long as it
was. A write without an answer may have been done or not; both are right.
"""

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lapel_client import LapelClient, LapelError, ProblemError, Retries, StoredGarment

TIMEOUT_S = 20.0
ONCE = Retries(attempts=1)
RING = 100
"""Garments that each writer writes in turn, so that most writes replace an earlier one."""
CATALOG = "traffic"

ATTRIBUTES = ("collar", "sleeve_length")

Kind = Literal["search", "write"]
Search = Callable[[LapelClient, int], list[tuple[str, float]]]
"""Gets a running number beside the client."""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        service: which one was asked.
        at: when it was sent, s.
        took_s: until its answer, or until it was clear that there is none.
        failure: None where it succeeded; otherwise the problem's code or the kind of error.
        says_when: the refusal says when to come again.
    """

    service: int
    kind: Kind
    at: float
    took_s: float
    failure: str | None
    says_when: bool

    @property
    def ended(self) -> float:
        """When, s."""
        return self.at + self.took_s


class Traffic:
    """Searches and writes, a thread each for every service.

    Args:
        urls: of the services.
        pictures: that are written.
        search: is sent again and again.
        per_second: requests that each service gets.
    """

    def __init__(
        self,
        urls: Sequence[str],
        pictures: Sequence[bytes],
        search: Search,
        per_second: Mapping[Kind, float],
    ) -> None:
        self._pictures = pictures
        self._ask = search
        self._stop = threading.Event()
        self._requests: list[Request] = []
        self.sent: dict[str, int] = {}
        """Highest version sent, by garment."""
        self.acknowledged: dict[str, int] = {}
        """Highest version that was answered as stored."""
        self.acknowledgements = 0
        self._threads = [
            threading.Thread(target=self._run, args=(number, url, kind, 1 / per_second[kind]))
            for number, url in enumerate(urls)
            for kind in per_second
        ]

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        """Send until the block is left."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def all(self) -> list[Request]:
        """Every request so far."""
        return list(self._requests)

    def of(self, service: int, kind: Kind) -> list[Request]:
        """What one service was asked."""
        return [one for one in self.all() if (one.service, one.kind) == (service, kind)]

    def first_success(self, service: int, kind: Kind, since: float) -> float | None:
        """When the first request sent after `since` was answered as it should be."""
        found = (r for r in self.of(service, kind) if r.at >= since and r.failure is None)
        return min((request.ended for request in found), default=None)

    def _run(self, service: int, url: str, kind: Kind, pause_s: float) -> None:
        send = self._search if kind == "search" else self._write
        with LapelClient(url, timeout_s=TIMEOUT_S, retries=ONCE) as lapel:
            for turn in itertools.count():
                begun = time.monotonic()
                failure, says_when = None, False
                try:
                    send(lapel, service, turn)
                except ProblemError as exc:
                    failure, says_when = exc.code, exc.retry_after_s is not None
                except LapelError as exc:
                    failure = type(exc).__name__
                took_s = time.monotonic() - begun
                self._requests.append(Request(service, kind, begun, took_s, failure, says_when))
                if self._stop.wait(max(0.0, pause_s - took_s)):
                    return

    def _search(self, lapel: LapelClient, service: int, turn: int) -> None:
        self._ask(lapel, turn)

    def _write(self, lapel: LapelClient, service: int, turn: int) -> None:
        id = f"{service}-{turn % RING:03}"
        self.sent[id] = turn
        picture = self._pictures[turn % len(self._pictures)]
        lapel.put_garment(id, picture, metadata={"version": turn}, catalog=CATALOG)
        self.acknowledged[id] = turn
        self.acknowledgements += 1

    def lost(self, lapel: LapelClient) -> list[str]:
        """Garments that are not there, or older than what was acknowledged, or never sent."""
        stored: dict[str, object] = defaultdict(lambda: None)
        stored |= {one.id: one.metadata["version"] for one in lapel.garments(catalog=CATALOG)}
        return [
            id
            for id, least in self.acknowledged.items()
            if not isinstance(version := stored[id], int) or not least <= version <= self.sent[id]
        ]


def searches(ids: Sequence[str], catalog: str) -> Search:
    """Searches by two attributes for garments like each of `ids` in turn: ids and scores."""

    def search(lapel: LapelClient, turn: int) -> list[tuple[str, float]]:
        like = StoredGarment(ids[turn % len(ids)], catalog)
        found = lapel.search(like, attributes=ATTRIBUTES, limit=10, catalog=catalog)
        return [(hit.id, hit.score) for hit in found.hits]

    return search
