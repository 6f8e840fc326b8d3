"""When a call is tried again, and after how long.

Only calls that may be repeated are: reads, and writes that say what is to be there in the end. A
call that timed out is not, since asking a slow service once more makes it slower.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    Attributes:
        attempts: how often a call is sent at most; 1 never repeats.
        first_wait_s: wait before the second attempt, doubled before each further one; where the
            service names a time, that counts instead.
        longest_wait_s: a service that asks for more than this is not waited for.
        spread: source of numbers in 0..1; waits are drawn out by up to a half, so that clients
            refused together do not come back together.
    """

    attempts: int = 4
    first_wait_s: float = 0.2
    longest_wait_s: float = 30.0
    spread: Callable[[], float] = random.random

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float | None:
        """Seconds to wait after a failed attempt; None to give up.

        Args:
            attempt: which one failed, from 1.
            retry_after_s: what the service asked for.
        """
        if attempt >= self.attempts:
            return None
        if retry_after_s is not None and retry_after_s > self.longest_wait_s:
            return None
        wanted = retry_after_s
        if wanted is None:
            wanted = self.first_wait_s * 2.0 ** (attempt - 1)
        return min(wanted * (1 + self.spread() / 2), self.longest_wait_s)


def retry_after_s(header: str | None) -> float | None:
    """Seconds named by a Retry-After header: a number or a date (RFC 9110 section 10.2.3).

    >>> retry_after_s("3")
    3.0
    >>> retry_after_s("soon") is None
    True
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        then = parsedate_to_datetime(header)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
