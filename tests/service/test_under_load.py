"""A process that answers many clients: a new model file, a broken one, the signal to stop; no request is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from served import COLOURS, Client, png, read_reply
from striate.model.model import Model
from striate.net import build
from striate.service import service_of
from striate.spec import parse


def saved(path, seed):
    Model(build(parse("input 3x16x16; flatten; linear 3"), seed=seed), COLOURS).save(path)


class Load:
    """Clients that ask again as soon as they are answered, each on a connection that it keeps open."""

    def __init__(self, client, clients=8):
        self.client, self.raw = client, client.raw("POST", "/predict", png())
        self.statuses, self.lost, self.refused = [], [], 0
        self.ending = False
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        while not self.ending:
            try:
                connection = self.client.connect()
            except ConnectionError:
                self.refused += 1  # nobody listens: this request was never accepted
                return
            with connection:
                stream, first = connection.makefile("rb"), True
                while not self.ending:
                    try:
                        connection.sendall(self.raw)
                        reply = read_reply(stream)
                    except ConnectionError:
                        reply = read_reply(stream)
                    if not reply.status and first:  # the listener was closed before it let this connection in
                        self.refused += 1
                        return
                    (self.statuses if reply.status else self.lost).append(reply.status)
                    first = False
                    if not reply.status or reply.headers.get("connection") == "close":
                        break

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join()

    def wait_for(self, more):
        """Until so many more requests were answered."""
        wanted = len(self.statuses) + more
        while len(self.statuses) < wanted and any(thread.is_alive() for thread in self.threads):
            time.sleep(0.01)


def test_a_new_model_file_under_load_fails_no_request(tmp_path):
    file = tmp_path / "m.safetensors"
    saved(file, 0)
    serving = service_of(file, port=0, say=lambda _: None)
    with serving.in_thread():
        client = Client(serving)
        with Load(client) as load:
            for seed in (1, 2):
                load.wait_for(100)
                saved(file, seed)
                assert serving.service.current.look()
            file.write_bytes(b"broken")
            assert serving.service.current.look() is False
            load.wait_for(100)
        assert client.ask("GET", "/model").json["version"] == 3
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert len(load.statuses) >= 300


@contextmanager
def process_of(file):
    """`striate serve` of *file* in a process of its own, and a client of it."""
    words = [sys.executable, "-m", "striate", "serve", str(file), "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = json.loads(process.stdout.readline())["url"]
            yield process, Client(SimpleNamespace(port=int(url.rsplit(":", 1)[1].strip("/"))))
        finally:
            process.kill()


@pytest.mark.slow
def test_a_process_takes_a_new_file_by_itself_and_stops_by_a_signal_with_every_request_answered(tmp_path):
    file = tmp_path / "m.safetensors"
    saved(file, 0)
    with process_of(file) as (process, client), Load(client, 16) as load:
        for seed, version in ((1, 2), (2, 3)):
            load.wait_for(100)
            saved(file, seed)
            if seed == 2:
                process.send_signal(signal.SIGHUP)
            while client.ask("GET", "/model").json["version"] < version:
                time.sleep(0.05)
        load.wait_for(200)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert err.splitlines() == [
        "the new m.safetensors is taken: version 2",
        "the new m.safetensors is taken: version 3",
    ]
    assert out == ""


@pytest.mark.slow
def test_a_second_signal_ends_at_once(tmp_path):
    file = tmp_path / "m.safetensors"
    saved(file, 0)
    with process_of(file) as (process, client), client.connect() as connection:
        connection.sendall(client.raw("POST", "/predict", b"x", "Content-Length: 1000"))  # never whole
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 0
    assert os.path.exists(file)
