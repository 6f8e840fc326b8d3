"""The client for ordinary code.

Requests are built in `calls`, and sent by `synchronous_sending`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lapel_client import answers, calls
from lapel_client.bulk import PATH as BULK
from lapel_client.bulk import NewGarment, Piece, pieces
from lapel_client.calls import Attributes, Metadata, NamedImage, StoredImage
from lapel_client.errors import LapelError
from lapel_client.images import Image
from lapel_client.sending import pause_s
from lapel_client.synchronous_evidence import EvidenceMethods
from lapel_client.synchronous_screens import ScreenMethods


class LapelClient(EvidenceMethods, ScreenMethods):
    """A Lapel service, and its operations as methods.

    Use it as a context manager, or call `close` at the end. Threads may share it.

    Args:
        base_url: where the service is.
        timeout_s: how long it may be silent before a call fails.
        headers: sent with every request, for instance an Authorization.
        retries: how patient to be; see there which calls are repeated.
        transport: how requests travel; for certificates of one's own or for tests.

    Raises:
        LapelError: every method, in one of its kinds.
    """

    def healthz(self) -> answers.Health:
        """Does the process run?"""
        return self._ask(calls.healthz)

    def readyz(self) -> answers.Readiness:
        """Can the service answer? `Unavailable` when not."""
        return self._ask(calls.readyz)

    def metrics(self) -> str:
        """Figures in the text format of Prometheus."""
        return self._ask(calls.metrics)

    def model(self, *, prototypes: bool = False) -> answers.ModelAnswer:
        """The model's card; with `prototypes`, one vector per value."""
        return self._ask(calls.model, prototypes=prototypes)

    def post_change(
        self, model: Path | bytes, *, force: bool | None = None, token: str | None = None
    ) -> answers.ModelChangeAnswer:
        """Have another model answer, once the vectors of all garments are built.

        Args:
            model: the .onnx file or its bytes, which are held in memory.
            force: switch although garments are left out.
            token: the service's LAPEL_ADMIN_TOKEN, unless the client's headers have it.
        """
        return self._ask(calls.post_change, model, force=force, token=token)

    def get_change(self, *, token: str | None = None) -> answers.ModelChangeAnswer:
        """How far a change of models is."""
        return self._ask(calls.get_change, token=token)

    def delete_change(self, *, token: str | None = None) -> answers.ModelChangeAnswer:
        """Give a change of models up, before the switch."""
        return self._ask(calls.delete_change, token=token)

    def attributes(self) -> answers.AttributesAnswer:
        """What the model can tell apart, and the values."""
        return self._ask(calls.attributes)

    def embeddings(
        self,
        images: Sequence[Image],
        *,
        attributes: Sequence[str] | None = None,
        attention: bool = False,
        catalog: str | None = None,
    ) -> answers.EmbeddingsAnswer:
        """One vector per image and attribute; with `attention`, where the model looked."""
        return self._ask(
            calls.embeddings, images, attributes=attributes, attention=attention, catalog=catalog
        )

    def compare(
        self,
        a: Image,
        b: Image,
        *,
        attributes: Sequence[str] | None = None,
        catalog: str | None = None,
    ) -> answers.CompareAnswer:
        """Two images, attribute by attribute; what cannot be seen has no similarity."""
        return self._ask(calls.compare, a, b, attributes=attributes, catalog=catalog)

    def compare_batch(
        self,
        pairs: Sequence[tuple[Image, Image]],
        *,
        attributes: Sequence[str] | None = None,
        catalog: str | None = None,
    ) -> answers.CompareBatchAnswer:
        """Many pairs; one that cannot be compared has a problem in its place."""
        return self._ask(calls.compare_batch, pairs, attributes=attributes, catalog=catalog)

    def search(
        self,
        image: Image | None = None,
        *,
        values: Mapping[str, str] | None = None,
        replace: Mapping[str, str] | None = None,
        attributes: Attributes | None = None,
        where: Metadata | None = None,
        limit: int | None = None,
        offset: int | None = None,
        include_self: bool | None = None,
        catalog: str | None = None,
    ) -> answers.SearchAnswer:
        """Garments like an image (with `replace`, but for these values), or with `values`."""
        return self._ask(
            calls.search,
            image,
            values=values,
            replace=replace,
            attributes=attributes,
            where=where,
            limit=limit,
            offset=offset,
            include_self=include_self,
            catalog=catalog,
        )

    def rerank(
        self,
        image: Image | None = None,
        *,
        items: Sequence[str | NamedImage],
        values: Mapping[str, str] | None = None,
        replace: Mapping[str, str] | None = None,
        attributes: Attributes | None = None,
        keep: float | None = None,
        catalog: str | None = None,
    ) -> answers.RerankAnswer:
        """A list of garment ids and images in the order of an image's attributes."""
        return self._ask(
            calls.rerank,
            image,
            items=items,
            values=values,
            replace=replace,
            attributes=attributes,
            keep=keep,
            catalog=catalog,
        )

    def catalogs(self) -> answers.CatalogList:
        """Every catalog that holds a garment."""
        return self._ask(calls.catalogs)

    def list_garments(
        self, *, cursor: str | None = None, limit: int | None = None, catalog: str | None = None
    ) -> answers.GarmentList:
        """One page of a catalog; `garments` walks through them all."""
        return self._ask(calls.list_garments, cursor=cursor, limit=limit, catalog=catalog)

    def put_garment(
        self,
        garment_id: str,
        image: Image | Sequence[Image],
        *,
        metadata: Metadata | None = None,
        catalog: str | None = None,
    ) -> answers.GarmentAnswer:
        """Store a garment or replace it; returns once it is on disk.

        A list of images is all of the garment's, the main one first.
        """
        return self._ask(calls.put_garment, garment_id, image, metadata=metadata, catalog=catalog)

    def get_garment(self, garment_id: str, *, catalog: str | None = None) -> answers.GarmentAnswer:
        """A garment's metadata, and what the model reads in its image."""
        return self._ask(calls.get_garment, garment_id, catalog=catalog)

    def get_image(
        self, garment_id: str, *, index: int | None = None, catalog: str | None = None
    ) -> StoredImage:
        """The bytes of one of a garment's images; the main one's when no index is given."""
        return self._ask(calls.get_image, garment_id, index=index, catalog=catalog)

    def get_image_if_changed(
        self, garment_id: str, etag: str, *, index: int | None = None, catalog: str | None = None
    ) -> StoredImage | None:
        """The same, or None while the image is still the one of that tag."""
        return self._ask(calls.get_image_if_changed, garment_id, etag, index=index, catalog=catalog)

    def delete_garment(self, garment_id: str, *, catalog: str | None = None) -> None:
        """Remove a garment. After a lost connection, `NotFound` may mean that it is done."""
        return self._ask(calls.delete_garment, garment_id, catalog=catalog)

    def list_imports(self, *, limit: int | None = None) -> answers.ImportList:
        """Imports, newest first."""
        return self._ask(calls.list_imports, limit=limit)

    def post_import(
        self,
        feed: Path | bytes | None = None,
        *,
        url: str | None = None,
        currency: str | None = None,
        refetch: bool | None = None,
        delete_missing: bool | None = None,
        images_per_product: int | None = None,
        catalog: str | None = None,
    ) -> answers.ImportAnswer:
        """Have a shop's feed imported; returns once the service has it on disk.

        It is sent again only where the service surely did nothing. After any other lost
        connection, `list_imports` says whether it arrived.

        Args:
            feed: the file or its bytes, which are held in memory.
            url: where the service is to fetch it instead.
            currency: ISO 4217, of prices that name none.
            refetch: fetch every image again.
            delete_missing: in the end, delete garments of earlier imports that it does not have.
            images_per_product: how many images of each product are stored.
            catalog: where the garments go.
        """
        return self._ask(
            calls.post_import,
            feed,
            url=url,
            currency=currency,
            refetch=refetch,
            delete_missing=delete_missing,
            images_per_product=images_per_product,
            catalog=catalog,
        )

    def get_import(self, import_id: str) -> answers.ImportAnswer:
        """How far an import is."""
        return self._ask(calls.get_import, import_id)

    def delete_import(self, import_id: str) -> answers.ImportAnswer:
        """Cancel an import, unless it has ended; what is stored stays."""
        return self._ask(calls.delete_import, import_id)

    def get_errors(self, import_id: str) -> list[answers.ImportFault]:
        """Rows, values and images that an import could not use, so far."""
        return self._ask(calls.get_errors, import_id)

    def garments(
        self, *, catalog: str | None = None, page: int | None = None
    ) -> Iterator[answers.GarmentSummary]:
        """Every garment of a catalog, in the order of ids, fetched a page at a time."""
        cursor = None
        while True:
            listed = self.list_garments(cursor=cursor, limit=page, catalog=catalog)
            yield from listed.garments
            cursor = listed.next_cursor
            if cursor is None:
                return

    def bulk(
        self, garments: Iterable[NewGarment], *, catalog: str | None = None
    ) -> Iterator[answers.BulkLineAnswer]:
        """Store any number of garments; yields each one's outcome once it is on disk.

        Args:
            garments: read as they are sent, so a generator need not end.
            catalog: where they go.

        Yields:
            One answer for each, in order; a garment that fails does so alone, with its problem.
        """
        for piece in pieces(garments):
            attempt = 1
            while piece.unanswered:
                before = piece.unanswered
                try:
                    yield from self._exchange(piece, catalog)
                except LapelError as error:
                    attempt = attempt if piece.unanswered == before else 1
                    pause = pause_s(error, attempt, self._retries)
                    if pause is None:
                        raise
                    time.sleep(pause)
                    attempt += 1

    def _exchange(self, piece: Piece, catalog: str | None) -> Iterator[answers.BulkLineAnswer]:
        for line in self._received("POST", BULK, piece.request(catalog)):
            yield piece.take(line)
        piece.require_all()
