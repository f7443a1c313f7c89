"""What stands before every request (who may ask, how much at once, how long), and what is counted. Decodes nothing."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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

from striate.service.reading import RefusedError
from striate.service.settings import ServiceSettings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = {"/", "/health", "/ready", "/v2/health/live", "/v2/health/ready"}  # answered without the token
PREDICTS = {"/predict", "/v2/models/NAME/infer"}
RETRY = "1"  # seconds, the least that Retry-After can say
BODIES = 8  # times the largest request: what the bodies of all requests take of memory at most
DROPPED = 5  # times the largest request: so much of one that is refused is read, and thrown away
HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
]


class Guard:
    """An ASGI application around *app* that lets a request through once it is whole, and within all limits.

    Args:
        app: The routes.
        settings: The limits.
        full: Whether the queue has no room, so that a prediction is refused before its body is taken.
        measures: Of the service.
        port: Where it listens.
    """

    def __init__(
        self, app: App, settings: ServiceSettings, full: Callable[[], bool], measures: Measures, port: int
    ) -> None:
        self.app, self.settings, self.full, self.measures = app, settings, full, measures
        self.held = 0  # bytes of all bodies
        self.routes: dict[str, str] = {}  # the path of each route that is counted by itself
        names = {"127.0.0.1", "localhost", "[::1]", settings.host.lower()}
        self.allowed = {name.lower() for name in settings.allow_host}
        self.hosts = {f"{name}:{port}" for name in names} | (names if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status, taken = time.monotonic(), 0, 0
        route = self.routes.get(scope["path"], "other")

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            async with asyncio.timeout(self.settings.timeout):
                body = b""
                if self._checked(scope, route):
                    body = await self._body(receive)
                    taken = len(body)
                await self.app(scope, _once(body, receive), counted)
        except RefusedError as refused:
            await _refuse(refused, scope, counted, DROPPED * self.settings.max_bytes)
        except TimeoutError:
            if not status:
                why = f"the request was not whole, or not answered, after {self.settings.timeout:g} seconds"
                await _refuse(RefusedError(503 if taken else 408, why), scope, counted, 0)
        except _GoneError:
            status = 499  # as others count who went before the answer
        finally:
            self.held -= taken
            self.measures.requests.labels(route, str(status)).inc()
            self.measures.seconds.labels(route).observe(time.monotonic() - begun)

    def refused(self, path: str) -> bytes:
        """The whole answer to a prediction for which the queue has no room, counted: see :class:`Connection`."""
        self.measures.requests.labels(self.routes.get(path, "other"), "503").inc()
        return BUSY

    def _checked(self, scope: Scope, route: str) -> int:
        """The bytes of the body that comes; RefusedError where the request may not be made, or is too large."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        self._check_origin(headers, scope)
        self._check_token(headers, scope["path"])
        if b"transfer-encoding" in headers:
            raise RefusedError(411, "the request has no Content-Length (chunked); send it with one")
        lengths = headers.get(b"content-length", [b"0"])
        if len(lengths) != 1 or not (lengths[0].isdigit() and len(lengths[0]) < 16):
            raise RefusedError(400, "Content-Length is not one whole number")
        length = int(lengths[0])
        if length and scope["method"] != "POST":
            raise RefusedError(400, f"{scope['method']} has a body; send it by POST")
        if length and route not in PREDICTS and route != "other":
            raise RefusedError(405, "this address does not take that method", Allow="GET")
        if length > self.settings.max_bytes:
            raise RefusedError(413, f"the request has {length:,} bytes; send {self.settings.max_bytes:,} at most")
        if headers.get(b"content-encoding", [b"identity"]) != [b"identity"]:
            raise RefusedError(415, "the request is compressed (Content-Encoding); send it as it is")
        if (route in PREDICTS and self.full()) or (length and self.held + length > BODIES * self.settings.max_bytes):
            raise busy()
        return length

    def _check_origin(self, headers: dict[bytes, list[bytes]], scope: Scope) -> None:
        """A page of another site that a browser shows must not ask, not even one whose name leads here by now."""
        hosts = [host.decode("latin-1").lower() for host in headers.get(b"host", [])]
        if len(hosts) != 1 or not (self.settings.token or self._is_known(hosts[0])):
            raise RefusedError(
                421, "the name in the Host header is not this service's; ask by its address, or --allow-host it"
            )
        origins = [origin.decode("latin-1").lower() for origin in headers.get(b"origin", [])]
        sites = headers.get(b"sec-fetch-site", [])
        visit = scope["method"] == "GET" and scope["path"] == "/" and headers.get(b"sec-fetch-dest") == [b"document"]
        own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
        if not own.issuperset(origins) or not (visit or {b"none", b"same-origin"}.issuperset(sites)):
            raise RefusedError(403, "the request is from a page of another site (Origin), which may not ask")

    def _is_known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if host in self.hosts or not self.allowed.isdisjoint({name, host}):
            return True
        if self.settings.loopback:
            return False
        try:  # an address is nobody's name
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return name == "localhost"
        return True

    def _check_token(self, headers: dict[bytes, list[bytes]], path: str) -> None:
        if self.settings.token is None or path in OPEN:
            return
        given = headers.get(b"authorization", [])
        kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        right = hmac.compare_digest(token.strip(), self.settings.token.encode())
        if kind.lower() != b"bearer" or not right:
            why = "the token is missing or wrong; send the header Authorization: Bearer TOKEN"
            raise RefusedError(401, why, WWW_Authenticate="Bearer")

    async def _body(self, receive: Receive) -> bytes:
        """The body, when all of it is there."""
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                part = message.get("body", b"")
                self.held += len(part)
                body += part
                if self.held > BODIES * self.settings.max_bytes:
                    raise busy()
                if not message.get("more_body"):
                    break
        except BaseException:
            self.held -= len(body)
            raise
        return bytes(body)


class _GoneError(Exception):
    """The client went before its request was whole."""


def busy() -> RefusedError:
    """The answer where there is no room for a request now."""
    return RefusedError(503, "too many requests are waiting; try again later", Retry_After=RETRY)


def _busy() -> bytes:
    body = json.dumps({"error": str(busy())}).encode()
    headers = [*HEADERS, (b"content-length", b"%d" % len(body)), (b"retry-after", RETRY.encode())]
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n" + lines + b"\r\n" + body


BUSY = _busy()


def _once(body: bytes, receive: Receive) -> Receive:
    """Gives the *body* first, and then what there is of the connection."""
    message: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replay() -> Message:
        nonlocal message
        given, message = message, None
        return given if given is not None else await receive()

    return replay


async def _refuse(refused: RefusedError, scope: Scope, send: Send, most: int) -> None:
    """Sends the reason. A body of up to *most* bytes that still comes is read and thrown away, since a client that
    sends does not listen; otherwise the connection ends here.
    """
    body = json.dumps({"error": str(refused)}).encode()
    headers = [*HEADERS, (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
    there = dict(scope["headers"])
    length = there.get(b"content-length", b"0")
    if {b"transfer-encoding", b"expect"} & there.keys() or not (
        len(length) < 16 and length.isdigit() and int(length) <= most
    ):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
