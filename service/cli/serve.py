"""`lapel serve`: the service, started so that what stops the start is told in one line.

Port, model and store are opened before the first request can come; uvicorn's own way would log a
traceback for each of them.
"""

import contextlib
import socket
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from service.app import configure_logging, create_app, server_config
from service.cli.failures import CommandError
from service.cli.first_steps import curl, find_example
from service.cli.opening import settings_with
from service.cli.options import Model, Store
from service.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default 8000. 0 takes a free one.")
    ] = None,
    model: Model = None,
    store: Store = None,
    log_level: Annotated[
        str | None, typer.Option(help="DEBUG, INFO (default), WARNING or ERROR.")
    ] = None,
) -> None:
    """Answer over HTTP until stopped.

    Example: lapel serve --port 8080 --store my-garments

    Prints its address and a curl line to try. Every other setting is a LAPEL_* variable; see
    docs/settings.md.
    """
    serve_until_stopped(
        settings_with(
            host=host,
            port=port,
            model_path=model,
            store=store,
            log_level=log_level and log_level.upper(),
        )
    )


def serve_until_stopped(settings: Settings) -> None:
    """Open everything, say where, and serve until a signal comes.

    Raises:
        CommandError: the address cannot be had.
        ModelFileError, CatalogError: model or store cannot be opened.
    """
    configure_logging(settings)
    with _listener(settings) as listener, contextlib.suppress(KeyboardInterrupt):
        _Server(create_app(settings), settings).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Opens the application's lifespan itself, so that its errors reach the caller."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(server_config(app, settings))
        self._app = app
        self._settings = settings
        self._open = contextlib.AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open model and store, then listen."""
        assert sockets is not None
        await self._open.enter_async_context(self._app.router.lifespan_context(self._app))
        await super().startup(sockets)
        address = _address(self._settings.host, sockets[0].getsockname()[1])
        typer.echo(f"Lapel answers at {address} (stop with Ctrl-C; every route: {address}/docs)")
        example = await find_example(self._app.state.services)
        typer.echo(f"Try: {curl(example, address)}")
        if example is None:
            typer.echo("Nothing is stored yet: lapel demo, or lapel index FOLDER")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests, then close model and store."""
        await super().shutdown(sockets)
        await self._open.aclose()


def _listener(settings: Settings) -> socket.socket:
    """The address, taken before anything is loaded; uvicorn begins to listen on it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol left at 0, asyncio would not know it for TCP and not switch Nagle's delay
    # off: 40 ms on every second answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as exc:
        listener.close()
        raise CommandError(
            f"cannot listen on {settings.host} port {settings.port}: {exc.strerror or exc}; "
            "choose another with --port"
        ) from exc
    return listener


def _address(host: str, port: int) -> str:
    # Listening everywhere is not a place to go to.
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
