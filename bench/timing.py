"""Measuring contenders so that what the machine does meanwhile falls on all of them alike.

Each round measures every contender once, in an order that turns around from round to round; a
ratio is taken within a round, and its median over the rounds is the figure. Two runs one after
the other would differ by more than most things worth measuring.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds: its median and its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


class Rounds:
    """What each contender scored in each round, by name."""

    def __init__(self, scores: Mapping[str, list[float]]) -> None:
        self._scores = scores

    def median(self, name: str) -> float:
        """The contender's median score."""
        return self.percentile(name, 50)

    def percentile(self, name: str, percent: float) -> float:
        """The score that so many percent of the contender's scores do not exceed."""
        return float(np.percentile(self._scores[name], percent))

    def ratio(self, name: str, baseline: str) -> Spread:
        """Score over baseline's score, round by round."""
        ratios = np.array(self._scores[name]) / np.array(self._scores[baseline])
        low, median, high = np.percentile(ratios, (25, 50, 75))
        return Spread(float(median), float(low), float(high))


def interleaved(
    contenders: Mapping[str, Callable[[], float]], rounds: int, progress: Progress
) -> Rounds:
    """Let every contender score once per round.

    Args:
        contenders: by name, each measures itself once and returns its score.
        rounds: how often; one more comes first and is forgotten.
        progress: told of each round.
    """
    scores: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}" if number else "warming up")
        for name in order:
            score = contenders[name]()
            if number:
                scores[name].append(score)
        order.reverse()
    return Rounds(scores)


def per_second(work: Callable[[], object], seconds: float) -> float:
    """How often `work` can be done in a second, done over and over for at least so long."""
    done = 0
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds or not done:
        work()
        done += 1
    return done / passed


def milliseconds(work: Callable[[], object]) -> float:
    """How long doing it once takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3
