"""One thread that writes: it commits together what is waiting, and answers once all know of it."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.catalog.connections import Connections
from service.catalog.sqlite import Change

logger = logging.getLogger(__name__)

MAX_WRITES_PER_COMMIT = 64

Work = Callable[[], tuple[Any, Sequence[Change]]]
"""Writes inside a transaction; returns its answer, and what the indexes have to follow."""


class Followers(Protocol):
    """What has to follow the commits."""

    def reserve(self, changes: Sequence[Change]) -> None:
        """Claim the memory, so that what is committed can then be followed."""
        ...

    def follow(self, changes: Sequence[Change]) -> None:
        """The changes are on disk."""
        ...

    def lost(self) -> None:
        """They could not be followed: what is in memory is out of step with the disk."""
        ...


class Writer:
    """Writes from construction to `stop`.

    Args:
        connections: where to.
        followers: told of every commit, in the order of the commits, before it is answered.

    Attributes:
        committing: held while a commit is made and followed.
    """

    def __init__(self, connections: Connections, followers: Followers) -> None:
        self.committing = threading.Lock()
        self._connections, self._followers = connections, followers
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="catalog-write", daemon=True)
        self._thread.start()

    def write(self, work: Work) -> Future[Any]:
        """Have something written; its answer comes once it is committed and followed."""
        write = _Write(work)
        self._writes.put(write)
        return write.future

    def stop(self) -> None:
        """End once everything asked for is written; calling it again does nothing."""
        self._writes.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while group := self._next_group():
            with self.committing:
                self._commit([w for w in group if w.future.set_running_or_notify_cancel()])

    def _next_group(self) -> list["_Write"]:
        """The writes that are waiting, at least one; none when the catalog closes."""
        group: list[_Write] = []
        with contextlib.suppress(queue.Empty):
            while len(group) < MAX_WRITES_PER_COMMIT:
                write = self._writes.get(block=not group)
                if write is None:
                    self._writes.put(None)  # closing: find it again once this group is written
                    break
                group.append(write)
        return group

    def _commit(self, group: Sequence["_Write"]) -> None:
        done: list[tuple[_Write, Any, Sequence[Change]]] = []
        try:
            with self._connections.transaction():
                for write in group:
                    try:
                        with self._connections.savepoint():
                            answer, changes = write.work()
                    except Exception as exc:
                        if not self._connections.writer.in_transaction:
                            raise
                        write.future.set_exception(exc)
                    else:
                        done.append((write, answer, changes))
                # Memory for the index is claimed first: what is committed can then be indexed.
                followed = [change for _, _, changes in done for change in changes]
                self._followers.reserve(followed)
        except Exception as exc:
            _fail(group, exc)
            return
        try:
            self._followers.follow(followed)
        except Exception as exc:
            logger.critical("the index could not follow a commit; closing", exc_info=True)
            self._followers.lost()
            _fail(group, exc)
            return
        for write, answer, _ in done:
            write.future.set_result(answer)


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    work: Work
    future: Future[Any] = field(default_factory=Future)


def _fail(writes: Iterable[_Write], exc: Exception) -> None:
    for write in writes:
        if not write.future.done():
            write.future.set_exception(exc)
