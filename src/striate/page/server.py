"""The page from this machine to this machine: one address with a random token, and nothing else."""

from __future__ import annotations

import hmac
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit

from striate.page.document import POLICY

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY + "; frame-ancestors 'none'",
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

    >>> server = PageServer("<p>hello</p>")
    >>> server.url.startswith("http://127.0.0.1:")
    True
    >>> server.server_close()
    """

    daemon_threads = True

    def __init__(self, page: str, port: int = 0) -> None:
        self.page = page.encode()
        self.token = secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), _Handler)
        own = self.server_address[1]
        self.hosts = (f"127.0.0.1:{own}", f"localhost:{own}")

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
        if refusal := self._refusal():
            self.send_error(refusal)
            return
        self.send_response(HTTPStatus.OK)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.own.page)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.own.page)

    do_HEAD = do_GET  # noqa: N815

    def _refusal(self) -> HTTPStatus | None:
        """Why this request is refused: a page of another site that was lured here, or a program without the token."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.own.hosts]:
            return HTTPStatus.MISDIRECTED_REQUEST
        origins = {f"http://{host}" for host in self.own.hosts}
        for name, right in (("Origin", origins), ("Sec-Fetch-Site", {"none", "same-origin"})):
            if not right.issuperset(self.headers.get_all(name, [])):  # none, or several that are all right
                return HTTPStatus.FORBIDDEN
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            return HTTPStatus.BAD_REQUEST
        path = urlsplit(self.path).path if self.path.startswith("/") else ""
        return None if hmac.compare_digest(path.encode(), f"/{self.own.token}/".encode()) else HTTPStatus.NOT_FOUND

    def log_message(self, *_: object) -> None:
        """Nothing: the address has the token."""
