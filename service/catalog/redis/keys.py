"""What every key in Redis is called, and which part of the store a garment belongs to.

All keys of a part share a hash tag, so that a Redis Cluster keeps them on one node and one script
may touch them together. Everything made by a model carries its fingerprint: the vectors of two
models can lie side by side, and which of them is asked is the caller's choice, not the layout's.
"""

import zlib
from dataclasses import dataclass
from urllib.parse import quote

ROOT = "lapel"
MAX_ATTRIBUTES = 512
"""More than any model tells apart; which of them one had is no longer known when it is dropped."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part's keys, which start with `base`; the scripts append the same suffixes.

    | key after the base          | type       | holds                                          |
    | --------------------------- | ---------- | ---------------------------------------------- |
    | :catalogs                   | hash       | catalog -> garments                            |
    | :models                     | hash       | fingerprint:catalog -> garments                |
    | :ids:C                      | sorted set | ids, ordered by their bytes                    |
    | :ids:C:F                    | sorted set | those whose vectors the model F made           |
    | :garment:C:ID               | hash       | sha256, created, updated, model: fingerprints, |
    |                             |            | further: sha256s of the images beside the main |
    | :metadata:C:ID              | string     | JSON                                           |
    | :vectors:F:C:ID             | string     | vectors, norms and visibility, see `records`   |
    | :image:C:ID                 | string     | the main image's original bytes                |
    | :further:C:ID               | hash       | sha256 -> bytes, of the other images           |
    | :several:C                  | string     | there once a garment has had several images    |
    | :near:F:C:N, :near:F:C:all  | vector set | one attribute, all attributes                  |
    | :pending:F:C                | sorted set | ids that the vector sets do not know yet       |
    | :log                        | stream     | which garments each commit changed             |
    | :turn                       | integer    | commits so far                                 |

    C is the catalog's name, percent-encoded, F a fingerprint, N an attribute's index.
    """

    base: str

    def near(self, fingerprint: str, catalog: str, attribute: int | None) -> str:
        """The vector set of one attribute, or of all of them together."""
        name = "all" if attribute is None else attribute
        return f"{self.base}:near:{fingerprint}:{encoded(catalog)}:{name}"

    def ids(self, catalog: str, fingerprint: str) -> str:
        """Ids whose vectors the model made."""
        return f"{self.base}:ids:{encoded(catalog)}:{fingerprint}"

    def several(self, catalog: str) -> str:
        """There once a garment has had several images."""
        return f"{self.base}:several:{encoded(catalog)}"

    def near_all(self, fingerprint: str, catalog: str) -> list[str]:
        """Every vector set that a model can have, and what they do not know yet."""
        sets = (None, *range(MAX_ATTRIBUTES))
        near = [self.near(fingerprint, catalog, attribute) for attribute in sets]
        return [*near, f"{self.base}:pending:{fingerprint}:{encoded(catalog)}"]


@dataclass(frozen=True, slots=True)
class Layout:
    """All keys of one store, cut into `partitions` parts."""

    partitions: int

    @property
    def parts(self) -> list[Part]:
        """Every part."""
        return [self._part(number) for number in range(self.partitions)]

    def part(self, catalog: str, id: str) -> Part:
        """The part that a garment belongs to, for good."""
        return self._part(zlib.crc32(f"{encoded(catalog)}:{id}".encode()) % self.partitions)

    def _part(self, number: int) -> Part:
        return Part(f"{{{ROOT}:{number}}}")


MODEL = f"{{{ROOT}:model}}"
"""What all processes must agree on about models, under one hash tag of its own:

| key after it | type   | holds                                                           |
| ------------ | ------ | --------------------------------------------------------------- |
| :roles       | hash   | active, next, previous, force; changed, milliseconds            |
| :peers       | hash   | name of a process -> when it was heard of, and what it told     |
| :leader      | string | name of the process that builds; goes when it is silent         |
| :file:F      | hash   | size, and the model's file in pieces by number                  |
"""
SCHEMA = f"{ROOT}:schema"
"""Hash: version of the layout, and the number of parts, fixed when the store is made."""
CHANNEL = f"{ROOT}:commits"
"""Each commit is told here, by the name of the process that made it."""


def encoded(catalog: str) -> str:
    """A catalog's name without colons, so that no two keys can be the same."""
    return quote(catalog, safe="")
