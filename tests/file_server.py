"""A web server of a few files on this machine, which can behave as badly as any."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``content`` (path to bytes) in the way that a test chooses, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []  # path and Range
        self.cut: list[int] = []  # of the next answers: after how many bytes the connection ends
        self.ranges, self.chunked, self.pause, self.status, self.redirect = True, False, 0.0, 0, {}
        self.address = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A client that goes away is what some of the tests are about."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        range_ = self.headers.get("Range", "")
        server.asked.append((self.path, range_))
        if self.path in server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect[self.path])
            self.end_headers()
            return
        content = server.content.get(self.path)
        if server.status or content is None:
            self.send_error(server.status or 404)
            return
        start = int(range_.removeprefix("bytes=").removesuffix("-")) if range_ and server.ranges else 0
        if start >= len(content) and start:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if not server.chunked:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        content = content[start:]
        if server.cut:
            content = content[: server.cut.pop(0)]
        for i in range(0, len(content), 4096):
            self.wfile.write(content[i : i + 4096])
            time.sleep(server.pause)


@contextmanager
def serving(content: dict[str, bytes]) -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.content = content
        yield server
        server.shutdown()
        thread.join()
