"""The page from this machine to this machine: one address with a random token, its questions, and nothing else."""

from __future__ import annotations

import hmac
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit

from striate.errors import Error
from striate.page.document import POLICY

HEADERS = {
    "Content-Security-Policy": POLICY + "; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class PageServer(ThreadingHTTPServer):
    """Serves *page* at ``url`` to programs of this machine that know the token; every other request is refused.

    Args:
        page: HTML.
        port: 0 for any that is free.
        answer: What the page asks by POST, if anything; it may raise ``Error`` for a question that it does not answer.
        limit: The most bytes of such a question.

    Raises:
        Error: The port cannot be had.

    >>> server = PageServer("<p>hello</p>")
    >>> server.url.startswith("http://127.0.0.1:")
    True
    >>> server.server_close()
    """

    daemon_threads = True

    def __init__(
        self, page: str, port: int = 0, answer: Callable[[bytes], bytes] | None = None, limit: int = 0
    ) -> None:
        self.page = page.encode()
        self.answer = answer
        self.limit = limit
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:  # another program has it, or only an administrator may
            raise Error(
                f"port {port}: {error.strerror or error}; omit --port for a free one, or give another"
            ) from None
        own = self.server_address[1]
        self.hosts = (f"127.0.0.1:{own}", f"localhost:{own}")

    def handle_error(self, *_: object) -> None:
        """Nothing of a browser that has gone before its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """The address with the token."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server_version = "striate"
    sys_version = ""
    protocol_version = "HTTP/1.0"  # one request a connection: no body that is left over is read as the next one
    timeout = 10  # seconds, of a request that does not come to its end

    @property
    def own(self) -> PageServer:
        """The server, which knows the page and the token."""
        return cast(PageServer, self.server)

    def do_GET(self) -> None:
        if refusal := self._refusal(body=False):
            self.send_error(refusal)
        else:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.own.page)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        answer = self.own.answer
        if refusal := HTTPStatus.NOT_IMPLEMENTED if answer is None else self._refusal(body=True):
            self.send_error(refusal)
            return
        assert answer is not None
        length = int(self.headers["Content-Length"])
        question = self.rfile.read(length)
        if len(question) < length:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            found = answer(question)
        except Error as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", str(error).encode())
        except Exception as error:  # somebody's own network fails on this input: the page says so
            said = f"{type(error).__name__}: {error}".splitlines()[0][:400]
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", said.encode())
        else:
            self._send(HTTPStatus.OK, "application/octet-stream", found)

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refusal(self, body: bool) -> HTTPStatus | None:
        """Why this request is refused: a page of another site that was lured here, or a program without the token.

        One with a *body* must come from the page itself, in the form in which it asks.
        """
        if self.headers.get_all("Host", []) not in [[host] for host in self.own.hosts]:
            return HTTPStatus.MISDIRECTED_REQUEST
        origins = {f"http://{host}" for host in self.own.hosts}
        for name, right in (("Origin", origins), ("Sec-Fetch-Site", {"none", "same-origin"})):
            if not right.issuperset(self.headers.get_all(name, [])):  # none, or several that are all right
                return HTTPStatus.FORBIDDEN
        path = urlsplit(self.path).path if self.path.startswith("/") else ""
        if not hmac.compare_digest(path.encode(), f"/{self.own.token}/".encode()):
            return HTTPStatus.NOT_FOUND
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != body:
            return HTTPStatus.BAD_REQUEST
        if not body:
            return None
        if "Origin" not in self.headers:
            return HTTPStatus.FORBIDDEN
        if self.headers.get_all("Content-Type") != ["application/octet-stream"]:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        if not (lengths[0].isascii() and lengths[0].isdecimal()):
            return HTTPStatus.BAD_REQUEST
        most = self.own.limit
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if len(lengths[0]) > 12 or int(lengths[0]) > most else None

    def log_message(self, *_: object) -> None:
        """Nothing: the address has the token."""
