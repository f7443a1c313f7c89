"""uvicorn with what it lacks: an end to requests that do not come, and a stop that loses none that did."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HEADER_SECONDS = 10.0  # until the header of a request is there, from when the connection is
IDLE_SECONDS = 30  # of a connection between two requests
LARGEST_HEADER = 1 << 15  # bytes
CONNECTIONS = 1000
SPARE_FILES = 64
REFUSED_WITHIN = 0.06  # seconds, in which a refusal goes out
TICK = 0.002  # seconds between two times that some do
STOPPING_SECONDS = 1.0  # in which a connection that is kept open may still bring a request, after the signal to stop


PREDICTION = re.compile(rb"POST (/predict|/v2/models/[^/ ?]+/infer)(?:\?[^ ]*)? HTTP/1\.1\r\n")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d{1,12})(?=\r\n|$)")
UNUSUAL = re.compile(rb"(?i)\r\n(?:transfer-encoding|expect|upgrade)\s*:|\r\nconnection:[^\r]*close")


class Refusals:
    """Sends refusals a few at a time, so that hundreds do not hold up the answers of those who were accepted.

    Each goes out *within* so many seconds; where the loop is busy, all that are late at once. Who asks again at once
    is slowed down by as much.
    """

    def __init__(self, within: float = REFUSED_WITHIN) -> None:
        self.within = within
        self.waiting: deque[tuple[float, Callable[[], None]]] = deque()  # until when
        self.each = 1  # that are sent at a time
        self.timer: asyncio.TimerHandle | None = None

    def add(self, send: Callable[[], None]) -> None:
        """*send* is called soon."""
        loop = asyncio.get_running_loop()
        self.waiting.append((loop.time() + self.within, send))
        self.each = max(self.each, ceil(len(self.waiting) * TICK / self.within))
        if self.timer is None:
            self.timer = loop.call_later(TICK, self._some)

    def _some(self) -> None:
        loop, sent = asyncio.get_running_loop(), 0
        while self.waiting and (sent < self.each or self.waiting[0][0] < loop.time()):
            self.waiting.popleft()[1]()
            sent += 1
        if self.waiting:
            self.timer = loop.call_later(TICK, self._some)
        else:
            self.timer, self.each = None, 1


class Connection(H11Protocol):
    """A connection that is closed where a request does not come to its end in time, or where there are too many.

    While the queue is full, a prediction is refused before it is parsed: where there are ten times too many requests,
    this costs less than a tenth of what their parsing would, which the others need. One that is let in takes its place
    in the queue a moment later; until then nobody else is let in for the same place, only to be refused after all.
    """

    # of all connections of a service:
    refusals: Refusals
    coming = 0  # predictions that were let in and have not taken their places yet

    longest = 30.0  # seconds, for the body of a request
    most = CONNECTIONS
    room: Callable[[], int] = staticmethod(lambda: CONNECTIONS)  # places in the queue
    refused: Callable[[str], bytes] = staticmethod(lambda path: b"")  # told which; gives the whole answer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.end: asyncio.TimerHandle | None = None
        self.due = ""  # what has to come until then
        self.refusing = False  # a refusal is about to go out
        self.early = b""  # what came meanwhile
        self.unread: asyncio.TimerHandle | None = None  # the next look whether the client reads

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the body waits 40 ms for the header's receipt
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._expect("header", HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect("", 0)
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_watching()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        """The connection ends where the client takes nothing of its answers for IDLE_SECONDS."""
        self._stop_watching()
        left = self.transport.get_write_buffer_size()
        self.unread = self.loop.call_later(IDLE_SECONDS, self._end_unless_read, left)

    def _end_unless_read(self, left: int) -> None:
        if self.transport.get_write_buffer_size() < left:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None

    def data_received(self, data: bytes) -> None:
        if self.refusing:  # the next request of one who does not wait for answers
            self.early += data
            self.transport.pause_reading()
        elif self.flow.write_paused or not (path := self._one_prediction(data)):
            super().data_received(data)
        elif self.coming < self.room():
            type(self).coming += 1
            self.loop.call_soon(self._came)  # just before the first step of the request's task, which takes the place
            super().data_received(data)
        else:
            self._unset_keepalive_if_required()
            self._expect("", 0)
            self.refusing = True
            self.refusals.add(partial(self._refuse, self.refused(path)))

    def _came(self) -> None:
        type(self).coming -= 1

    def _refuse(self, answer: bytes) -> None:
        self.refusing = False
        if self.transport.is_closing():
            return
        self._expect("request", IDLE_SECONDS)
        self.transport.write(answer)
        if self.early:
            early, self.early = self.early, b""
            self.transport.resume_reading()
            self.data_received(early)

    def _one_prediction(self, data: bytes) -> str:
        """The path, where *data* is one whole, plain request for a prediction and nothing else was begun; else ""."""
        if self.conn.our_state is not h11.IDLE or self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            return ""
        head, _, body = data.partition(b"\r\n\r\n")
        found, lengths = PREDICTION.match(head), LENGTH.findall(head)
        if found is None or len(lengths) != 1 or int(lengths[0]) != len(body) or UNUSUAL.search(head):
            return ""
        return found[1].decode("ascii", "replace")

    def handle_events(self) -> None:
        super().handle_events()
        if self.transport.is_closing():
            self._watch()
        state = self.conn.their_state
        if self.transport.is_closing() or state not in (h11.SEND_BODY, h11.IDLE):
            self._expect("", 0)
        elif state is h11.SEND_BODY:
            self._expect("body", self.longest + 1)  # the guard answers before
        elif self.conn.trailing_data[0]:
            self._expect("header", HEADER_SECONDS)
        else:
            self._expect("request", IDLE_SECONDS)

    def _expect(self, due: str, seconds: float) -> None:
        """The connection ends unless something else is *due* in so many seconds."""
        if due != self.due:
            if self.end is not None:
                self.end.cancel()
            left = self.transport.get_write_buffer_size()
            self.end = self.loop.call_later(seconds, self._overdue, left) if due else None
            self.due = due

    def _overdue(self, left: int) -> None:
        """The connection ends, but for a client that still reads the last answer, and need not ask before."""
        now = self.transport.get_write_buffer_size()
        if self.due == "request" and now < left:
            self.end = self.loop.call_later(IDLE_SECONDS, self._overdue, now)
        else:
            self.transport.abort()


class GracefulServer(uvicorn.Server):
    """Ends by SIGTERM or SIGINT with what is in flight answered, and without the signal being raised again.

    Args:
        config: uvicorn's.
        hung_up: What SIGHUP does.
    """

    def __init__(self, config: uvicorn.Config, hung_up: Callable[[], None]) -> None:
        super().__init__(config)
        self.hung_up = hung_up
        self.stopping = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        meant: dict[int, Callable[..., object]] = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop}
        if hasattr(signal, "SIGHUP"):
            meant[signal.SIGHUP] = lambda *_: self.hung_up()
        before = {number: signal.signal(number, does) for number, does in meant.items()}
        try:
            yield
        finally:
            for number, did in before.items():
                signal.signal(number, did)

    def _stop(self, *_: object) -> None:
        self.force_exit = self.should_exit  # a second time: now
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connections; those that are kept open may bring what they are about to bring, and are told to end."""
        self.stopping = True
        await asyncio.sleep(0.05)  # whoever has connected is let in
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        loop = asyncio.get_running_loop()
        until = loop.time() + STOPPING_SECONDS
        while self.server_state.connections and loop.time() < until and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def most_connections() -> int:
    """As many as there may be open files for, CONNECTIONS at most."""
    if resource is None:
        return CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(CONNECTIONS, soft - SPARE_FILES))


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: The port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)
