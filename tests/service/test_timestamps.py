import doctest
from datetime import UTC, datetime, timedelta

from service import timestamps


def test_the_examples_hold():
    assert doctest.testmod(timestamps).failed == 0


def test_texts_sort_as_the_moments_do():
    first = datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    steps = (timedelta(milliseconds=n) for n in (0, 1, 2, 10, 1_000, 60_000))
    texts = [timestamps.stamp(first + step) for step in steps]
    assert texts == sorted(texts)
    assert len({len(text) for text in texts}) == 1


def test_now_lies_between_the_moments_around_it():
    before = timestamps.stamp(datetime.now(UTC))
    assert before <= timestamps.now() <= timestamps.stamp(datetime.now(UTC))
