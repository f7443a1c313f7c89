"""What ``/metrics`` says, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Measures:
    """Counters, gauges and histograms of one service, in a registry of its own.

    Args:
        waiting: How many items are in the queue.

    >>> measures = Measures(lambda: 3)
    >>> measures.requests.labels("/predict", "200").inc()
    >>> 'striate_requests_total{route="/predict",status="200"} 1.0' in measures.text().decode()
    True
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        registry = self.registry = CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody asked for
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "striate_requests", "Requests that were answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "striate_request_seconds",
            "From a request's header to its answer",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.items = Counter("striate_items", "Items that were predicted", registry=registry)
        self.batch = Histogram(
            "striate_batch_items", "Items that went through the network together", buckets=ITEMS, registry=registry
        )
        Gauge("striate_queue_items", "Items that are prepared or wait for the network", registry=registry).set_function(
            waiting
        )
        self.loaded = Gauge(
            "striate_model_loaded_timestamp_seconds", "When the model in use was loaded", registry=registry
        )
        self.reloads = Counter(
            "striate_model_reloads", "New model files: taken or refused", ["result"], registry=registry
        )

    def text(self) -> bytes:
        """The text for ``/metrics``."""
        return generate_latest(self.registry)
