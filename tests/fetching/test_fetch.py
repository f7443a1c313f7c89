import gzip
import hashlib
import itertools
import threading
from types import SimpleNamespace

import pytest

from file_server import Server, serving
from striate import fetching
from striate.errors import DataError
from striate.fetching import RemoteFile, fetched

PLAIN = bytes(range(256)) * 400  # 102,400 bytes
PACKED = gzip.compress(PLAIN, 0, mtime=0)


def file_of(name, content, unpacked=None):
    md5 = hashlib.md5(unpacked).hexdigest() if unpacked else ""
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest(), md5)


FILE = file_of("a.bin", PLAIN)
PACKED_FILE = file_of("b.gz", PACKED, PLAIN)


@pytest.fixture
def server():
    with serving({"/a.bin": PLAIN, "/b.gz": PACKED}) as server:
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache" / "data-sets" / "letters"


def get(*addresses, file=FILE, progress=None):
    return fetched("letters", [file], addresses, progress)[file.name]


def message(*addresses, file=FILE):
    with pytest.raises(DataError) as caught:
        get(*addresses, file=file)
    return str(caught.value)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def by_hand(folder, file=FILE):
    return f"\nTry again, or put this file into {folder}/\n  {file.name}  {file.size:,} bytes, SHA-256 {file.sha256}"


def test_a_file_is_fetched_once(server, folder):
    seen = []
    path = get(server.address, progress=lambda *step: seen.append(step))
    assert path == folder / "a.bin"
    assert path.read_bytes() == PLAIN
    assert names(folder) == ["a.bin"]
    assert seen[-1] == ("a.bin", len(PLAIN), len(PLAIN))
    done = [step[1] for step in seen]
    assert done == sorted(done)
    assert get(server.address) == path
    assert server.asked == [("/a.bin", "")]


def test_several_files(server):
    paths = fetched("letters", [FILE, PACKED_FILE], [server.address])
    assert {name: path.read_bytes() for name, path in paths.items()} == {"a.bin": PLAIN, "b.gz": PACKED}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.gz", PACKED),
        ("b", PLAIN),
        ("b.gz", PLAIN),
        ("b.gz", gzip.compress(PLAIN, 9)),
        ("b", gzip.compress(PLAIN, 1)),
    ],
)
def test_what_was_put_there_by_hand_is_taken(server, folder, name, content):
    """Packed, unpacked (browsers do that), or packed by somebody else."""
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    assert get(server.address, file=PACKED_FILE) == folder / name
    assert server.asked == []


@pytest.mark.parametrize("content", [b"", PLAIN[:-1], b"x" + PLAIN[1:], PACKED[:-9], b"\x1f\x8b rubbish"])
def test_a_wrong_file_is_not_believed_but_fetched_anew(server, folder, content):
    folder.mkdir(parents=True)
    (folder / "b.gz").write_bytes(content)
    assert get(server.address, file=PACKED_FILE).read_bytes() == PACKED


def test_a_wrong_file_put_there_by_hand_is_named(server, folder):
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"wrong")
    server.status = 500
    got = hashlib.sha256(b"wrong").hexdigest()
    assert message(server.address) == (
        f"letters: {server.address}a.bin: the server says 500 Internal Server Error{by_hand(folder)}"
        f"\n    the file that is there is a different one: its SHA-256 is {got}, expected {FILE.sha256}"
    )
    assert (folder / "a.bin").read_bytes() == b"wrong"  # it is the person's


def test_the_second_address_where_the_first_has_nothing(server, folder):
    assert get(server.address + "gone/", server.address).read_bytes() == PLAIN
    assert [path for path, _ in server.asked] == ["/gone/a.bin", "/gone/a.bin", "/a.bin"]


def test_nothing_is_there(server, folder):
    assert message(server.address + "x/", server.address + "y/") == (
        f"letters: {server.address}x/a.bin: the server says 404 Not Found; {server.address}y/a.bin: the server says "
        f"404 Not Found{by_hand(folder)}"
    )
    assert names(folder) == []


def test_offline(folder):
    with Server() as server:
        address = server.address
    text = message(address)  # nobody listens there now
    assert text == f"letters: {address}a.bin: cannot be reached (Connection refused){by_hand(folder)}"


def test_only_the_missing_files_are_asked_for(server, folder):
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(PLAIN)
    third = file_of("c.bin", b"c")
    with pytest.raises(DataError) as caught:
        fetched("letters", [FILE, third, PACKED_FILE], [server.address])
    assert str(caught.value).endswith(by_hand(folder, third))
    with pytest.raises(DataError, match="or put these files into"):
        fetched("letters", [third, file_of("d.bin", b"d")], [server.address])


def test_a_cut_connection_is_gone_on_with(server, folder):
    server.cut = [50_000]
    assert get(server.address).read_bytes() == PLAIN
    assert server.asked == [("/a.bin", ""), ("/a.bin", "bytes=50000-")]
    assert names(folder) == ["a.bin"]


def test_a_cut_connection_where_the_server_cannot_go_on(server, folder):
    server.ranges, server.cut = False, [50_000]
    assert get(server.address).read_bytes() == PLAIN


def test_cut_again_and_again(server, folder):
    server.cut = [10_000] * 2
    assert message(server.address) == (
        f"letters: {server.address}a.bin: the download ended after 20,000 of 102,400 bytes{by_hand(folder)}"
    )
    assert names(folder) == ["a.bin.part"]
    assert get(server.address).read_bytes() == PLAIN  # the next run needs only the rest
    assert server.asked[-1] == ("/a.bin", "bytes=20000-")


def test_a_partial_file_that_is_another_is_thrown_away(server, folder):
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(b"another beginning")
    assert get(server.address).read_bytes() == PLAIN
    assert server.asked == [("/a.bin", "bytes=17-"), ("/a.bin", "")]


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_a_partial_file_that_is_complete_or_too_long(server, folder, more):
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(PLAIN + more)
    assert get(server.address).read_bytes() == PLAIN
    assert names(folder) == ["a.bin"]


def test_wrong_content_is_never_believed(server, folder):
    """A login page of a hotel, say."""
    page = b"<html>Welcome! Please log in.</html>"
    server.content["/a.bin"] = page
    got = hashlib.sha256(page).hexdigest()
    assert message(server.address) == (
        f"letters: {server.address}a.bin: the downloaded file is not the right one: its SHA-256 is {got}, expected "
        f"{FILE.sha256}{by_hand(folder)}"
    )
    assert names(folder) == []


def test_the_right_content_packed_otherwise_is_believed(server, folder):
    server.content["/b.gz"] = gzip.compress(PLAIN, 9)
    assert gzip.decompress(get(server.address, file=PACKED_FILE).read_bytes()) == PLAIN


@pytest.mark.parametrize("chunked", [False, True])
def test_far_too_much_is_not_read(server, folder, chunked):
    server.content["/a.bin"], server.chunked = PLAIN * 30, chunked
    fault = "it sends more than 204,800 bytes" if chunked else "it would send 3,072,000 bytes, more than 204,800"
    assert fault in message(server.address)


def test_a_server_that_does_not_say_how_long_a_file_is(server):
    server.chunked = True
    assert get(server.address).read_bytes() == PLAIN


def test_a_silent_server_is_given_up(server, folder, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", 1.0)
    server.pause = 5.0
    assert message(server.address) == f"letters: {server.address}a.bin: no data for 1 s{by_hand(folder)}"
    assert names(folder) == ["a.bin.part"]


def test_a_slow_server_is_given_up(server, folder, monkeypatch):
    monkeypatch.setattr(fetching, "SLOWEST", 10_000_000)
    clock = itertools.count(step=36.0)  # each piece comes after 36 seconds
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    text = message(server.address)
    assert "only " in text
    assert "bytes arrived in 36 s" in text


def test_a_redirect_is_followed(server):
    server.redirect = {"/old/a.bin": server.address + "a.bin"}
    assert get(server.address + "old/").read_bytes() == PLAIN


def test_a_redirect_in_a_circle(server, folder):
    server.redirect = {"/a.bin": "/a.bin"}
    assert "the server says 302" in message(server.address)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_stopped_in_the_middle_no_file_is_believed(server, folder, stop):
    def progress(name, done, whole):
        if done > 40_000:
            raise stop

    with pytest.raises(stop):
        get(server.address, progress=progress)
    assert names(folder) == ["a.bin.part"]
    assert get(server.address).read_bytes() == PLAIN
    assert server.asked[-1][1].startswith("bytes=")


def test_two_at_once_do_not_disturb_each_other(server, folder, monkeypatch):
    """As two processes: each writes into a file of its own."""
    server.pause = 0.002
    numbers = iter([1, 2])
    own = threading.local()

    def number():
        own.value = getattr(own, "value", None) or next(numbers)
        return own.value

    monkeypatch.setattr(fetching.os, "getpid", number)
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(server.address).read_bytes())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [PLAIN, PLAIN]
    assert names(folder) == ["a.bin"]


def test_a_folder_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    text = message(server.address)
    assert text.startswith(f"letters: {tmp_path / 'cache'}")
    assert "cannot be written" in text
    assert text.endswith("make room, or set STRIATE_CACHE to a folder of yours")


def test_a_full_disk(server, folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "_pieces", full)
    assert message(server.address) == (
        f"letters: {folder}: cannot be written (No space left on device); make room, or set STRIATE_CACHE to a folder "
        f"of yours"
    )


def test_no_permission(server, open_to_all, as_nobody, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(open_to_all / "cache"))
    folder = open_to_all / "cache" / "data-sets" / "letters"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(PLAIN)
    (folder / "a.bin").chmod(0)
    with as_nobody():
        assert "cannot be written (Permission denied)" in message(server.address)
