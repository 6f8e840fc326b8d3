"""How a process follows the store's change of models, and carries one out where it leads.

    start      the new model's file goes into the store, the roles name it `next`
    building   every process opens it and writes for both models; the one that leads builds the
               rest from the stored pictures
    switch     `active` becomes the new model, in one step, once nothing is missing and every
               process has the model open or has said that it cannot
    drop       the former model's vectors go, once every process has switched, at the latest after
               the grace of the settings

Each step finds in the store what is to be done, so that a process that is killed leaves nothing
behind that the next one would not go on with.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
import uuid
from types import TracebackType
from typing import Final, Self

from model.encoder import ModelFileError
from service.catalog.models import Meeting, Peer, Roles
from service.catalog.store import CatalogError
from service.stopping import stop
from service.switching.board import Board
from service.switching.building import Builder

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.5
"""How often the roles are looked at, and this process is told of."""
LOAD_AGAIN_S: Final = 10.0
"""How soon a model that could not be opened is tried again."""


class Follower:
    """An async context manager; follows while it is open.

    Args:
        board: the models of this process.
        may_lead: whether this process may build, switch and drop.
        drain_s: how long requests under way may go on with the model they began with.
        grace_s: how long the former vectors stay for processes that cannot switch.
    """

    def __init__(self, board: Board, *, may_lead: bool, drain_s: float, grace_s: float) -> None:
        self._board, self._store = board, board.around.store
        self._may_lead, self._drain_s, self._grace_s = may_lead, drain_s, grace_s
        self._name = uuid.uuid4().hex[:12]
        self._fault = ""
        self._retry_at = 0.0
        self._builder: Builder | None = None
        self._swept: Roles | None = None
        self._switched_at = 0.0
        self._wake = asyncio.Event()
        self._alone = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.meeting: Meeting | None = None
        """What was heard last."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="models")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            await stop(self._task)
        await self._build_for("")
        with contextlib.suppress(CatalogError):
            await self._store.leave(self._name)

    @property
    def fault(self) -> str:
        """Why this process cannot open one of the store's models; empty when it can."""
        return self._fault

    @property
    def is_left_behind(self) -> bool:
        """Whether the vectors that this process would answer with are no longer kept."""
        kept = self.meeting.roles.kept if self.meeting else frozenset()
        return bool(kept) and self._board.current.fingerprint not in kept

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def step(self) -> Meeting:
        """Look once, and do what is to be done now.

        Raises:
            CatalogError: the store is away.
        """
        async with self._alone:
            meeting = await self._store.meet(self._peer(), may_lead=self._may_lead)
            self.meeting = meeting
            await self._open_those_of(meeting.roles)
            self._switch_to(meeting.roles.active)
            self._board.write_for(meeting.roles.kept)
            if meeting.leads:
                await self._lead(meeting)
            else:
                await self._build_for("")
            await self._close_others(meeting.roles)
            return meeting

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.step()
            except CatalogError as exc:
                logger.debug("models are looked at again: %s", exc)
            except Exception:  # whatever it is, a later switch must not be missed
                logger.exception("models are looked at again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    def _peer(self) -> Peer:
        left = self._builder.left if self._builder else None
        current, loaded = self._board.current.fingerprint, tuple(self._board.open)
        return Peer(self._name, current, loaded, self._fault, left)

    async def _open_those_of(self, roles: Roles) -> None:
        wanted = [one for one in (roles.active, roles.next) if one and one not in self._board.open]
        if not wanted:
            self._fault = ""
        elif not self._fault or time.monotonic() >= self._retry_at:
            try:
                for fingerprint in wanted:
                    await self._board.load(fingerprint)
                    logger.info("model %s is open", fingerprint)
                self._fault = ""
            except ModelFileError as exc:
                self._fault, self._retry_at = str(exc), time.monotonic() + LOAD_AGAIN_S
                logger.error("a model of the store cannot be opened: %s", exc)

    def _switch_to(self, active: str) -> None:
        current = self._board.current.fingerprint
        if active and active != current and active in self._board.open:
            self._board.switch(active)
            self._switched_at = time.monotonic()
            logger.info("model %s answers in place of %s", active, current)

    async def _lead(self, meeting: Meeting) -> None:
        roles = meeting.roles
        if roles.next:
            await self._build_for(roles.next)
            await self._switch_when_built(meeting)
        elif roles.previous:
            # Processes that have not switched yet may write garments that the new model lacks.
            await self._build_for(roles.active)
            switched = all(peer.serving == roles.active for peer in meeting.peers)
            if meeting.since_s >= (self._drain_s if switched else self._grace_s):
                await self._store.change(roles, dataclasses.replace(roles, previous=""))
                self.wake()
        else:
            await self._build_for("")
            await self._sweep(roles)

    async def _build_for(self, fingerprint: str) -> None:
        """Have the vectors of one model built, or of none."""
        if self._builder is not None and self._builder.fingerprint != fingerprint:
            builder, self._builder = self._builder, None
            await builder.__aexit__(None, None, None)
        if self._builder is None and fingerprint in self._board.open:
            one = self._board.open[fingerprint]
            self._builder = await Builder(one.alone, one.catalog, self.wake).__aenter__()

    async def _switch_when_built(self, meeting: Meeting) -> None:
        roles, builder = meeting.roles, self._builder
        if builder is None or builder.left is None:
            return
        if builder.left.count and not roles.force:
            return
        if not all(roles.next in peer.loaded or peer.fault for peer in meeting.peers):
            return
        wanted = Roles(active=roles.next, previous=roles.active)
        if await self._store.change(roles, wanted, left_out=builder.left.count):
            logger.info("the store switches from %s to %s", roles.active, roles.next)
            self.wake()
        else:
            builder.again()

    async def _sweep(self, roles: Roles) -> None:
        """Drop the vectors of models that the store does not keep."""
        if not roles.active or self._swept == roles:
            return
        for fingerprint in await self._store.models_held() - roles.kept:
            await self._store.forget_model(fingerprint)
            logger.info("the vectors of model %s are dropped", fingerprint)
        self._swept = roles

    async def _close_others(self, roles: Roles) -> None:
        if not roles.active or time.monotonic() - self._switched_at < self._drain_s:
            return
        for fingerprint in self._board.open:
            if fingerprint not in roles.kept and fingerprint != self._board.current.fingerprint:
                await self._board.unload(fingerprint)
