"""Where `lapel index` puts garments: the store in this process, or a running service.

A store has one owner at a time. While the service runs, it is the owner, and the way in is HTTP.
"""

import base64
import http.client
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import JsonValue
from pydantic_core import to_json

from service.cli.failures import CommandError
from service.cli.opening import Workplace
from service.errors import ServiceError
from service.new_garment import NewGarment

TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a garment already; stale when another model made its vectors."""

    image_sha256: str
    metadata: dict[str, JsonValue]
    stale: bool


@dataclass(frozen=True, slots=True)
class FileGarment:
    """A garment to store."""

    id: str
    image: bytes
    metadata: dict[str, JsonValue]


class Destination(Protocol):
    """A catalog to write to."""

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Those of the garments that are stored already."""
        ...

    def put(self, garments: Sequence[FileGarment]) -> list[str]:
        """Store them; for each "created", "replaced", or why it was refused."""
        ...


class LocalCatalog:
    """A catalog of the store opened in this process."""

    def __init__(self, workplace: Workplace, catalog: str) -> None:
        self._workplace = workplace
        self._catalog = catalog

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """See `Destination.known`."""
        catalog = self._workplace.services.catalog
        records = self._workplace.run(catalog.get_many(self._catalog, ids))
        return {id: Known(r.image_sha256, r.metadata, r.stale) for id, r in records.items()}

    def put(self, garments: Sequence[FileGarment]) -> list[str]:
        """See `Destination.put`."""
        new = [NewGarment(each.id, each.image, each.metadata) for each in garments]
        outcomes = self._workplace.run(self._workplace.services.ingest.put(self._catalog, new))
        return [each.detail if isinstance(each, ServiceError) else each for each in outcomes]


class RemoteCatalog:
    """A catalog of a running service.

    Args:
        url: the service's address, as in http://127.0.0.1:8000.
        catalog: the catalog's name.

    Raises:
        CommandError: the address cannot be read.
    """

    def __init__(self, url: str, catalog: str) -> None:
        parts = urllib.parse.urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise CommandError(f"--url {url}: give an address like http://127.0.0.1:8000")
        self._url = url
        self._prefix = parts.path.rstrip("/") + "/v1/garments"
        self._query = "?" + urllib.parse.urlencode({"catalog": catalog})
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_S)

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """See `Destination.known`."""
        return {id: known for id in ids if (known := self._known(id)) is not None}

    def put(self, garments: Sequence[FileGarment]) -> list[str]:
        """See `Destination.put`."""
        body = b"".join(_bulk_line(each) for each in garments)
        status, answer = self._ask("POST", "/bulk", body, "application/x-ndjson")
        if status != http.client.OK:
            raise CommandError(f"{self._url} answers {status}: {_detail(answer)}")
        lines = [json.loads(line) for line in answer.splitlines()]
        if len(lines) != len(garments):
            raise CommandError(f"{self._url} broke off in the middle of its answer; run it again")
        return [_outcome(line) for line in lines]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _known(self, id: str) -> Known | None:
        status, answer = self._ask("GET", "/" + urllib.parse.quote(id, safe=""))
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise CommandError(f"{self._url} answers {status}: {_detail(answer)}")
        garment = json.loads(answer)
        # The vectors of a stale garment are never shown: nothing in it is visible at all.
        stale = not any(read["visible"] for read in garment["attributes"].values())
        return Known(garment["image_sha256"], garment["metadata"], stale)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str = ""
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            self._connection.request(method, self._prefix + path + self._query, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            raise CommandError(f"cannot ask {self._url}: {exc or type(exc).__name__}") from exc


def _bulk_line(garment: FileGarment) -> bytes:
    image = {"base64": base64.b64encode(garment.image).decode()}
    return to_json({"id": garment.id, "image": image, "metadata": garment.metadata}) + b"\n"


def _outcome(line: dict[str, Any]) -> str:
    return str(line["problem"]["detail"] if line["status"] == "failed" else line["status"])


def _detail(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason was given"
