"""Everything that a call can raise, and the reading of a notification.

```
LapelError
  Unreachable         no answer: no connection, or it was lost
    TimedOut          none in time
  UnexpectedAnswer    an answer that this client cannot read
  NotSigned           a notification that the service did not send
  ProblemError        the service said what is wrong; look at `code`
    NotFound          404
    Unavailable       429, 502, 503, 504: later it may work
```
"""

# ruff: noqa: N818  -- the names say what happened: "not found", not "not found error"
from typing import Any

from lapel_client.answers import FieldError, Problem

RETRIED_STATUSES = frozenset((429, 502, 503, 504))


class LapelError(Exception):
    """Base of what a call raises."""


class Unreachable(LapelError):
    """There was no answer; whether the service did anything is not known."""


class TimedOut(Unreachable):
    """The service took the request and did not answer in time."""


class UnexpectedAnswer(LapelError):
    """A success whose body is not of the documented shape."""


class NotSigned(LapelError):
    """A notification that was not signed with the service's secret."""


class ProblemError(LapelError):
    """The service refused, and said why (RFC 9457).

    Attributes:
        problem: the document as it came.
        retry_after_s: seconds the service asked to wait; None where it named none.
    """

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions travel between processes by their arguments, which here are not the message.
        return type(self), (self.problem, self.retry_after_s)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str:
        """What went wrong, as a name that stays the same."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """The same as a sentence."""
        return self.problem.detail

    @property
    def request_id(self) -> str | None:
        """What the service's log calls the request."""
        return self.problem.request_id

    @property
    def errors(self) -> list[FieldError]:
        """Each field at fault; empty where no field is."""
        return self.problem.errors or []


class NotFound(ProblemError):
    """There is no such thing."""


class Unavailable(ProblemError):
    """Busy, stopping, or without its store; nothing was started."""


def problem_error(problem: Problem, retry_after_s: float | None) -> ProblemError:
    """The error of that status."""
    if problem.status in RETRIED_STATUSES:
        return Unavailable(problem, retry_after_s)
    return (NotFound if problem.status == 404 else ProblemError)(problem, retry_after_s)
