"""Small models that nobody trained, services of them on real sockets, and a client that sends what it is told."""

import io
import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image

from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.spec import parse

TOKEN = "a-token-of-the-tests"
COLOURS = Contract(("red", "green", "blue"), (3, 16, 16), "RGB", (0.5,) * 3, (0.25,) * 3)
SENTENCES = Contract(("bad", "good"), (8,), "text", (), (), vocabulary=("a", "film", "good", "bad"))
SIGNALS = Contract(
    ("x", "y"),
    (2, 6),
    "values",
    (0.0, 0.0),
    (1.0, 1.0),
    task="regression",
    target_mean=(1.0, 2.0),
    target_std=(1.0, 1.0),
)
MASKS = Contract(("sky", "road"), (3, 16, 16), "RGB", (0.5,) * 3, (0.25,) * 3, task="segmentation", mask_values=(0, 1))
NETS = {
    "colours": ("input 3x16x16; conv 4 3; relu; flatten; linear 3", COLOURS),
    "sentences": ("input 8; embedding 6 4; flatten; linear 2", SENTENCES),
    "signals": ("input 2x6; flatten; linear 2", SIGNALS),
    "masks": ("input 3x16x16; conv 2 3 padding=1", MASKS),
}


def until(condition):
    """Waits until *condition* holds, 20 seconds at most."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for 20 seconds")


def model_of(kind, seed=0):
    net, contract = NETS[kind]
    return Model(build(parse(net), seed=seed), contract)


def png(seed=0, size=(20, 20)):
    """A noisy image, as a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Reply:
    """What came back; status 0 where the connection was closed without an answer."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def read_reply(stream):
    """One answer from a socket's file."""
    try:
        line = stream.readline()
        if not line:
            return Reply(0, {}, b"")
        headers = {}
        while (header := stream.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", -1))
        body = stream.read(length) if length >= 0 else stream.read()
        return Reply(int(line.split()[1]), headers, body)
    except (ConnectionError, TimeoutError):
        return Reply(0, {}, b"")


class Client:
    """Sends raw bytes to a service."""

    def __init__(self, serving):
        self.serving, self.port = serving, serving.port

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, raw, *, timeout=20):
        """The first answer to *raw*, in which PORT stands for the port."""
        with self.connect(timeout) as connection:
            with suppress(ConnectionError):  # refused before all was sent; the answer may be there
                connection.sendall(raw)
            return read_reply(connection.makefile("rb"))

    def ask(self, method, path, body=b"", *headers, timeout=20):
        return self.send(self.raw(method, path, body, *headers), timeout=timeout)

    def raw(self, method, path, body=b"", *headers):
        """A request; a header that is given stands in the place of the usual one, an empty one takes it away."""
        usual = {"Host": f"127.0.0.1:{self.port}"}
        if body or method == "POST":
            usual["Content-Length"] = str(len(body))
        lines = []
        for header in headers:
            name, _, value = header.partition(":")
            usual.pop(name.title(), None)
            lines += [f"{name}:{value}"] if value else []
        first = f"{method} {path} HTTP/1.1"
        text = "\r\n".join([first, *(f"{n}: {v}" for n, v in usual.items()), *lines])
        return text.replace("PORT", str(self.port)).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    def predict(self, body=None, *headers):
        return self.ask("POST", "/predict", png() if body is None else body, *headers)


LEAKS = re.compile(
    rb"traceback|file \"|\.py\b|uvicorn|starlette|fastapi|h11|python|numpy|torch|/(tmp|home|root|work|usr|etc)\b",
    re.I,
)


def assert_clean(reply):
    """An answer that tells nothing of the machine."""
    assert not LEAKS.search(reply.body), reply.body[:500]
    assert "server" not in reply.headers
