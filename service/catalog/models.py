"""Which models a store holds vectors of, and which of them answers.

A store names no model until its first change of models: until then the settings say which model
serves. From then on the store does, and keeps the model's file, so that every process that opens
it serves the same. The switch is one step: `change` puts another name into `active`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.catalog.store import Catalog

PEER_SILENCE_S = 10.0
"""A process that has not been heard of for so long is gone."""
EXAMPLES = 10
"""Garments left out that are told by name."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a catalog must know of a model: its fingerprint, A and D."""

    fingerprint: str
    attributes: int
    dimension: int

    @property
    def shape(self) -> tuple[int, int]:
        """(A, D)."""
        return (self.attributes, self.dimension)


@dataclass(frozen=True, slots=True)
class Roles:
    """Fingerprints by what they are to the store; the empty string where there is none.

    Attributes:
        active: whose vectors answer.
        next: whose vectors are being built beside them.
        previous: whose vectors answered before, and are dropped soon.
        force: switch to `next` although garments are left out.
    """

    active: str = ""
    next: str = ""
    previous: str = ""
    force: bool = False

    @property
    def kept(self) -> frozenset[str]:
        """The models whose vectors stay when a garment is written with the image it had."""
        return frozenset(filter(None, (self.active, self.next, self.previous)))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Garments that the next model cannot embed.

    Attributes:
        without_image: their original bytes were not kept.
        unreadable: their bytes are no image to the next model.
        examples: some of them, as catalog/id.
    """

    without_image: int = 0
    unreadable: int = 0
    examples: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """All of them."""
        return self.without_image + self.unreadable


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that has the store open, as it tells of itself.

    Attributes:
        name: unique.
        serving: fingerprint of the model that it answers with.
        loaded: fingerprints of those it has open.
        fault: why it cannot open one of the store's models; empty when it can.
        left: what the process that builds has had to leave out, once it is through.
    """

    name: str
    serving: str
    loaded: tuple[str, ...] = ()
    fault: str = ""
    left: LeftOut | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a process learns when it tells of itself.

    Attributes:
        roles: as they are now.
        leads: whether this process is the one to build, to switch and to drop.
        since_s: seconds since the roles changed.
        peers: every process, this one included.
    """

    roles: Roles
    leads: bool
    since_s: float
    peers: Sequence[Peer]


class CatalogStore(Protocol):
    """An open store, before a model is chosen. Every method may raise `CatalogError`."""

    async def view(self, model: Model) -> Catalog:
        """The garments as one model sees them; closing it closes the store."""
        ...

    async def release(self, fingerprint: str) -> None:
        """Let go of the memory that a view needs; it finds no more what is written later."""
        ...

    async def roles(self) -> Roles:
        """As they are now."""
        ...

    async def change(self, expected: Roles, wanted: Roles, *, left_out: int = 0) -> bool:
        """Change the roles in one step; False when they are not what was expected.

        Args:
            expected: as the caller knows them.
            wanted: as they shall be.
            left_out: when `active` changes, how many garments may be without its vectors; the
                answer is False where there are more.
        """
        ...

    async def meet(self, peer: Peer, *, may_lead: bool) -> Meeting:
        """Tell of this process, and hear of the others."""
        ...

    async def leave(self, name: str) -> None:
        """This process goes."""
        ...

    async def models_held(self) -> frozenset[str]:
        """Fingerprints of all vectors in the store."""
        ...

    async def forget_model(self, fingerprint: str) -> None:
        """Drop a model's vectors and its file, some at a time; the garments stay."""
        ...

    async def keep_file(self, fingerprint: str, data: bytes) -> None:
        """Keep a model's file; on return it is durable."""
        ...

    async def model_file(self, fingerprint: str) -> bytes | None:
        """A model's file, if it is kept."""
        ...

    async def close(self) -> None:
        """See `Catalog.close`."""
        ...
