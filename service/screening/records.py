"""What a screen tells of itself, step by step, and how its best findings are kept."""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One pair beyond the threshold.

    Attributes:
        design, suspect: what tells each from the others of its side.
        probability: of the same design, or a variant of it.
        document: as `api_schemas.screens.ScreenFinding`.
    """

    design: str
    suspect: str
    probability: float
    document: Document

    @property
    def rank(self) -> tuple[float, str, str]:
        """The surest finding has the smallest."""
        return (-self.probability, self.design, self.suspect)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Some suspects compared with every design.

    Attributes:
        after: id of the last garment read; a screen goes on behind it.
        garments: of the scanned side, compared in this step.
        pairs: compared in this step.
        findings: the best of each design in this step.
        found: all that exceed the threshold, those left out included.
        progress: 0 to 1.
    """

    after: str
    garments: int = 0
    pairs: int = 0
    findings: tuple[Finding, ...] = ()
    found: int = 0
    progress: float = 0.0


@dataclass(slots=True)
class Ranking:
    """The best findings of each design.

    Attributes:
        limit: per design.
        found: of all added, those included that were left out.
    """

    limit: int
    found: int = 0
    _by_design: dict[str, list[Finding]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._by_design.values()))

    def add(self, step: Step) -> list[Finding]:
        """Take a step's findings in; those that are among the best so far."""
        self.found += step.found
        return [finding for finding in step.findings if self._take(finding)]

    def ordered(self) -> Iterable[Finding]:
        """The surest first."""
        kept = (one for findings in self._by_design.values() for one in findings)
        return sorted(kept, key=lambda finding: finding.rank)

    def _take(self, finding: Finding) -> bool:
        best = self._by_design.setdefault(finding.design, [])
        place = bisect.bisect(best, finding.rank, key=lambda one: one.rank)
        if place >= self.limit:
            return False
        best.insert(place, finding)
        del best[self.limit :]
        return True
