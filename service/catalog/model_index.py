"""All that one model has made of the garments, in memory: a scan for each catalog."""

from collections.abc import Mapping

from service.catalog.models import Model
from service.catalog.rows import Removal, Rows
from service.catalog.scan import ScanIndex


class ModelIndex:
    """What one model has made of all garments, in memory."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.by_catalog: dict[str, ScanIndex] = {}

    def reserve(self, extra: Mapping[str, int]) -> None:
        """Make room for new images, by catalog.

        Raises:
            MemoryError: there is none.
        """
        for catalog, count in extra.items():
            self._of(catalog).reserve(count)

    def apply(self, change: Rows | Removal) -> None:
        """Follow a commit."""
        if isinstance(change, Rows):
            self._of(change.catalog).put(
                *(change.ids, change.vectors, change.visible, change.metadata, change.counts)
            )
            return
        scan = self.by_catalog.get(change.catalog)
        if scan is not None:
            for id in change.ids:
                scan.delete(id)
            if not scan:
                del self.by_catalog[change.catalog]

    def _of(self, catalog: str) -> ScanIndex:
        if catalog not in self.by_catalog:
            self.by_catalog[catalog] = ScanIndex(*self.model.shape)
        return self.by_catalog[catalog]
