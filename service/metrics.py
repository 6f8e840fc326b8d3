"""Prometheus figures, in a registry of the application's own.

Counters that others keep already (cache, queue, catalog) are read when /metrics is asked, not
copied on every request. The catalog's sizes are read by the route, since that is asynchronous.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Levels:
    """What is read at the moment /metrics is asked."""

    cache_hits: int = 0
    cache_misses: int = 0
    cache_evictions: int = 0
    cache_bytes: int = 0
    cache_entries: int = 0
    queue_images: int = 0
    images_in_flight: int = 0


class Metrics:
    """Everything that /metrics shows."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "lapel_requests_total",
            "Requests by route template and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "lapel_request_seconds",
            "Time from the request's head to the end of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "lapel_batch_images",
            "Images per call of the network.",
            buckets=BATCH_IMAGES,
            registry=self._registry,
        )
        self._garments = Gauge(
            "lapel_catalog_garments", "Garments stored.", ("catalog",), registry=self._registry
        )
        self._stale = Gauge(
            "lapel_stale_garments",
            "Garments embedded by another model file.",
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            # An invented method must not become a label of its own each time.
            known = method if method in _METHODS else "other"
            children = (
                self._requests.labels(known, route, str(status)),
                self._seconds.labels(known, route),
            )
            if known == method:
                self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def batch(self, images: int) -> None:
        """Count one call of the network; may be called from any thread."""
        self._batches.observe(images)

    def watch(self, levels: Callable[[], Levels]) -> None:
        """Read these levels whenever the figures are rendered."""
        self._registry.register(_LevelsCollector(levels))

    def render(self, garments: Mapping[str, int], stale: int) -> bytes:
        """The Prometheus text format.

        Args:
            garments: how many each catalog holds.
            stale: how many garments another model file embedded.
        """
        self._garments.clear()
        for catalog, count in garments.items():
            self._garments.labels(catalog).set(count)
        self._stale.set(stale)
        return generate_latest(self._registry)


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class _LevelsCollector(Collector):
    def __init__(self, levels: Callable[[], Levels]) -> None:
        self._levels = levels

    def collect(self) -> Iterable[Metric]:
        now = self._levels()
        yield _counter("lapel_cache_hits", "Images found in the cache.", now.cache_hits)
        yield _counter("lapel_cache_misses", "Images not found in the cache.", now.cache_misses)
        yield _counter("lapel_cache_evictions", "Images dropped for room.", now.cache_evictions)
        yield _gauge("lapel_cache_bytes", "Memory held by the cache.", now.cache_bytes)
        yield _gauge("lapel_cache_entries", "Images in the cache.", now.cache_entries)
        yield _gauge("lapel_queue_images", "Images waiting for the network.", now.queue_images)
        yield _gauge(
            "lapel_images_in_flight", "Images being decoded or computed.", now.images_in_flight
        )


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
