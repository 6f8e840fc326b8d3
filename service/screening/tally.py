"""A screen that is carried out while its caller waits: what was found so far, and its summary."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from service.screening.records import Document, Finding, Ranking, Step
from service.screening.running import Screening
from service.screening.screen import summary


@dataclass(slots=True)
class Tally:
    """What a screen brought so far.

    Attributes:
        screening: the screen.
        limit: findings kept per design.
    """

    screening: Screening
    limit: int
    progress: float = 0.0
    _garments: int = 0
    _pairs: int = 0
    _ranking: Ranking = field(init=False)

    def __post_init__(self) -> None:
        self._ranking = Ranking(self.limit)

    def add(self, step: Step) -> list[Finding]:
        """Take a step in; those of its findings that are among the best so far."""
        self._garments += step.garments
        self._pairs += step.pairs
        self.progress = step.progress
        return self._ranking.add(step)

    def findings(self) -> list[Document]:
        """The surest first."""
        return [finding.document for finding in self._ranking.ordered()]

    def summary(self) -> Document:
        """As `api_schemas.screens.ScreenSummary`, of a screen that has come to its end."""
        return summary(
            self.screening.scorer.threshold.document,
            dict(self.screening.model),
            designs=self.screening.designs(self._garments),
            suspects=self.screening.suspects(self._garments),
            pairs=self._pairs,
            findings=len(self._ranking),
            found=self._ranking.found,
            ended=True,
        )


async def found(
    tally: Tally, turns: asyncio.Semaphore | None = None
) -> AsyncGenerator[list[Finding], None]:
    """Carry the screen out, step by step.

    Args:
        tally: of the screen; takes every step in.
        turns: bounds how many screens compare at the same time.

    Yields:
        After each step, what is among the best so far.
    """
    steps = tally.screening.steps(tally.limit)
    async with contextlib.aclosing(steps):
        while True:
            async with turns or contextlib.nullcontext():
                step = await anext(steps, None)
            if step is None:
                return
            yield tally.add(step)
