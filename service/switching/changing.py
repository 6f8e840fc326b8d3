"""Beginning, watching and giving up a change of models, in whichever process is asked."""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Literal

from model.encoder import ModelFileError
from service.catalog.models import LeftOut, Peer, Roles
from service.errors import InvalidModel, ModelChangeRunning
from service.switching.board import Board
from service.switching.following import Follower
from service.switching.one_model import fingerprint_of, located, on_disk, open_encoder

State = Literal["idle", "building", "held", "switched"]


@dataclass(frozen=True, slots=True)
class Change:
    """How far a change is.

    Attributes:
        state: idle, nothing is under way; building; held, all is built that can be, and garments
            are left out; switched, the former vectors are still kept.
        roles: of the models; `active` is never empty here.
        garments: all that are stored.
        built: how many of them have vectors of the model that is built, or that answers.
        left: what cannot be built.
        peers: the processes.
    """

    state: State
    roles: Roles
    garments: int
    built: int
    left: LeftOut
    peers: tuple[Peer, ...]


class Changes:
    """The operator's side of `following`."""

    def __init__(self, board: Board, follower: Follower) -> None:
        self._board, self._store, self._follower = board, board.around.store, follower

    async def start(self, data: bytes, *, force: bool) -> Change:
        """Begin to change to the model in a file; again, to change `force`.

        The file is in the store when this returns. A model that answers already changes nothing.

        Args:
            data: the model file.
            force: switch although garments are left out.

        Raises:
            InvalidModel: it is no model file.
            ModelChangeRunning: another change is under way.
        """
        fingerprint = fingerprint_of(data)
        roles = await self._store.roles()
        active = roles.active or self._board.current.fingerprint
        if roles.next not in ("", fingerprint):
            raise ModelChangeRunning(f"the model {roles.next} is being built; give that up first")
        if roles.previous not in ("", fingerprint):
            raise ModelChangeRunning(
                f"the vectors of the model {roles.previous} are about to be dropped; "
                "ask again in a while"
            )
        if fingerprint != active:
            wanted = Roles(active=active, next=fingerprint, force=force)
            await self._prepare(data, active)
            if not await self._store.change(roles, wanted):
                raise ModelChangeRunning("another change has just begun")
            await self._follower.step()
            self._follower.wake()
        return await self.now()

    async def give_up(self) -> Change:
        """Stop building, and drop what was built; nothing happens when nothing is built."""
        roles = await self._store.roles()
        if roles.next:
            await self._store.change(roles, dataclasses.replace(roles, next="", force=False))
            self._follower.wake()
        return await self.now()

    async def now(self) -> Change:
        """How far it is."""
        roles = await self._store.roles()
        peers = tuple(self._follower.meeting.peers) if self._follower.meeting else ()
        shown = roles if roles.active else Roles(active=self._board.current.fingerprint)
        garments = sum((await self._board.current.catalog.catalogs()).values())
        one = self._board.open.get(shown.next or shown.active)
        built = garments - await one.catalog.stale() if one else 0
        left = next((peer.left for peer in peers if peer.left is not None), None)
        return Change(_state(roles, left), shown, garments, max(0, built), left or LeftOut(), peers)

    async def _prepare(self, data: bytes, active: str) -> None:
        settings, store = self._board.around.settings, self._store
        try:
            with on_disk(data) as path:
                await asyncio.to_thread(open_encoder, settings, path)
        except ModelFileError as exc:
            # The message names the file, which is the caller's under a name of ours.
            raise InvalidModel(str(exc).replace(str(path), "the file that was sent")) from exc
        await store.keep_file(fingerprint_of(data), data)
        if await store.model_file(active) is None:
            try:
                async with located(settings, store, active) as path:
                    await store.keep_file(active, path.read_bytes())
            except ModelFileError as exc:
                raise ModelChangeRunning(
                    f"the file of the serving model {active} has changed since it was opened"
                ) from exc


def _state(roles: Roles, left: LeftOut | None) -> State:
    if roles.next:
        return "held" if left is not None and left.count and not roles.force else "building"
    return "switched" if roles.previous else "idle"
