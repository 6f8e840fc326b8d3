"""What surrounds every request: its id, its log line, its figures, and the last net for errors.

Pure ASGI and outermost, so that it also sees what the framework answers by itself. The id given
in X-Request-ID is kept when it is harmless in a log; every answer carries one.
"""

import logging
import os
import re
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import as_service_error, problem_response
from service.metrics import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = b"x-request-id"
UNMATCHED = "unmatched"
CLIENT_CLOSED_REQUEST = 499
"""Status in log and figures of a request whose client left; nothing was answered."""
_HARMLESS = re.compile(rb"^[\x21-\x7e]{1,128}$")


class Envelope:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; see the module."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        id_header = (REQUEST_ID_HEADER, request_id.encode("ascii"))
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        except Exception as exc:
            # Once a response has begun nothing can be said any more; the error is in the log.
            answer = problem_response(Request(scope), as_service_error(exc))
            if not status:
                await answer(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - begun
            route = _route_template(scope)
            self._metrics.request(scope["method"], route, status, seconds)
            logger.info(
                "%s %s %s %d %.1f ms", request_id, scope["method"], route, status, seconds * 1e3
            )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _HARMLESS.match(value):
            return str(value, "ascii")
    return os.urandom(16).hex()


def _route_template(scope: MutableMapping[str, Any]) -> str:
    # Never the path itself: one label per garment id would fill the metrics' memory.
    return getattr(scope.get("route"), "path", UNMATCHED)
