"""Goal: `striate serve` on 2 cores, ResNet-18 at 64 pixels: 64 clients get at least 0.8 of the throughput of `predict`
over the same files; at ten times its capacity the p99 of what is accepted is at most 3 times that of an unloaded
service, and what is refused gets its 503 within 100 ms; the memory after 20,000 requests is within 5% of that after
1,000.

Evidence, two cores of an AMD EPYC (AVX512-BF16), torch 2.13, onnxruntime 1.32, nothing else running (load 1.7 and 2.1),
one run of each with --seconds 5:

exported file: 64 clients 963 a second, 0.79 of offline (1,222; 0.84 in another run); memory after 20,000 requests
+0.1%; at ten times capacity (9,632 a second) p99 12.3 ms, 2.6 times the unloaded 4.6, 503 after 69 ms at most.
model file (torch): 548 a second, 0.73 of offline (755: missed); memory +1.8%; at ten times capacity (5,483 a second)
p99 39.5 ms, 2.1 times the unloaded 18.5, 503 after 67 ms at most.

Of the 1.95 ms of processor time that a request takes (exported; offline 1.66) 0.32 are the event loop's, h11 0.05 of
it. Overload is with --queue 1 --batch-size 1. One free place in the queue lets one request in; before, all that came
until it was taken were parsed, to be refused after all (18 to 62 for each that was accepted), and the ratio was 4.2.

A refusal takes 25 to 30 microseconds of the loop and 13 to 18 of the client. No gain: uvloop, a loop that looks at its
sockets once in a millisecond while the queue is full, decoding in the loop instead of the threads, Starlette alone
instead of FastAPI, lower priority of the loop.

The service is a process of its own, and so are the clients, which speak HTTP over raw sockets in one thread
(select), so that they take little of the two cores that both share; what they take is printed beside. The offline
throughput is that of `Model.answers` over the same JPEGs (64x64) in a process of its own, decoding included. Under 64
clients each asks again as soon as it is answered. Ten times capacity is an open load: requests are sent at ten times
the rate that 64 clients got, each on a free one of 800 connections, whether or not answers come; the service is started
with a short queue and small batches for it (1 and 1), since a queue is the longest wait: queue / throughput.

    python bench/serve.py
    python bench/serve.py --engine onnx          # the exported file, without torch
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from PIL import Image

from common import arguments, machine

CLASSES = tuple(f"class {i}" for i in range(10))
OFFLINE = """
import sys, time
from pathlib import Path
from striate.run.predicting import opened
model = opened(sys.argv[1], "cpu", 64)
files = sorted(Path(sys.argv[2]).glob("*.jpg"))
for _ in model.answers(files[:128]):
    pass
begun = time.perf_counter()
for _ in model.answers(files):
    pass
print(len(files) / (time.perf_counter() - begun))
"""


def model_file(folder: Path) -> Path:
    """ResNet-18 for ten classes at 64 pixels, as it begins: how fast it answers is no matter of what it learned."""
    from striate.model.contract import Contract
    from striate.model.model import Model
    from striate.net import build
    from striate.spec import lower
    from striate.zoo import ZOO

    size = (3, 64, 64)
    graph = lower(ZOO["resnet18"].make(classes=10), size)
    contract = Contract(CLASSES, size, "RGB", (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    Model(build(graph, seed=0), contract).save(folder / "resnet18.safetensors")
    return folder / "resnet18.safetensors"


def photos(folder: Path, n: int) -> list[bytes]:
    """JPEGs of 64x64, smooth as photos are, and their files."""
    rng = np.random.default_rng(0)
    contents = []
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
            (64, 64), Image.Resampling.BICUBIC
        )
        small.save(stream := io.BytesIO(), "JPEG", quality=90)
        contents.append(stream.getvalue())
        (folder / f"{i:05}.jpg").write_bytes(contents[-1])
    return contents


# --------------------------------------------------------------------------------------------------------- clients
@dataclass
class Load:
    """What the clients saw."""

    seconds: float = 0.0
    accepted: list[float] = field(default_factory=list)  # seconds, of each answer 200
    refused: list[float] = field(default_factory=list)  # of each 503
    odd: int = 0  # of other answers, and of connections that broke
    unsent: int = 0  # requests of an open load for which no connection was free
    processor: float = 0.0  # share of one core that the clients took


class Clients:
    """*connections* to the service on *port*, in this one thread."""

    def __init__(self, port: int, connections: int, bodies: list[bytes]) -> None:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/jpeg\r\nContent-Length: "
        self.requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
        self.selector = selectors.DefaultSelector()
        self.free: deque[socket.socket] = deque()
        self.begun: dict[socket.socket, float] = {}
        self.read: dict[socket.socket, bytes] = {}
        self.sent = 0
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(connection, selectors.EVENT_READ)
            self.free.append(connection)

    def ask(self, due: float | None = None) -> None:
        """A request on a free connection; *due* is when it should have been sent."""
        connection = self.free.popleft()
        self.begun[connection] = time.perf_counter() if due is None else due
        connection.sendall(self.requests[self.sent % len(self.requests)])
        self.sent += 1

    def answered(self, load: Load, wait: float) -> int:
        """Takes what answers there are; how many."""
        count = 0
        for key, _ in self.selector.select(wait):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            data = self.read.get(connection, b"") + connection.recv(1 << 16)
            end = data.find(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", data[:end]) if end > 0 else None
            if length is None or len(data) < end + 4 + int(length[1]):
                if not data:
                    raise SystemExit("the service closed a connection")
                self.read[connection] = data
                continue
            self.read.pop(connection, None)
            took, status = time.perf_counter() - self.begun.pop(connection), data[9:12]
            kept = {b"200": load.accepted, b"503": load.refused}.get(status)
            if kept is None:
                load.odd += 1
            else:
                kept.append(took)
            self.free.append(connection)
            count += 1
        return count

    def closed(self, requests: int) -> Load:
        """Each connection asks again as soon as it is answered."""
        load, before, begun = Load(), spent(), time.perf_counter()
        done, until = 0, self.sent + requests
        while self.free and self.sent < until:
            self.ask()
        while done < requests:
            done += self.answered(load, 1)
            while self.free and self.sent < until:
                self.ask()
        load.seconds = time.perf_counter() - begun
        load.processor = (spent() - before) / load.seconds
        return load

    def open(self, rate: float, seconds: float) -> Load:
        """So many requests a second, whatever the answers do."""
        load, before, begun = Load(), spent(), time.perf_counter()
        due = begun
        while (now := time.perf_counter()) < begun + seconds:
            while due <= now:
                if self.free:
                    self.ask()
                else:
                    load.unsent += 1
                due += 1 / rate
            self.answered(load, max(0.0, min(0.001, due - time.perf_counter())))
        load.seconds = time.perf_counter() - begun
        load.processor = (spent() - before) / load.seconds
        while self.begun:
            self.answered(load, 1)
        return load

    def close(self) -> None:
        for key in [*self.selector.get_map().values()]:
            key.fileobj.close()  # type: ignore[union-attr]


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --------------------------------------------------------------------------------------------------------- service
class Service:
    """`striate serve` of a file in a process of its own."""

    def __init__(self, file: Path, *words: str) -> None:
        command = [sys.executable, "-m", "striate", "serve", str(file), "--port", "0", "--json", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.port = int(self.url.rsplit(":", 1)[1].strip("/"))

    def memory(self) -> float:
        """MB that are resident now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1e3

    def metric(self, name: str) -> float:
        text = urlopen(f"{self.url}metrics").read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])  # type: ignore[index]

    def stop(self) -> None:
        self.process.terminate()
        if code := self.process.wait(30):
            sys.exit(f"the service ended with {code}")


def p(values: list[float], share: float) -> str:
    return f"{np.quantile(values, share) * 1e3:.1f} ms" if values else "none"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--engine", choices=("torch", "onnx"), default="torch")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--overload", type=float, default=10, help="times the capacity")
    parser.add_argument("--seconds", type=float, default=10, help="of the overload")
    parser.add_argument("--queue", default="1", help="in the overload")
    parser.add_argument("--batch-size", default="1", help="in the overload")
    given = parser.parse_args()
    print(machine("torch" if given.engine == "torch" else "onnxruntime", "uvicorn", "fastapi"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = model_file(folder)
        if given.engine == "onnx":
            words = [
                sys.executable,
                "-m",
                "striate",
                "export",
                str(file),
                "--to",
                "onnx",
                "-o",
                str(folder / "resnet18.onnx"),
            ]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            file = folder / "resnet18.onnx"
        (folder / "photos").mkdir()
        bodies = photos(folder / "photos", given.files)

        def offline() -> float:
            words = [sys.executable, "-c", OFFLINE, str(file), str(folder / "photos")]
            return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

        rates = [offline()]
        service = Service(file)
        clients = Clients(service.port, 64, bodies)
        clients.closed(1000)
        memory, runs = service.memory(), []
        while clients.sent < given.requests - 3000:
            runs.append(clients.closed(3000))
        clients.closed(given.requests - clients.sent)
        after = service.memory()
        batch = service.metric("striate_batch_items_sum") / service.metric("striate_batch_items_count")
        clients.close()
        service.stop()
        rates.append(offline())
        best, served = statistics.median(rates), statistics.median(len(run.accepted) / run.seconds for run in runs)
        print(f"offline            {best:8.0f} images a second (before and after: {rates[0]:.0f}, {rates[1]:.0f})")
        print(
            f"64 clients         {served:8.0f} requests a second, {served / best:.2f} of offline (n = {len(runs)} "
            f"times 3,000; refused {sum(len(run.refused) for run in runs)}, odd {sum(run.odd for run in runs)}; "
            f"{batch:.1f} items a batch; "
            f"the clients took {statistics.median(run.processor for run in runs):.0%} of a core)"
        )
        print(
            f"memory             {memory:8.1f} MB after 1,000 requests, {after:.1f} MB after {given.requests:,}: "
            f"{after / memory - 1:+.1%}"
        )

        service = Service(file, "--queue", given.queue, "--batch-size", given.batch_size)
        clients = Clients(service.port, 1, bodies)
        clients.closed(200)
        alone = clients.closed(2000)
        clients.close()
        print(
            f"unloaded           {p(alone.accepted, 0.5)} median, p99 {p(alone.accepted, 0.99)} (one client, n = "
            f"{len(alone.accepted):,})"
        )
        clients = Clients(service.port, 800, bodies)
        clients.open(served, 2)
        over = clients.open(given.overload * served, given.seconds)
        clients.close()
        service.stop()
        ratio = float(np.quantile(over.accepted, 0.99) / np.quantile(alone.accepted, 0.99))
        sent = len(over.accepted) + len(over.refused)
        print(
            f"{given.overload:g} times capacity  {given.overload * served:8.0f} a second asked, "
            f"{sent / over.seconds:.0f} sent: {len(over.accepted) / over.seconds:.0f} accepted a second, "
            f"median {p(over.accepted, 0.5)}, p99 {p(over.accepted, 0.99)}, {ratio:.1f} times the unloaded; 503 median "
            f"{p(over.refused, 0.5)}, p99 "
            f"{p(over.refused, 0.99)}, max {p(over.refused, 1)}; no connection free for {over.unsent}, odd {over.odd}; "
            f"the clients took {over.processor:.0%} of a core"
        )


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
