"""A request, and how its answer is read. What the operations are is in the modules `calls*`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from lapel_client import answers
from lapel_client.errors import (
    LapelError,
    ProblemError,
    UnexpectedAnswer,
    Unreachable,
    problem_error,
)
from lapel_client.images import Document
from lapel_client.retries import retry_after_s

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

NOTHING_BEGUN = frozenset(("overloaded", "shutting_down"))
"""Codes of refusals at the door; a balancer's 502 or 504 leaves open what the service did."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read.

    Attributes:
        once: carried out twice it would do its work twice.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    options: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False

    def answer(self, response: httpx.Response) -> T:
        """What the service answered.

        Raises:
            ProblemError: it refused.
            UnexpectedAnswer: the answer is not of the documented shape.
        """
        if not (response.is_success or response.status_code == HTTPStatus.NOT_MODIFIED):
            raise problem_of(response)
        return self.read(response)

    def may_repeat(self, error: LapelError) -> bool:
        """May it be sent again after this failure, if the failure is one that passes?"""
        if not self.once:
            return True
        if isinstance(error, ProblemError):
            return error.code in NOTHING_BEGUN
        return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


@dataclass(frozen=True, slots=True)
class Stream(Generic[T]):
    """A request whose answer is read a line at a time, while it comes.

    Attributes:
        read: of one line; raises the problem where the line is one.
        is_last: whether the line that was read closes the answer; None where any may.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_last: Callable[[T], bool] | None = None

    def require_end(self, last: T | None) -> None:
        """Refuse an answer that ended early.

        Raises:
            Unreachable: `last`, the last line that came, closes nothing.
        """
        if self.is_last is not None and (last is None or not self.is_last(last)):
            raise Unreachable("the answer ended before its last line")


class Lines:
    """Cuts arriving bytes at newlines.

    httpx would also cut at U+2028 and its like, which JSON texts, and garment ids, may hold.
    """

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes."""
        *ended, self._begun = (self._begun + chunk).split(b"\n")
        return ended


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that an answer which has been read stands for.

    What comes from a balancer in between is no problem document; it gets a code of its status.
    """
    wait_s = retry_after_s(response.headers.get("retry-after"))
    try:
        return problem_error(answers.Problem.model_validate_json(response.content), wait_s)
    except ValidationError:
        problem = answers.Problem(
            type="about:blank",
            title=response.reason_phrase or "HTTP error",
            status=response.status_code,
            detail=response.text[:200] or response.reason_phrase,
            code=f"http_{response.status_code}",
        )
        return problem_error(problem, wait_s)


def parse(content: bytes, model: type[M]) -> M:
    """A JSON document of the given model.

    Raises:
        UnexpectedAnswer: it is another.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        raise UnexpectedAnswer(f"this is no {model.__name__}: {exc}") from exc


def reads(model: type[M]) -> Callable[[httpx.Response], M]:
    """A reader of answers of the given model."""
    return lambda response: parse(response.content, model)


def given(**arguments: object) -> Document:
    """The arguments that are not None, which alone are sent."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in arguments.items()
        if value is not None
    }


def names_of(attributes: Sequence[str] | None) -> list[str] | None:
    """Several names, or one given by itself."""
    if attributes is None:
        return None
    return [attributes] if isinstance(attributes, str) else list(attributes)
