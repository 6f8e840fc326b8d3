"""What both clients do around a request: errors of the transport, and whether to try again."""

import httpx

from lapel_client.errors import LapelError, TimedOut, Unavailable, Unreachable
from lapel_client.retries import Retries

CONNECT_TIMEOUT_S = 5.0


def unreachable(exc: httpx.TransportError) -> Unreachable:
    """Why there is no answer."""
    slow = isinstance(exc, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout)
    kind = TimedOut if slow else Unreachable
    return kind(f"{type(exc).__name__}: {exc}")


def pause_s(error: LapelError, attempt: int, retries: Retries) -> float | None:
    """Seconds until the next attempt; None where there is to be none.

    Args:
        error: how the last attempt failed.
        attempt: which one it was, from 1.
        retries: how patient the client is.
    """
    if isinstance(error, Unavailable):
        return retries.wait_s(attempt, error.retry_after_s)
    if isinstance(error, Unreachable) and not isinstance(error, TimedOut):
        return retries.wait_s(attempt, None)
    return None


def timeouts(seconds: float) -> httpx.Timeout:
    """Limits of one request: a connection is there soon, or not at all."""
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S))
