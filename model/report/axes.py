"""An axis: where a figure stands in pixels, and which round figures are written beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOG_FROM: Final = 5.0
"""The largest figure over the smallest, from which a logarithmic axis shows more."""
MARGIN: Final = 0.09
"""Share of the axis left free at either end."""
MOST_TICKS: Final = 8


@dataclass(frozen=True)
class Axis:
    """From the figure ``low`` at pixel ``start`` to ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    @staticmethod
    def around(
        figures: Sequence[float], start: float, end: float, *, may_be_log: bool = False
    ) -> "Axis":
        """An axis with room for all figures; where it may be, logarithmic if they lie far apart."""
        low, high = min(figures), max(figures)
        if may_be_log and low > 0 and high / low >= LOG_FROM:
            factor = (high / low) ** MARGIN
            return Axis(low / factor, high * factor, start, end, log=True)
        # Figures that are all the same get room to stand in.
        room = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
        return Axis(low - room, high + room, start, end, log=False)

    def at(self, figure: float) -> float:
        """A figure's pixel."""
        low, high, here = (
            (math.log(self.low), math.log(self.high), math.log(figure))
            if self.log
            else (self.low, self.high, figure)
        )
        return self.start + (self.end - self.start) * (here - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Pixels and texts of round figures."""
        return [(self.at(figure), text) for figure, text in self._round_figures()]

    def _round_figures(self) -> list[tuple[float, str]]:
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
            return [(figure, f"{figure:g}") for figure in every if self.low <= figure <= self.high]
        step, decimals = _step(self.high - self.low)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(n * step, f"{n * step:.{decimals}f}") for n in range(first, last + 1)]


def _step(length: float) -> tuple[float, int]:
    """The smallest of 1, 2, 5 times a power of ten that makes few ticks, and its decimals."""
    power = math.floor(math.log10(length / MOST_TICKS))
    step = next(
        each * 10.0**power for each in (1, 2, 5, 10) if length / (each * 10.0**power) <= MOST_TICKS
    )
    return step, max(0, -math.floor(math.log10(step) + 1e-9))
