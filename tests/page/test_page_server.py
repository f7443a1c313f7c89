"""The local server: it answers one request, refuses every other, and nobody beyond this machine reaches it."""

import http.client
import socket
from contextlib import suppress
from threading import Thread

import pytest

from striate.page.server import PageServer, _Handler

PAGE = "<!doctype html><p>secret</p>"


@pytest.fixture(scope="module")
def server():
    with PageServer(PAGE) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def say(server, raw: bytes, patience=5.0) -> bytes:
    """All that the server answers to *raw*."""
    with socket.create_connection(server.server_address, timeout=patience) as line:
        answer = b""
        with suppress(OSError):  # it hangs up on what is too much
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            while part := line.recv(65536):
                answer += part
        return answer


def request(server, *, method="GET", path=None, host=None, version="HTTP/1.1", headers=(), body=b""):
    path = f"/{server.token}/" if path is None else path
    host = f"127.0.0.1:{server.server_address[1]}" if host is None else host
    lines = [f"{method} {path} {version}", *([f"Host: {host}"] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def filled(value, server):
    """*value* with TOKEN and PORT in their places."""
    if isinstance(value, str):
        return value.replace("TOKEN", server.token).replace("PORT", str(server.server_address[1]))
    return [filled(v, server) for v in value] if isinstance(value, list) else value


HOSTS = [
    "evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "localhost", "localhost.evil.example:PORT",
    "127.0.0.1.evil.example:PORT", "127.0.0.1:PORT.evil.example", "0.0.0.0:PORT", "[::1]:PORT", "127.1:PORT",
    "user@127.0.0.1:PORT", "127.0.0.1:PORT, evil.example", "127.0.0.1:PORT/", "LOCALHOST:PORT", "2130706433:PORT",
]  # fmt: skip
ORIGINS = [
    "null", "http://evil.example", "https://127.0.0.1:PORT", "http://127.0.0.1", "http://127.0.0.1:1", "file://",
    "http://127.0.0.1:PORT.evil.example", "http://localhost.evil.example:PORT", "chrome-extension://abc",
    "http://127.0.0.1:PORT/", "http://127.0.0.1:PORT http://evil.example",
]  # fmt: skip
PATHS = {
    "no token": "/",
    "a wrong token": "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
    "the token cut short": "/TOKEN"[:-3] + "/",
    "no last slash": "/TOKEN",
    "more behind it": "/TOKEN/more",
    "index": "/TOKEN/index.html",
    "twice": "/TOKEN/TOKEN/",
    "the token as a question": "/?TOKEN",
    "the token as a fragment": "/#TOKEN",
    "the token with a zero byte": "/TOKEN%00/",
    "upper case": "/UPPER/",
    "an asterisk": "*",
    "no slash": "TOKEN/",
    "an address of another server": "http://evil.example/TOKEN/",
    "an absolute address": "http://127.0.0.1:PORT/TOKEN/",
    "up": "/TOKEN/../",
    "up to a file": "/TOKEN/../../../../etc/passwd",
    "up, dots encoded": "/TOKEN/%2e%2e/%2e%2e/etc/passwd",
    "up, slash encoded": "/TOKEN/..%2f..%2fetc%2fpasswd",
    "up, encoded twice": "/TOKEN/%252e%252e%252fetc%252fpasswd",
    "up, back slashes": "/TOKEN/..\\..\\etc\\passwd",
    "up, back slashes encoded": "/TOKEN/..%5c..%5cetc%5cpasswd",
    "up, overlong UTF-8": "/TOKEN/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "up, four dots": "/TOKEN/....//....//etc/passwd",
    "up, with a parameter": "/TOKEN/..;/..;/etc/passwd",
    "an absolute file": "//etc/passwd",
    "a file address": "file:///etc/passwd",
    "bytes beyond ASCII": "/\xff\xfe\xfd/",
}
METHODS = "POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND get FOO".split()
HEADERS = {
    "a body": ["Content-Length: 5"],
    "a body of nothing": ["Content-Length: 0"],
    "a body below nothing": ["Content-Length: -1"],
    "a huge body": ["Content-Length: 99999999999999"],
    "a length that is no number": ["Content-Length: many"],
    "chunks": ["Transfer-Encoding: chunked"],
    "chunks and a length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "a second host": ["Host: evil.example"],
    "the same host twice": ["Host: 127.0.0.1:PORT"],
    "fetched by another site": ["Sec-Fetch-Site: cross-site"],
    "fetched by a sibling": ["Sec-Fetch-Site: same-site"],
    "fetched by nonsense": ["Sec-Fetch-Site: what"],
    "two origins": ["Origin: http://127.0.0.1:PORT", "Origin: http://evil.example"],
    "an origin and then a better one": ["Origin: null", "Origin: http://127.0.0.1:PORT"],
    "two fetch sites": ["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"],
}
RAW = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "zero bytes": b"\0" * 100,
    "TLS": bytes([22, 3, 1, 0, 200, 1, 0, 0, 196]) + b"\1" * 200,
    "a long line": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(300)) + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\n\r\n",
    "a version that is none": b"GET / HTTP/x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "four words": b"GET / / HTTP/1.1\r\n\r\n",
    "a body of JSON, deep": b"POST / HTTP/1.1\r\n\r\n" + b"[" * 50_000,
}
ATTACKS = {
    **{f"host {host}": {"host": host} for host in HOSTS},
    "no host": {"host": ""},
    **{f"origin {origin}": {"headers": [f"Origin: {origin}"]} for origin in ORIGINS},
    **{f"path: {name}": {"path": path} for name, path in PATHS.items()},
    **{f"method {method}": {"method": method} for method in METHODS},
    **{f"header: {name}": {"headers": lines} for name, lines in HEADERS.items()},
}


def test_there_are_enough_of_them():
    assert len(ATTACKS) + len(RAW) >= 60


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_refuses(server, attack):
    parts = {name: filled(value, server) for name, value in ATTACKS[attack].items()}
    if parts.get("path") == "/UPPER/":
        parts["path"] = f"/{server.token.swapcase()}/"
    answer = say(server, request(server, **parts))
    status = int(answer.split()[1])
    assert 400 <= status < 600
    assert b"secret" not in answer
    assert server.token.encode() not in answer
    assert say(server, request(server)).endswith(PAGE.encode())  # and goes on


@pytest.mark.parametrize("attack", RAW)
def test_it_refuses_bytes(server, attack):
    answer = say(server, RAW[attack])
    assert b"secret" not in answer
    assert not answer.startswith((b"HTTP/1.0 2", b"HTTP/1.1 2"))
    assert say(server, request(server)).endswith(PAGE.encode())


def test_each_refusal_has_its_status(server):
    def status(**parts):
        return int(say(server, request(server, **{k: filled(v, server) for k, v in parts.items()})).split()[1])

    assert status(host="evil.example") == 421
    assert status(headers=["Origin: null"]) == 403
    assert status(headers=["Sec-Fetch-Site: cross-site"]) == 403
    assert status(headers=["Content-Length: 1"]) == 400
    assert status(path="/") == 404
    assert status(method="POST") == 501


@pytest.mark.parametrize(
    "parts",
    [
        {}, {"host": "localhost:PORT"}, {"path": "/TOKEN/?a=b"}, {"version": "HTTP/1.0"},
        {"headers": ["Origin: http://127.0.0.1:PORT"]}, {"headers": ["Sec-Fetch-Site: none"]},
        {"headers": ["Sec-Fetch-Site: same-origin"]},
    ],
    ids=lambda parts: ", ".join(map(str, parts)) or "plain",
)  # fmt: skip
def test_the_right_request_is_answered(server, parts):
    answer = say(server, request(server, **{name: filled(value, server) for name, value in parts.items()}))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    assert body == PAGE.encode()
    for line in (
        b"default-src 'none'", b"frame-ancestors 'none'", b"nosniff", b"no-referrer", b"no-store", b"same-origin",
    ):  # fmt: skip
        assert line in head
    assert b"Access-Control" not in head
    assert b"Python" not in head


def test_a_head_request_gets_the_head(server):
    answer = say(server, request(server, method="HEAD"))
    assert answer.startswith(b"HTTP/1.0 200")
    assert f"Content-Length: {len(PAGE)}".encode() in answer
    assert answer.endswith(b"\r\n\r\n")


def test_one_request_a_connection(server):
    answer = say(server, request(server) + request(server))
    assert answer.count(b"HTTP/1.0") == 1


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_address[1]}/{server.token}/"


def test_each_server_has_a_token_of_its_own():
    tokens = set()
    for _ in range(3):
        with PageServer(PAGE) as one:
            tokens.add(one.token)
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 32


def test_a_slow_request_is_cut_off_and_stops_nobody_else(server, monkeypatch):
    assert 0 < _Handler.timeout <= 30
    monkeypatch.setattr(_Handler, "timeout", 0.3)
    lines = [socket.create_connection(server.server_address, timeout=10) for _ in range(20)]
    for line in lines:
        line.sendall(b"GET / HT")
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request("GET", f"/{server.token}/")
    assert connection.getresponse().read() == PAGE.encode()
    connection.close()
    for line in lines:
        assert line.recv(1000) == b""  # hung up, without an answer
        line.close()
