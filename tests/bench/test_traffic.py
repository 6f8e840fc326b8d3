"""What counts as lost: the judgement that the drill of `bench.recovery` rests on."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.traffic import Request, Traffic, searches

URLS = ["http://127.0.0.1:1", "http://127.0.0.1:2"]


def traffic() -> Traffic:
    made = Traffic(URLS, [b""], searches(["a"], "garments"), {"search": 1.0, "write": 1.0})
    made.sent = {"a": 7, "b": 3}
    made.acknowledged = {"a": 5, "b": 3}
    return made


def holding(**versions: object) -> Any:
    listed = [SimpleNamespace(id=id, metadata={"version": v}) for id, v in versions.items()]
    return SimpleNamespace(garments=lambda catalog: iter(listed))


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_write_without_an_answer_may_be_there_or_not(version: int):
    assert traffic().lost(holding(a=version, b=3)) == []


@pytest.mark.parametrize(
    ("held", "lost"),
    [
        ({"b": 3}, ["a"]),
        ({"a": 4, "b": 3}, ["a"]),
        ({"a": 8, "b": 3}, ["a"]),
        ({"a": None, "b": 3}, ["a"]),
        ({}, ["a", "b"]),
    ],
)
def test_what_is_missing_older_or_never_sent_is_lost(held: dict[str, object], lost: list[str]):
    assert traffic().lost(holding(**held)) == lost


def test_a_service_is_back_with_the_first_answer_to_a_request_sent_since():
    made = traffic()
    made._requests += [
        Request(0, "search", at=1.0, took_s=9.0, failure=None, says_when=False),
        Request(0, "search", at=2.0, took_s=1.0, failure="store_unavailable", says_when=True),
        Request(1, "search", at=2.5, took_s=0.1, failure=None, says_when=False),
        Request(0, "write", at=2.5, took_s=0.1, failure=None, says_when=False),
        Request(0, "search", at=4.0, took_s=0.5, failure=None, says_when=False),
        Request(0, "search", at=5.0, took_s=0.5, failure=None, says_when=False),
    ]
    assert made.first_success(0, "search", since=2.0) == 4.5
    assert made.first_success(1, "write", since=2.0) is None
