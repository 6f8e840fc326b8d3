"""Points in time as texts: ISO 8601, UTC, to the millisecond.

All have one length and one offset, so that their order is that of the times.
"""

from datetime import UTC, datetime


def now() -> str:
    """This moment."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment that knows its offset.

    >>> from datetime import timedelta, timezone
    >>> stamp(datetime(2026, 2, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))))
    '2026-01-31T23:30:00.000+00:00'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
