"""The local server: it answers one request, refuses every other, and nobody beyond this machine reaches it."""

import http.client
import socket
from contextlib import suppress
from threading import Thread

import pytest

from striate.errors import Error
from striate.page.server import PageServer, _Handler

PAGE = "<!doctype html><p>secret</p>"
LIMIT = 1000  # bytes of a question


class RefusedError(Error):
    pass


def reply(question: bytes) -> bytes:
    if question == b"no":
        raise RefusedError("no such question")
    if question == b"fault":
        raise ZeroDivisionError("somebody's layer divides by 0\nsecret")
    return b"secret " + question


@pytest.fixture(scope="module")
def server():
    with PageServer(PAGE) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def asked():
    """A server that answers questions."""
    with PageServer(PAGE, answer=reply, limit=LIMIT) as running:
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


# ------------------------------------------------------------------------------------------------------ questions
KIND = "Content-Type: application/octet-stream"
ORIGIN = "Origin: http://127.0.0.1:PORT"


def ask(server, body=b"hello", **parts):
    """The answer to a question as the page asks it, but for *parts*."""
    lines = [ORIGIN, KIND, f"Content-Length: {len(body)}"]
    parts = {"method": "POST", "headers": lines, "body": body} | parts
    body = parts.pop("body")
    return say(server, request(server, **{name: filled(value, server) for name, value in parts.items()}, body=body))


def status_of(answer):
    return int(answer.split()[1])


QUESTIONS = {
    **{f"host {host}": {"host": host} for host in HOSTS},
    "no host": {"host": ""},
    **{f"origin {o}": {"headers": [f"Origin: {o}", KIND, "Content-Length: 5"]} for o in ORIGINS},
    **{f"path: {name}": {"path": path} for name, path in PATHS.items()},
    **{f"method {method}": {"method": method} for method in METHODS if method != "POST"},
    "method GET": {"method": "GET"},
    "method HEAD": {"method": "HEAD"},
    "no origin": {"headers": [KIND, "Content-Length: 5"]},
    "two origins": {"headers": [ORIGIN, "Origin: http://evil.example", KIND, "Content-Length: 5"]},
    "from another site": {"headers": [ORIGIN, KIND, "Content-Length: 5", "Sec-Fetch-Site: cross-site"]},
    "from a sibling": {"headers": [ORIGIN, KIND, "Content-Length: 5", "Sec-Fetch-Site: same-site"]},
    "a form": {"headers": [ORIGIN, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 5"]},
    "plain text": {"headers": [ORIGIN, "Content-Type: text/plain", "Content-Length: 5"]},
    "no type": {"headers": [ORIGIN, "Content-Length: 5"]},
    "two types": {"headers": [ORIGIN, KIND, "Content-Type: text/plain", "Content-Length: 5"]},
    "no length": {"headers": [ORIGIN, KIND]},
    "two lengths": {"headers": [ORIGIN, KIND, "Content-Length: 5", "Content-Length: 5"]},
    "two other lengths": {"headers": [ORIGIN, KIND, "Content-Length: 5", "Content-Length: 500"]},
    "a length below nothing": {"headers": [ORIGIN, KIND, "Content-Length: -5"]},
    "a length with a sign": {"headers": [ORIGIN, KIND, "Content-Length: +5"]},
    "a length that is no number": {"headers": [ORIGIN, KIND, "Content-Length: five"]},
    "a length in other digits": {"headers": [ORIGIN, KIND, "Content-Length: \xb2"]},
    "a length in hexadecimal": {"headers": [ORIGIN, KIND, "Content-Length: 0x5"]},
    "a length with an underscore": {"headers": [ORIGIN, KIND, "Content-Length: 5_0"]},
    "a length of several words": {"headers": [ORIGIN, KIND, "Content-Length: 5, 5"]},
    "one byte too many": {"body": b"a" * (LIMIT + 1), "headers": [ORIGIN, KIND, f"Content-Length: {LIMIT + 1}"]},
    "a huge length": {"headers": [ORIGIN, KIND, "Content-Length: 99999999999"]},
    "a length of many digits": {"headers": [ORIGIN, KIND, "Content-Length: " + "9" * 5000]},
    "a length of many zeros": {"headers": [ORIGIN, KIND, "Content-Length: " + "0" * 30 + "5"]},
    "chunks": {"headers": [ORIGIN, KIND, "Transfer-Encoding: chunked"]},
    "chunks and a length": {"headers": [ORIGIN, KIND, "Transfer-Encoding: chunked", "Content-Length: 5"]},
    "less than was said": {"headers": [ORIGIN, KIND, "Content-Length: 50"]},
    "a question that is none": {"body": b"no", "headers": [ORIGIN, KIND, "Content-Length: 2"]},
}


@pytest.mark.parametrize("attack", QUESTIONS)
def test_it_refuses_a_question(asked, attack):
    parts = dict(QUESTIONS[attack])
    if parts.get("path") == "/UPPER/":
        parts["path"] = f"/{asked.token.swapcase()}/"
    answer = ask(asked, **parts)
    assert 400 <= status_of(answer) < 600
    assert b"secret" not in answer
    assert asked.token.encode() not in answer
    assert ask(asked).endswith(b"secret hello")  # and goes on


def test_the_page_s_own_question_is_answered(asked):
    for extra in ([], ["Sec-Fetch-Site: same-origin"]):
        answer = ask(asked, headers=[ORIGIN, KIND, "Content-Length: 5", *extra])
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200")
        assert b"Content-Type: application/octet-stream" in head
        assert b"nosniff" in head
        assert b"no-store" in head
        assert b"Access-Control" not in head
        assert body == b"secret hello"
    assert ask(asked, b"").endswith(b"secret ")
    assert say(asked, request(asked)).endswith(PAGE.encode())


def test_why_a_question_has_no_answer_is_said_as_text(asked):
    answer = ask(asked, b"no")
    assert status_of(answer) == 400
    assert b"text/plain" in answer
    assert answer.endswith(b"no such question")
    answer = ask(asked, b"fault")
    assert status_of(answer) == 500
    assert answer.endswith(b"ZeroDivisionError: somebody's layer divides by 0")


def test_each_refusal_of_a_question_has_its_status(asked):
    status = {name: status_of(ask(asked, **QUESTIONS[name])) for name in QUESTIONS if name in ("no origin", "a form")}
    assert status == {"no origin": 403, "a form": 415}
    assert status_of(ask(asked, **QUESTIONS["one byte too many"])) == 413
    assert status_of(ask(asked, **QUESTIONS["no length"])) == 400


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


def test_a_port_that_is_in_use_is_said(server):
    taken = server.server_address[1]
    with pytest.raises(Error, match=rf"^port {taken}: Address already in use; omit --port for a free one, or give"):
        PageServer(PAGE, taken)


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
