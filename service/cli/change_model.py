"""`lapel reindex --to`: another model for a store, here or in the running service.

The change lives in the store, not in this command: one that is stopped goes on when it is run
again, or when a service opens the store.
"""

import asyncio
import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import typer
from rich.console import Console

from service.cli.failures import CommandError
from service.cli.index import progress_bar
from service.cli.opening import Workplace, open_workplace
from service.routes.model_change import document_of
from service.settings import Settings
from service.switching.one_model import fingerprint_of

LOOK_S: Final = 0.3
TIMEOUT_S: Final = 300

Document = dict[str, Any]


class Place(Protocol):
    """Where models are changed; answers are those of /v1/model/change."""

    def start(self, data: bytes, force: bool) -> Document:
        """See `Changes.start`."""
        ...

    def now(self) -> Document:
        """See `Changes.now`, after a moment."""
        ...

    def give_up(self) -> Document:
        """See `Changes.give_up`."""
        ...


def change_model(settings: Settings, to: Path | None, *, url: str | None, force: bool) -> None:
    """Change the model, or give the change up that is under way.

    Args:
        settings: which store, and the token for a service.
        to: the new model's file; None gives up.
        url: of a running service; the store is opened here without.
        force: switch although garments are left out.

    Raises:
        CommandError: the service refuses, or the store is another process's.
        typer.Exit: with status 1, the model has not been changed.
    """
    data = None if to is None else to.read_bytes()
    console = Console()
    with _place(settings, url) as place:
        if data is None:
            document = place.give_up()
            _say(console, f"nothing is being built; model {document['active']} answers")
            return
        fingerprint = fingerprint_of(data)
        document = _follow(place, place.start(data, force), wait_for_drop=url is None)
    for process in document["processes"]:
        if process["fault"]:
            _say(console, f"process {process['name']}: {process['fault']}")
    left = document["left_out"]
    if document["active"] == fingerprint:
        _say(console, f"model {fingerprint} answers; {document['built']} garments have its vectors")
        return
    if document["state"] == "held":
        examples = ", ".join(left["examples"])
        _say(
            console,
            f"{left['without_image']} garments without their picture and {left['unreadable']} with "
            f"one that cannot be read are left out ({examples}); model {document['active']} still "
            "answers. Store their pictures, or switch with --force, or drop what was built with "
            "--give-up",
        )
    else:
        _say(console, f"the change was given up; model {document['active']} answers")
    raise typer.Exit(1)


def _follow(place: Place, document: Document, *, wait_for_drop: bool) -> Document:
    """Watch a change until there is nothing left to wait for."""
    going = {"building", "switched"} if wait_for_drop else {"building"}
    with progress_bar("building", document["garments"]) as bar:
        while document["state"] in going:
            bar.update(bar.task_ids[0], completed=document["built"], total=document["garments"])
            document = place.now()
        bar.update(bar.task_ids[0], completed=document["built"], total=document["garments"])
    return document


@contextlib.contextmanager
def _place(settings: Settings, url: str | None) -> Iterator[Place]:
    if url is not None:
        yield _There(url, settings.admin_token.get_secret_value())
        return
    elsewhere = "have the running service change it with --url {address}"
    with open_workplace(settings, must_exist=True, leads=True, instead=elsewhere) as workplace:
        yield _Here(workplace)


class _Here:
    """The store opened in this process."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace, self._changes = workplace, workplace.services.changes

    def start(self, data: bytes, force: bool) -> Document:
        return document_of(self._workplace.run(self._changes.start(data, force=force)))

    def now(self) -> Document:
        self._workplace.run(asyncio.sleep(LOOK_S))  # the change goes on meanwhile, in this loop
        return document_of(self._workplace.run(self._changes.now()))

    def give_up(self) -> Document:
        document = document_of(self._workplace.run(self._changes.give_up()))
        self._workplace.run(self._workplace.services.follower.step())
        return document


class _There:
    """A running service."""

    def __init__(self, url: str, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise CommandError(f"--url {url}: give an address like http://127.0.0.1:8000")
        self._url, self._path = url, parts.path.rstrip("/") + "/v1/model/change"
        self._kind, self._host, self._port = kinds[parts.scheme], parts.hostname, parts.port
        self._headers = {"Authorization": f"Bearer {token}"}

    def start(self, data: bytes, force: bool) -> Document:
        return self._ask("POST", f"?force={str(force).lower()}", data)

    def now(self) -> Document:
        time.sleep(LOOK_S)
        return self._ask("GET")

    def give_up(self) -> Document:
        return self._ask("DELETE")

    def _ask(self, method: str, query: str = "", body: bytes | None = None) -> Document:
        connection = self._kind(self._host, self._port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            try:
                connection.request(method, self._path + query, body, self._headers)
                response = connection.getresponse()
                document: Document = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as exc:
                raise CommandError(f"cannot ask {self._url}: {exc or type(exc).__name__}") from exc
        if response.status >= http.client.BAD_REQUEST:
            detail = document.get("detail", "no reason was given")
            raise CommandError(f"{self._url} answers {response.status}: {detail}")
        return document


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
