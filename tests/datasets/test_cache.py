"""What has been decoded is found again, and never believed where it should not be."""

import errno
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.datasets import Batches, Part, open_data, read_part
from striate.datasets.store import cache, decoded, reading, room
from striate.datasets.store.cache import DamagedEntryError, Stamps
from striate.model import opening
from striate.model.contract import Contract
from striate.model.image import decode
from striate.model.prepare import fit

CONTRACT = Contract(("cat", "dog"), (3, 6, 8), "RGB", (0.5,) * 3, (0.25,) * 3)
SOON = 0.025  # seconds after which a file's clock has gone on: it ticks every 20 ms
linux = pytest.mark.skipif(sys.platform != "linux", reason="forks")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The cache's folder, one of the test's own, where all files are worth a place."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded, "MANY_FILES", 1)
    return tmp_path / "cache" / "arrays"


def draw(path, seed=0):
    """Twelve by ten pixels of noise; always a file of the same size."""
    pixels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "BMP")
    return path


@pytest.fixture
def part(tmp_path):
    """Twelve images, not so new that a change could go unseen."""
    paths = tuple(draw(tmp_path / f"{i}.bmp", i) for i in range(12))
    time.sleep(SOON)
    return part_of(paths)


def part_of(paths):
    return Part(tuple(paths), np.arange(len(paths)) % 2, tuple(map(str, paths)))


def is_right(arrays, part, contract=CONTRACT):
    """Whether *arrays* is what every readable file of *part* gives today."""
    named = dict(arrays.broken)
    good = [path for path in part.inputs if str(path) not in named]
    assert arrays.names == tuple(map(str, good))
    assert arrays.targets.tolist() == [i % 2 for i, path in enumerate(part.inputs) if str(path) not in named]
    return np.array_equal(arrays.inputs, np.stack([fit(decode(path, contract.mode), contract) for path in good]))


@pytest.fixture
def decodings(monkeypatch):
    """The names of the files that have been decoded, one list for all (threads decode so few)."""
    names = []
    original = reading.prepared

    def prepared(path, contract):
        names.append(path.name)
        return original(path, contract)

    monkeypatch.setattr(reading, "prepared", prepared)
    return names


def entries(kept):
    return sorted(folder for folder in kept.glob("*/*") if folder.suffix != room.PART)


def leftovers(kept):
    return sorted(kept.glob(f"*/*{room.PART}"))


@pytest.mark.parametrize("memory", [10**9, 0], ids=["memory", "mapped"])
def test_the_second_time_nothing_is_decoded(kept, part, decodings, memory):
    first = read_part(part, CONTRACT, memory=memory)
    assert len(decodings) == 12
    again = read_part(part, CONTRACT, memory=memory)
    assert len(decodings) == 12
    assert is_right(first, part)
    assert is_right(again, part)
    assert isinstance(again.inputs, np.memmap) == (memory == 0)
    assert again.inputs.flags.writeable == (memory > 0)
    assert [len(entries(kept)), leftovers(kept)] == [1, []]


def test_what_is_mapped_may_not_be_written_and_goes_into_batches(kept, part):
    mapped, whole = (read_part(part, CONTRACT, memory=memory) for memory in (0, 10**9))
    with pytest.raises(ValueError, match="read-only"):
        mapped.inputs[0] = 0
    for (x, y), (x_too, y_too) in zip(
        *(Batches(arrays, CONTRACT, batch_size=5, shuffle=True) for arrays in (mapped, whole)), strict=True
    ):
        assert x.equal(x_too)
        assert y.equal(y_too)


@pytest.mark.parametrize("memory", [10**9, 0], ids=["memory", "mapped"])
def test_broken_files_are_known_too(kept, tmp_path, decodings, memory):
    paths = [draw(tmp_path / f"{i}.bmp", i) for i in range(12)]
    for i in (0, 5, 11):
        paths[i].write_bytes(b"")
    time.sleep(SOON)
    part = part_of(paths)
    first = read_part(part, CONTRACT, memory=memory)
    again = read_part(part, CONTRACT, memory=memory)
    assert len(decodings) == 12
    assert is_right(again, part)
    assert [name for name, _ in again.broken] == [str(paths[i]) for i in (0, 5, 11)]
    assert again.broken == first.broken
    assert len(again.inputs) == 9
    with pytest.raises(ValueError, match=r"0\.bmp: the file is empty"):
        read_part(part, CONTRACT, memory=memory, on_broken="stop")


def rewritten(part):
    draw(part.inputs[3], seed=100)  # the same size, a later time
    return part, 1


def rewritten_under_its_old_time(part):
    before = part.inputs[3].stat()
    draw(part.inputs[3], seed=100)
    os.utime(part.inputs[3], ns=(before.st_atime_ns, before.st_mtime_ns))
    return part, 1


def gone(part):
    part.inputs[3].unlink()
    return part, 1


def fewer(part):
    return part_of(part.inputs[2:9]), 0


def in_another_order(part):
    return part_of(part.inputs[::-1]), 0


def twice(part):
    return part_of([*part.inputs, part.inputs[0]]), 1


def more(part):
    return part_of([draw(part.inputs[0].with_name("new.bmp"), 50), *part.inputs]), 1


def cut_short(part):
    part.inputs[3].write_bytes(part.inputs[3].read_bytes()[:100])
    return part, 1


def by_another_way(part):
    folder = part.inputs[0].parent
    return part_of([folder / ".." / folder.name / path.name for path in part.inputs]), 0


CHANGES = (
    rewritten, rewritten_under_its_old_time, gone, fewer, in_another_order, twice, more, cut_short, by_another_way,
)  # fmt: skip


@pytest.mark.parametrize("memory", [10**9, 0], ids=["memory", "mapped"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_only_what_is_new_is_decoded(kept, part, decodings, change, memory):
    read_part(part, CONTRACT)
    decodings.clear()
    changed, new = change(part)
    arrays = read_part(changed, CONTRACT, memory=memory)
    assert is_right(arrays, changed)
    assert len(arrays.broken) == (change in (gone, cut_short))
    assert len(decodings) == new


def test_what_is_taken_over_lies_where_the_broken_items_left_it(kept, part, decodings):
    part.inputs[2].write_bytes(b"no image")
    time.sleep(SOON)
    read_part(part, CONTRACT)
    draw(part.inputs[7], seed=70)
    arrays = read_part(part, CONTRACT)
    assert is_right(arrays, part)
    assert arrays.broken[0][0] == part.names[2]
    assert len(decodings) == 13


@pytest.mark.parametrize(
    "contract",
    [
        replace(CONTRACT, input=(3, 6, 7)),
        replace(CONTRACT, resize="fit"),
        replace(CONTRACT, interpolation="nearest"),
        replace(CONTRACT, resize="crop", scale_to=9),
        replace(CONTRACT, mode="L", input=(1, 6, 8), mean=(0,), std=(1,)),
    ],
)
def test_another_rule_decodes_anew(kept, part, decodings, contract):
    read_part(part, CONTRACT)
    assert is_right(read_part(part, contract), part, contract)
    assert len(decodings) == 24


@pytest.mark.parametrize("scale_to", [None, 9])
def test_another_scale_decodes_anew(kept, part, decodings, scale_to):
    contract = replace(CONTRACT, resize="crop")
    read_part(part, replace(contract, scale_to=8))
    assert is_right(read_part(part, replace(contract, scale_to=scale_to)), part, replace(contract, scale_to=scale_to))
    assert len(decodings) == 24


def test_what_decides_no_pixel_does_not(kept, part, decodings):
    read_part(part, CONTRACT)
    read_part(part, replace(CONTRACT, classes=("a", "b", "c"), mean=(0.1,) * 3, std=(0.2,) * 3))
    assert len(decodings) == 12


@pytest.mark.parametrize(
    ("what", "value"),
    [("striate.datasets.store.reading.VERSION", 0), ("PIL.__version__", "1"), ("PIL.Image.MAX_IMAGE_PIXELS", 10**6)],
)
def test_another_decoder_decodes_anew(kept, part, decodings, monkeypatch, what, value):
    read_part(part, CONTRACT)
    monkeypatch.setattr(what, value)
    read_part(part, CONTRACT)
    assert len(decodings) == 24


def test_masks_are_kept_with_their_images(kept, part, tmp_path, monkeypatch):
    masks = []
    for i in range(12):
        masks.append(tmp_path / f"mask {i}.png")
        Image.fromarray(np.random.default_rng(i).integers(0, 3, (10, 12), dtype=np.uint8)).save(masks[i])
    contract = replace(CONTRACT, task="segmentation", mask_values=(2, 1))
    time.sleep(SOON)
    part = Part(part.inputs, tuple(masks), part.names)
    first = read_part(part, contract)
    monkeypatch.setattr(reading, "prepared", None)
    again = read_part(part, contract, memory=0)
    assert np.array_equal(first.inputs, again.inputs)
    assert np.array_equal(first.targets, again.targets)
    assert isinstance(again.targets, np.memmap)
    monkeypatch.undo()
    monkeypatch.setenv("STRIATE_CACHE", str(kept.parent))
    monkeypatch.setattr(decoded, "MANY_FILES", 1)
    other = read_part(part, replace(contract, mask_values=(1, 2))).targets
    assert (other == np.array([1, 0, *[255] * 254], np.uint8)[first.targets]).all()
    masks[4].write_bytes(b"")
    assert read_part(part, contract).broken[0][0] == part.names[4]


def test_few_and_small_files_take_no_place_on_the_disk(kept, part, monkeypatch):
    monkeypatch.setattr(decoded, "MANY_FILES", 13)
    assert is_right(read_part(part, CONTRACT), part)
    assert not kept.exists()
    monkeypatch.setattr(decoded, "LARGE_FILES", 100)
    read_part(part, CONTRACT)
    assert len(entries(kept)) == 1


@pytest.mark.parametrize("settings", [{"STRIATE_CACHE": "off"}, {"STRIATE_CACHE_LIMIT": "0"}])
def test_switched_off(kept, part, monkeypatch, tmp_path, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert is_right(read_part(part, CONTRACT), part)
    assert not entries(kept)
    assert not (tmp_path / "off").exists()


def test_what_fits_nowhere_is_said(kept, part, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", "off")
    lines = []
    assert is_right(read_part(part, CONTRACT, memory=1000, say=lines.append), part)
    assert lines == ["1.7 KB of decoded files do not fit into 1.0 KB of memory, but the cache is off"]


def test_the_memory_is_what_the_environment_says(kept, part, monkeypatch):
    for size, mapped in (("1KB", True), ("2KB", False)):
        monkeypatch.setenv("STRIATE_MEMORY", size)
        assert isinstance(read_part(part, CONTRACT).inputs, np.memmap) == mapped
    monkeypatch.setenv("STRIATE_MEMORY", "lots")
    with pytest.raises(ValueError, match="STRIATE_MEMORY is 'lots', expected a size such as 500MB or 2GB"):
        read_part(part, CONTRACT)


@pytest.mark.parametrize("step", ["posix_fallocate", "fsync", "truncate"])
@pytest.mark.parametrize("memory", [10**9, 0], ids=["memory", "mapped"])
def test_a_full_disk_is_said_in_a_line_and_memory_serves(kept, part, monkeypatch, step, memory):
    def full(*args):
        raise OSError(28, "No space left on device")

    lines = []
    monkeypatch.setattr(os, step, full, raising=False)
    assert is_right(read_part(part, CONTRACT, memory=memory, say=lines.append), part)
    assert lines == [
        f"the cache in {kept} cannot be written (No space left on device): what is decoded stays in memory"
    ]
    assert [entries(kept), leftovers(kept)] == [[], []]


def test_where_the_file_system_cannot_take_room_it_is_written(kept, part, monkeypatch):
    def unknown(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    assert is_right(read_part(part, CONTRACT), part)
    assert len(entries(kept)) == 1


def test_a_folder_that_may_not_be_written(open_to_all, as_nobody, part, monkeypatch):
    monkeypatch.setattr(decoded, "MANY_FILES", 1)
    monkeypatch.setenv("STRIATE_CACHE", str(open_to_all / "cache"))
    paths = [shutil.copy(path, open_to_all) for path in part.inputs]
    lines = []
    with as_nobody():
        arrays = read_part(
            part_of([open_to_all / os.path.basename(path) for path in paths]), CONTRACT, say=lines.append
        )
    assert len(arrays) == 12
    assert lines == [
        f"the cache in {open_to_all}/cache/arrays cannot be written (Permission denied): what is decoded stays in "
        "memory"
    ]


def test_files_so_new_that_a_change_could_go_unseen_are_not_believed(kept, part):
    draw(part.inputs[5], seed=99)
    arrays = read_part(part, CONTRACT, memory=0)
    assert is_right(arrays, part)
    assert [entries(kept), leftovers(kept)] == [[], []]
    assert isinstance(arrays.inputs, np.memmap)  # of a file without a name


def test_a_link_to_another_file_of_the_same_size_and_time(part, tmp_path):
    os.link(part.inputs[0], tmp_path / "twin.bmp")  # one file, and so one size and one time, under two names
    link, keys = tmp_path / "link.bmp", []
    for target in (part.inputs[0], tmp_path / "twin.bmp"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        keys.append(Stamps.of([[link]]).key)
    assert keys[0] != keys[1]
    assert Stamps.of([[link]]).key == keys[1]


def test_files_of_one_name_in_two_folders(part, tmp_path):
    (tmp_path / "inner").mkdir()
    twin = tmp_path / "inner" / part.inputs[0].name
    os.link(part.inputs[0], twin)
    assert Stamps.of([[twin]]).key != Stamps.of([[part.inputs[0]]]).key


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()], ids=["files", "memory"]
)
def test_what_the_system_refused_for_once_is_asked_for_again(kept, part, monkeypatch, error):
    def refusing(path, mode="r"):
        if path == part.inputs[5]:
            raise error
        return open(path, mode)

    monkeypatch.setattr(opening, "open", refusing, raising=False)
    assert [name for name, _ in read_part(part, CONTRACT).broken] == [part.names[5]]
    monkeypatch.delattr(opening, "open")
    arrays = read_part(part, CONTRACT)
    assert not arrays.broken
    assert is_right(arrays, part)


@pytest.mark.parametrize(
    ("age", "settled"), [(10**6, False), (10**8, True), (10**9 + 10**8, True)], ids=["1 ms", "100 ms", "1.1 s"]
)
def test_clocks_tick(age, settled):
    newest = 1_700_000_000_123_456_789
    assert Stamps(np.zeros(0, "S16"), "", 0, newest).settled(newest + age) == settled
    whole_second = 1_700_000_000_000_000_000  # an old file system: every second, or two
    assert not Stamps(np.zeros(0, "S16"), "", 0, whole_second).settled(whole_second + age)


def test_a_file_that_changes_while_all_are_read_is_not_believed(kept, part, monkeypatch):
    original = reading.prepared

    def prepared(path, contract):
        pixels = original(path, contract)
        if path.name == "5.bmp":
            draw(path, seed=77)
        return pixels

    monkeypatch.setattr(reading, "prepared", prepared)
    read_part(part, CONTRACT)
    monkeypatch.setattr(reading, "prepared", original)
    assert is_right(read_part(part, CONTRACT), part)


def flipped(file, bit):
    data = bytearray(file.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    file.write_bytes(data)


def rewritten_index(folder, **changes):
    """An index with the right checksum: the work of a program, not of a disk."""
    text = json.dumps(json.loads((folder / "index.json").read_bytes().split(b"\n", 1)[1]) | changes).encode()
    (folder / "index.json").write_bytes(b"%08x\n" % zlib.crc32(text) + text)


DAMAGES = {  # the file that is named, and what is done
    "a bit of the inputs": ("inputs.bin", lambda entry: flipped(entry / "inputs.bin", 12_345)),
    "a bit of the index": ("index.json", lambda entry: flipped(entry / "index.json", 300)),
    "inputs cut short": ("inputs.bin", lambda entry: os.truncate(entry / "inputs.bin", 100)),
    "inputs cut by a row": ("inputs.bin", lambda entry: os.truncate(entry / "inputs.bin", 11 * 6 * 8 * 3)),
    "inputs with more behind": ("inputs.bin", lambda entry: os.truncate(entry / "inputs.bin", 5_000)),
    "inputs of zeros": ("inputs.bin", lambda entry: (entry / "inputs.bin").write_bytes(bytes(12 * 6 * 8 * 3))),
    "two rows swapped": ("inputs.bin", lambda entry: swapped_rows(entry / "inputs.bin")),
    "empty inputs": ("inputs.bin", lambda entry: os.truncate(entry / "inputs.bin", 0)),
    "no inputs": ("inputs.bin", lambda entry: (entry / "inputs.bin").unlink()),
    "inputs that are a folder": ("inputs.bin", lambda entry: to_folder(entry / "inputs.bin")),
    "empty items": ("items.bin", lambda entry: os.truncate(entry / "items.bin", 0)),
    "no items": ("items.bin", lambda entry: (entry / "items.bin").unlink()),
    "empty index": ("index.json", lambda entry: os.truncate(entry / "index.json", 0)),
    "no index": ("index.json", lambda entry: (entry / "index.json").unlink()),
    "half an index": ("index.json", lambda entry: os.truncate(entry / "index.json", 60)),
    "an index of the version before": (
        "index.json",
        lambda entry: (entry / "index.json").write_text('{"rows": 12, "broken": []}'),
    ),
    "an index without end": ("index.json", lambda entry: (entry / "index.json").write_text("0\n" + "[" * 100_000)),
    "an index of another entry": ("index.json", lambda entry: rewritten_index(entry, entry="a/b")),
    "an index of other rows": ("items.bin", lambda entry: rewritten_index(entry, rows=11)),
    "a number that is none": ("index.json", lambda entry: rewritten_index(entry, rows=float("inf"))),
    "an item that there is not": ("index.json", lambda entry: rewritten_index(entry, rows=11, broken=[[12, "why"]])),
    "no checksum": ("inputs.bin", lambda entry: rewritten_index(entry, checksums={})),
    "another checksum": ("inputs.bin", lambda entry: rewritten_index(entry, checksums={"inputs": 7})),
}


def swapped_rows(file):
    rows = np.fromfile(file, np.uint8).reshape(12, -1)
    rows[[2, 3]] = rows[[3, 2]]
    rows.tofile(file)


def to_folder(file):
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("memory", [10**9, 0], ids=["memory", "mapped"])
@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_entry_is_said_and_made_anew(kept, part, decodings, what, memory):
    file, damage = DAMAGES[what]
    read_part(part, CONTRACT)
    [entry] = entries(kept)
    damage(entry)
    lines = []
    assert is_right(read_part(part, CONTRACT, memory=memory, say=lines.append), part)
    assert len(lines) == 1
    assert re.fullmatch(
        rf"cache not used: {entry}/{file}: (is damaged|cannot be read \(.*\)); its items are decoded again", lines[0]
    )
    assert len(decodings) == 24
    assert is_right(read_part(part, CONTRACT, memory=memory, say=lines.append), part)
    assert [len(lines), len(decodings), leftovers(kept)] == [1, 24, []]


def test_any_flipped_bit_is_noticed(kept, part):
    """Wherever it is: in the index, the inputs or the items."""
    part.inputs[4].write_bytes(b"no image")  # so that the index has a reason in it
    time.sleep(SOON)
    read_part(part, CONTRACT)
    [entry] = entries(kept)
    column = cache.Column("inputs", CONTRACT.input, "u1", None)

    def read_entry():
        with cache.open_entry(entry, [column]) as found:
            return found, found.column(column, in_memory=True), found.items()

    steps = {"index.json": 11, "inputs.bin": 199, "items.bin": 31}
    for file, step in steps.items():
        path = entry / file
        whole = path.read_bytes()
        for bit in range(0, 8 * len(whole), step):
            flipped(path, bit)
            with pytest.raises(DamagedEntryError, match=file):
                read_entry()
            path.write_bytes(whole)
    found, *_ = read_entry()
    assert [found.rows, [*found.broken]] == [11, [4]]


SWAPS = {"inputs": ("inputs.bin",), "inputs and indices": ("inputs.bin", "index.json"), "all": ()}


@pytest.mark.parametrize("what", SWAPS)
def test_entries_swapped_between_two_sets(kept, part, tmp_path, what):
    (tmp_path / "other").mkdir()
    sets = [part, part_of([draw(tmp_path / "other" / f"{i}.bmp", 50 + i) for i in range(12)])]
    time.sleep(SOON)
    for each in sets:
        read_part(each, CONTRACT)
    one, other = entries(kept)
    for name in SWAPS[what] or [""]:
        (one / name).rename(tmp_path / "aside")
        (other / name).rename(one / name)
        (tmp_path / "aside").rename(other / name)
    lines = []
    for each in sets:
        assert is_right(read_part(each, CONTRACT, say=lines.append), each)
    assert len(lines) == 2
    assert all("is damaged" in line for line in lines)


@pytest.mark.parametrize("file", ["inputs.bin", "items.bin", "index.json"])
def test_nothing_is_taken_over_from_a_damaged_entry(kept, part, decodings, file):
    read_part(part, CONTRACT)
    [entry] = entries(kept)
    flipped(entry / file, 200)
    draw(part.inputs[7], seed=70)
    time.sleep(SOON)
    lines = []
    assert is_right(read_part(part, CONTRACT, say=lines.append), part)
    assert lines == [f"cache not used: {entry}/{file}: is damaged; its items are decoded again"]
    assert len(decodings) == 24
    assert len(entries(kept)) == 1


def test_an_entry_without_its_lock_could_be_in_use_and_stays(kept, part, decodings):
    read_part(part, CONTRACT)
    [entry] = entries(kept)
    (entry / "lock").unlink()
    lines = []
    assert is_right(read_part(part, CONTRACT, say=lines.append), part)
    assert lines == [f"cache not used: {entry}: cannot be opened; its items are decoded again"]
    assert entries(kept) == [entry]


@pytest.mark.parametrize("file", ["inputs.bin", "index.json", "lock", "."])
def test_an_entry_that_may_not_be_read(open_to_all, as_nobody, part, monkeypatch, file):
    monkeypatch.setattr(decoded, "MANY_FILES", 1)
    monkeypatch.setenv("STRIATE_CACHE", str(open_to_all / "cache"))
    (open_to_all / "cache").mkdir()
    (open_to_all / "cache").chmod(0o777)
    part = part_of([Path(shutil.copy(path, open_to_all)) for path in part.inputs])
    time.sleep(SOON)
    with as_nobody():
        read_part(part, CONTRACT)
        [entry] = entries(open_to_all / "cache" / "arrays")
        (entry / file).chmod(0)
        lines = []
        assert is_right(read_part(part, CONTRACT, say=lines.append), part)
        assert len(lines) == 1
        assert re.search("Permission denied|cannot be opened", lines[0])


@linux
def test_two_processes_at_once_read_the_same(kept, part, tmp_path):
    part = part_of([draw(tmp_path / f"{i}.bmp", i) for i in range(60)])
    time.sleep(SOON)
    both = []
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            lines, right = [], False
            try:
                arrays = read_part(part, CONTRACT, memory=0, say=lines.append)
                right = isinstance(arrays.inputs, np.memmap) and is_right(arrays, part)
            finally:
                os._exit(not right or len(lines))
        both.append(child)
    assert [os.waitpid(child, 0)[1] for child in both] == [0, 0]
    assert [len(entries(kept)), leftovers(kept)] == [1, []]
    assert is_right(read_part(part, CONTRACT), part)


def test_two_that_write_the_same_at_the_same_time(kept, part, monkeypatch):
    """The other is done first, just before this one gives its entry its name."""
    original, others = cache.publish_entry, []

    def publish(folder, entry):
        if not others:
            others.append(None)
            others[0] = read_part(part, CONTRACT, memory=0)
        return original(folder, entry)

    monkeypatch.setattr(cache, "publish_entry", publish)
    arrays = read_part(part, CONTRACT, memory=0)
    assert is_right(arrays, part)
    assert is_right(others[0], part)
    assert [len(entries(kept)), leftovers(kept)] == [1, []]


def test_the_least_recently_used_goes_first_and_never_what_is_in_use(kept, part, monkeypatch):
    contracts = [replace(CONTRACT, input=(3, 6, width)) for width in (8, 9, 10)]
    in_use = read_part(part, contracts[0], memory=0)
    read_part(part, contracts[1])
    read_part(part, contracts[2])
    oldest_first = sorted(entries(kept), key=lambda folder: (folder / "lock").stat().st_mtime_ns)
    time.sleep(SOON)
    read_part(part, contracts[1])  # used: now the last is the one that nobody has used for longest
    room.make_room(kept, 0)
    assert entries(kept) == sorted(oldest_first)
    size = sum(file.stat().st_size for folder in oldest_first for file in folder.iterdir())
    monkeypatch.setattr(room, "CACHE_LIMIT", size - 1)
    room.make_room(kept, 0)
    assert entries(kept) == sorted(oldest_first[:2])
    monkeypatch.setattr(room, "CACHE_LIMIT", 0)
    room.make_room(kept, 0)
    assert entries(kept) == oldest_first[:1]
    assert is_right(in_use, part, contracts[0])
    del in_use
    room.make_room(kept, 0)
    assert entries(kept) == []


def test_only_the_dead_are_cleared_away(kept, part):
    with cache.unfinished_entry(kept / "rule" / "key") as alive:
        lock = alive / "lock"
        young, old, dead = (kept / "rule" / f"{name}{room.PART}" for name in ("young", "old", "dead"))
        for folder in (young, old, dead):
            folder.mkdir()
        (dead / "lock").touch()
        os.utime(old, (0, 0))
        room.make_room(kept, 0)
        assert leftovers(kept) == sorted([alive, young])
        assert lock.exists()
    assert leftovers(kept) == [young]


@linux
@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_next_run_works_and_is_right(kept, tmp_path, monkeypatch, times):
    """The moments, told by calls of functions, are spread over all of a run and beyond its end."""
    rng, part = random.Random(0), part_of([draw(tmp_path / f"{i}.bmp", i) for i in range(100)])
    part.inputs[9].write_bytes(b"")
    time.sleep(SOON)
    monkeypatch.setattr("striate.datasets.store.workers.worker_count", lambda: 2)
    wanted = read_part(part, CONTRACT, memory=0)
    assert is_right(wanted, part)
    shutil.rmtree(kept)
    calls = mmap.mmap(-1, 8)
    os.waitpid(_forked_reading(part, calls, 2**62), 0)
    (lasts,) = struct.unpack("q", calls)
    killed, unfinished = 0, 0
    for _ in range(times):
        shutil.rmtree(kept)
        child = _forked_reading(part, calls, rng.randrange(int(1.2 * lasts)))
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        unfinished += bool(leftovers(kept))
        arrays = read_part(part, CONTRACT, memory=0)
        assert np.array_equal(arrays.inputs, wanted.inputs)
        assert (arrays.names, arrays.broken) == (wanted.names, wanted.broken)
        assert len(entries(kept)) == 1
    assert killed >= times // 5
    assert unfinished >= times // 10
    time.sleep(SOON)  # until the helpers of the last one have ended too
    room.make_room(kept, 0)
    assert leftovers(kept) == []


def _forked_reading(part, calls, last):
    """A process that reads *part*, its helpers' *calls* counted with its own, and is killed at the *last* of them."""

    def count(frame, event, argument):
        (number,) = struct.unpack("q", calls[:])
        calls[:] = struct.pack("q", number + 1)
        if number >= last and reader in (os.getpid(), os.getppid()):
            os.kill(reader, signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        reader = os.getpid()
        calls[:] = bytes(8)
        sys.setprofile(count)
        try:
            read_part(part, CONTRACT, memory=0)
        finally:
            os._exit(0)
    return child


@linux
@pytest.mark.slow
def test_more_data_than_memory_trains(tmp_path):
    """100 MB of pixels in a process that may take 85 MB more than it has: they do not fit, and are learned from."""
    for i in range(512):
        folder = tmp_path / "data" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (120 * (i % 2),) * 3).save(folder / f"{i}.png")
    code = """
        import re, resource, sys
        from pathlib import Path
        import numpy as np, torch
        from striate.datasets import Batches, Part, channel_statistics, read_part
        from striate.model.contract import Contract

        files = tuple(sorted(Path(sys.argv[1]).glob("*/*.png")))
        part = Part(files, np.array([path.parent.name == "b" for path in files], np.int64), tuple(map(str, files)))
        contract = Contract(("a", "b"), (3, 256, 256), "RGB", (0.5,) * 3, (0.5,) * 3)
        net = torch.nn.Sequential(torch.nn.AvgPool2d(64), torch.nn.Flatten(), torch.nn.Linear(48, 2))
        steps = torch.optim.SGD(net.parameters(), 0.1)
        torch.nn.functional.cross_entropy(net(torch.zeros(2, 3, 256, 256)), torch.tensor([0, 1])).backward()
        used = 1024 * int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
        resource.setrlimit(resource.RLIMIT_DATA, (used + 85_000_000,) * 2)
        arrays = read_part(part, contract)
        assert arrays.inputs.nbytes > 100_000_000
        print(type(arrays.inputs).__name__, channel_statistics(arrays.inputs)[0])
        for epoch in range(2):
            batches, right = Batches(arrays, contract, batch_size=16, shuffle=True), 0
            for x, y in batches:
                scores = net(x)
                right += int((scores.argmax(1) == y).sum())
                steps.zero_grad()
                torch.nn.functional.cross_entropy(scores, y).backward()
                steps.step()
        print(right)
        try:
            np.array(arrays.inputs)
        except MemoryError:
            print("no room for all")
    """
    environment = os.environ | {
        "STRIATE_CACHE": str(tmp_path / "cache"),
        "STRIATE_MEMORY": "30MB",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "data")],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    kind, right, limit = done.stdout.splitlines()
    assert kind.startswith("memmap (0.235")  # the mean of 0 and 120
    assert right == "512"
    assert limit == "no room for all"


def test_masks_are_drawn_anew_when_the_classes_of_another_split_number_them_otherwise(kept, tmp_path):
    """The files of the training split stay as they are: what they become depends on the names of all splits."""

    def outlined(split, i, *classes):
        for folder, suffix in (("images", "png"), ("labels", "txt")):
            (tmp_path / "data" / folder / split).mkdir(parents=True, exist_ok=True)
            path = tmp_path / "data" / folder / split / f"{i}.{suffix}"
            if suffix == "png":
                draw(path, i)
            else:
                path.write_text(
                    "".join(f"{c} 0.{n} 0 0.{n + 3} 0 0.{n + 3} 1 0.{n} 1\n" for n, c in enumerate(classes))
                )

    for i in range(4):
        outlined("train", i, 1, 5)
        outlined("val", i, 3)
    found = []
    for other in (3, 7):
        for i in range(4):
            outlined("val", i, other)
        data = open_data(tmp_path / "data", task="segmentation")
        contract = Contract(
            data.classes, (3, 10, 12), "RGB", (0.5,) * 3, (0.25,) * 3, task=data.task, mask_values=data.mask_values
        )
        time.sleep(SOON)
        arrays = read_part(data.train, contract)
        found.append({data.classes[n] for n in np.unique(arrays.targets) if n != 255})
    assert found == [{"background", "1", "5"}] * 2
