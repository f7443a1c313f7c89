"""What uvicorn's connections lack."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from striate.service.connection import Connection, Refusals


def sent(within: float, count: int, blocked: float = 0) -> tuple[list[int], list[int]]:
    """What went out of *count* refusals, and how many had gone after each time that some did."""

    async def go() -> tuple[list[int], list[int]]:
        found: list[int] = []
        after: list[int] = []
        refusals = Refusals(within)
        some = refusals._some

        def watched() -> None:
            some()
            after.append(len(found))

        refusals._some = watched  # type: ignore[method-assign]
        for i in range(count):
            refusals.add(partial(found.append, i))
        time.sleep(blocked)  # as a busy machine does
        while len(found) < count:
            await asyncio.sleep(0)
        refusals.add(partial(found.append, count))  # once more, after all have gone
        while len(found) <= count:
            await asyncio.sleep(0)
        return found, after

    return asyncio.run(go())


def test_refusals_go_out_in_their_order_a_few_at_a_time():
    found, after = sent(within=20, count=150)
    assert found == [*range(151)]
    assert after == [*range(1, 152)]


def test_refusals_that_are_late_go_out_at_once():
    found, after = sent(within=0.1, count=150, blocked=0.3)
    assert found == [*range(151)]
    assert after == [150, 151]


# ------------------------------------------------------------------------------------------- who asks and never reads
PREDICTION = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10000\r\n\r\n" + bytes(10_000)


def large(size, asked):
    """An application that answers everything with so many bytes, and counts in *asked*."""

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})

    return app


@asynccontextmanager
async def connected(
    *, room: Callable[[], int] = lambda: 1, size: int = 8_000_000, asked: list[str] | None = None
) -> AsyncIterator[tuple[socket.socket, Connection]]:
    """A client's end and the service's of one connection, with little room in the system's own buffers."""
    own = {"refusals": Refusals(), "room": staticmethod(room), "refused": staticmethod(lambda _: REFUSAL)}
    protocol, state = type("Own", (Connection,), own), ServerState()
    app = large(size, [] if asked is None else asked)
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = await asyncio.get_running_loop().create_server(lambda: protocol(config, state, {}), sock=listening)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listening.getsockname())
        while not state.connections:
            await asyncio.sleep(0)
        (one,) = state.connections
        yield client, one
        async with asyncio.timeout(20):
            while state.connections:
                await asyncio.sleep(0.01)
    server.close()


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
def test_a_client_that_never_reads_its_answer_is_not_kept(header, monkeypatch):
    monkeypatch.setattr("striate.service.connection.IDLE_SECONDS", 0.2)

    async def go():
        async with connected() as (client, _):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")

    asyncio.run(go())


def test_a_client_that_reads_slowly_is_kept():
    one = Connection.__new__(Connection)
    one.loop, one.transport, one.unread = Mock(), Mock(), None
    one.transport.get_write_buffer_size.return_value = 50
    one._end_unless_read(100)
    one.transport.abort.assert_not_called()
    assert one.loop.call_later.call_args.args[1:] == (one._end_unless_read, 50)
    one._end_unless_read(50)
    one.transport.abort.assert_called_once()


def test_a_client_that_reads_one_large_answer_slowly_gets_all_of_it(monkeypatch):
    monkeypatch.setattr("striate.service.connection.IDLE_SECONDS", 0.2)

    async def go():
        async with connected(size=300_000) as (client, one):
            client.setblocking(False)
            loop, got = asyncio.get_running_loop(), b""
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while one.due != "request":
                await asyncio.sleep(0)
            for _ in range(20):  # 1 second: the answer is complete for the service, and none of it idle
                got += await loop.sock_recv(client, 5000)
                await asyncio.sleep(0.05)
            while (length := got.find(b"\r\n\r\n") + 4 + 300_000 - len(got)) > 0:
                more = await loop.sock_recv(client, length)
                assert more, f"the connection ended {length} bytes before the end of the answer"
                got += more

    asyncio.run(go())


def test_refusals_to_a_client_that_never_reads_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("striate.service.connection.IDLE_SECONDS", 0.2)

    async def go():
        async with connected(room=lambda: 0) as (_, one):
            most = one.transport.get_write_buffer_limits()[1]
            for _ in range(100):
                one.data_received(PREDICTION)
                while one.refusing:
                    await asyncio.sleep(0)
            assert most < one.transport.get_write_buffer_size() <= most + len(REFUSAL)
            assert one.flow.read_paused

    asyncio.run(go())


def test_what_comes_while_a_refusal_is_about_to_go_out_is_not_read_on(monkeypatch):
    monkeypatch.setattr("striate.service.connection.IDLE_SECONDS", 0.2)

    async def go():
        async with connected(room=lambda: 0) as (client, one):
            one.refusals.within = 1e9  # it stays about to
            one.refusals.timer = Mock()
            client.sendall(PREDICTION)
            while not one.refusing:
                await asyncio.sleep(0)
            client.sendall(PREDICTION)
            while not one.early:
                await asyncio.sleep(0)
            assert not one.transport.is_reading()
            client.sendall(PREDICTION)
            for _ in range(20):
                await asyncio.sleep(0)
            assert one.early == PREDICTION
            one.transport.abort()

    asyncio.run(go())


def test_one_free_place_lets_one_request_in():
    async def go():
        asked = []
        async with connected(size=1, room=lambda: 1, asked=asked) as (_, one):
            other = type(one)(one.config, ServerState(), {})
            other.connection_made(Mock(get_write_buffer_size=lambda: 0, is_closing=lambda: False))
            one.data_received(PREDICTION)
            other.data_received(PREDICTION)  # before the first has taken the place
            assert (one.refusing, other.refusing) == (False, True)
            while not asked:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (one.coming, asked) == (0, ["/predict"])
            other.connection_lost(None)
            one.transport.abort()

    asyncio.run(go())


def test_a_request_that_is_none_gives_its_place_back():
    async def go():
        asked = []
        async with connected(asked=asked) as (_, one):
            one.data_received(PREDICTION.replace(b"Host: x", b"Host: \0"))
            assert one.coming == 1
            await asyncio.sleep(0)
            assert (one.coming, asked) == (0, [])

    asyncio.run(go())
