import gzip
import hashlib
import io
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from striate.datasets import open_data
from striate.datasets.sources import built_in
from striate.datasets.sources.built_in import CIFAR10, FASHION_MNIST, MIRRORS, MNIST
from striate.errors import DataError
from striate.fetching import RemoteFile

REAL = Path(__file__).parents[3] / "shared" / "data" / "mnist"
PLANE = 32 * 32


def a_file(name, content):
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of each data set, in a cache of the test's own; no address leads anywhere."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    for name in MIRRORS:
        monkeypatch.setitem(MIRRORS, name, ("http://127.0.0.1:9/",))

    def of(name):
        path = tmp_path / "cache" / "data-sets" / name
        path.mkdir(parents=True)
        return path

    return of


@pytest.fixture
def idx_files(idx_bytes, monkeypatch, folder):
    """``idx_files("mnist", "MNIST")`` puts 30 training and 5 test images where the real ones would be."""

    def put(name, table):
        place, files = folder(name), []
        for part, labels in (("train", np.arange(30) % 10), ("t10k", np.arange(5))):
            images = np.broadcast_to(np.arange(len(labels))[:, None, None], (len(labels), 28, 28))
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                file_name = f"{part}-{kind}-ubyte.gz"
                content = gzip.compress(idx_bytes(array), mtime=0)
                (place / file_name).write_bytes(content)
                files.append(a_file(file_name, content))
        monkeypatch.setattr(built_in, table, tuple(files))

    return put


@pytest.mark.parametrize(("name", "table"), [("mnist", "MNIST"), ("fashion-mnist", "FASHION_MNIST")])
def test_the_idx_files_become_a_data_set(idx_files, name, table):
    idx_files(name, table)
    data = open_data(name)
    assert (data.name, data.task, data.mode, data.input, data.val) == (name, "classification", "L", (1, 28, 28), None)
    assert data.train.inputs[:, 3, 4].tolist() == [*range(30)]
    assert data.train.targets.tolist() == [*range(10)] * 3
    assert data.test.targets.tolist() == list(range(5))
    assert data.test.names[2] == f"{name} test 2"
    assert data.classes[9] == {"mnist": "9", "fashion-mnist": "Ankle boot"}[name]
    assert len(data.classes) == 10


def test_it_trains(idx_files, cli, in_folder):
    idx_files("mnist", "MNIST")
    answer = cli("train", "mnist", "--net", "conv 2 5; relu; flatten; linear 10", "--epochs", 1, "--json")
    assert answer.code == 0, answer.err
    assert (in_folder / "runs" / "mnist-net" / "model.safetensors").is_file()


def member(name, content, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
    info.size, info.type, info.linkname = len(content) if kind == tarfile.REGTYPE else 0, kind, "/etc/passwd"
    return info, content


NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def batch(number):
    """Three records: label i, red 10 * number + i, green 100, blue the place within the plane."""
    place = np.arange(PLANE).astype(np.uint8)
    records = [
        np.concatenate([[i], np.full(PLANE, 10 * number + i), np.full(PLANE, 100), place]).astype(np.uint8)
        for i in range(3)
    ]
    return np.concatenate(records).tobytes()


def archive(*without, extra=()):
    members = [member(f"data_batch_{n}.bin", batch(n)) for n in range(1, 6)]
    members += [member("test_batch.bin", batch(9)), member("batches.meta.txt", ("\n".join(NAMES) + "\n\n").encode())]
    members = [(info, content) for info, content in members if Path(info.name).name not in without]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info, content in [*members, *extra]:
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def cifar(folder, monkeypatch):
    """``cifar(content)`` puts an archive where the real one would be, with batches of three images."""

    def put(content):
        path = folder("cifar10") / CIFAR10[0].name
        path.write_bytes(content)
        monkeypatch.setattr(built_in, "CIFAR10", (a_file(path.name, content),))
        monkeypatch.setattr(built_in, "_IN_BATCH", 3)
        return path

    return put


def test_the_archive_becomes_a_data_set(cifar):
    cifar(archive(extra=[member("readme.html", b"<html>")]))
    data = open_data("cifar10")
    assert (data.name, data.task, data.mode, data.input, data.classes) == (
        "cifar10",
        "classification",
        "RGB",
        (3, 32, 32),
        tuple(NAMES),
    )
    assert (data.train.inputs.shape, data.train.inputs.dtype) == ((15, 32, 32, 3), np.uint8)
    assert data.train.targets.tolist() == [0, 1, 2] * 5
    assert data.train.inputs[:, 5, 6, 0].tolist() == [10 * n + i for n in range(1, 6) for i in range(3)]
    assert (data.train.inputs[..., 1] == 100).all()
    # a plane is stored row by row
    assert data.test.inputs[0, 2, 7, 2] == (2 * 32 + 7) % 256
    assert data.test.inputs[1, 0, 0, 0] == 91


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (archive("data_batch_3.bin"), "data_batch_3.bin is not in it, or has another size"),
        (archive("batches.meta.txt"), "batches.meta.txt is not in it, or has another size"),
        (
            archive("test_batch.bin", extra=[member("test_batch.bin", batch(9)[:-1])]),
            "test_batch.bin is not in it, or has another size",
        ),
        (
            archive("test_batch.bin", extra=[member("test_batch.bin", b"", tarfile.SYMTYPE)]),
            "test_batch.bin is not in it, or has another size",
        ),
        (archive()[:300], "it cannot be read"),
        (b"no archive at all", "it cannot be read"),
    ],
    ids=["no batch", "no names", "short batch", "link", "cut", "no archive"],
)
def test_an_archive_that_is_not_what_it_should_be(cifar, content, fault):
    """Not even with the right checksum."""
    path = cifar(content)
    with pytest.raises(DataError) as caught:
        open_data("cifar10")
    assert str(caught.value).startswith(f"{path}: {fault}")
    assert str(caught.value).endswith("remove it, and it will be fetched again")


def test_nothing_of_the_archive_is_written_anywhere(cifar):
    outside = tarfile.TarInfo("../../../outside.bin")
    path = cifar(archive(extra=[(outside, b"")]))
    open_data("cifar10")
    assert sorted(p.name for p in path.parents[2].rglob("*") if p.is_file()) == [path.name]


@pytest.mark.parametrize("files", [MNIST, FASHION_MNIST, CIFAR10])
def test_the_tables_are_well_formed(files):
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert len(bytes.fromhex(file.unpacked_md5)) == (16 if file.name.endswith("ubyte.gz") else 0)
        assert file.size > 4000
    assert len({file.sha256 for file in files}) == len(files) == len({file.name for file in files})


def test_every_address_is_https():
    assert set(MIRRORS) == {"mnist", "fashion-mnist", "cifar10"}
    for addresses in MIRRORS.values():
        assert len(addresses) == 2
        assert all(address.startswith("https://") and address.endswith("/") for address in addresses)


@pytest.mark.parametrize(("name", "files"), [("mnist", MNIST), ("fashion-mnist", FASHION_MNIST), ("cifar10", CIFAR10)])
def test_offline_the_message_says_what_to_do(folder, cli, name, files):
    place = folder(name)
    answer = cli("train", name)
    assert answer.code == 3
    assert answer.err.startswith(f"striate: {name}: http://127.0.0.1:9/{files[0].name}: cannot be reached")
    assert f"into {place}/" in answer.err
    for file in files:
        assert f"  {file.name}  {file.size:,} bytes, SHA-256 {file.sha256}" in answer.err


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_options_that_are_not_there(name):
    with pytest.raises(DataError, match=f"^{name}:grey: {name} takes no options; write {name}$"):
        open_data(f"{name}:grey")


def test_near_names():
    for text, near in [("shape", "shapes"), ("shpaes:grey,size=64", "shapes"), ("fashion_mnist", "fashion-mnist")]:
        with pytest.raises(DataError, match=f"did you mean '{near}'"):
            open_data(text)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="the real MNIST files are not there")
def test_the_real_mnist_is_fetched_and_known_by_its_checksums(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=REAL)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setitem(MIRRORS, "mnist", (f"http://127.0.0.1:{server.server_port}/",))
        data = open_data("mnist")
        server.shutdown()
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    # LeCun's page on MNIST, and torchvision, begin with a 5, a 0, a 4; the test part with a 7, a 2, a 1
    assert data.train.targets[:3].tolist() == [5, 0, 4]
    assert data.test.targets[:3].tolist() == [7, 2, 1]
    assert np.bincount(data.test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)  # the mean that everybody normalises by
    assert len(list((tmp_path / "data-sets" / "mnist").iterdir())) == 4
