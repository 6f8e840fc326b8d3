"""What every key in Redis is called, and which part of the store a garment belongs to.

All keys of a part share a hash tag, so that a Redis Cluster keeps them on one node and one script
may touch them together. Everything made by a model carries its fingerprint: the vectors of two
models can lie side by side, and which of them is asked is the caller's choice, not the layout's.
"""

import zlib
from dataclasses import dataclass
from urllib.parse import quote

ROOT = "lapel"


@dataclass(frozen=True, slots=True)
class Part:
    """One part's keys, which start with `base`; the scripts append the same suffixes.

    | key after the base          | type       | holds                                          |
    | --------------------------- | ---------- | ---------------------------------------------- |
    | :catalogs                   | hash       | catalog -> garments                            |
    | :models                     | hash       | fingerprint:catalog -> garments                |
    | :ids:C                      | sorted set | ids, ordered by their bytes                    |
    | :ids:C:F                    | sorted set | those whose vectors the model F made           |
    | :garment:C:ID               | hash       | sha256, created, updated, model                |
    | :metadata:C:ID              | string     | JSON                                           |
    | :vectors:F:C:ID             | string     | vectors, norms and visibility, see `records`   |
    | :image:C:ID                 | string     | the original bytes                             |
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


SCHEMA = f"{ROOT}:schema"
"""Hash: version of the layout, and the number of parts, fixed when the store is made."""
CHANNEL = f"{ROOT}:commits"
"""Each commit is told here, by the name of the process that made it."""


def encoded(catalog: str) -> str:
    """A catalog's name without colons, so that no two keys can be the same."""
    return quote(catalog, safe="")
