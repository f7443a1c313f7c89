"""Archives as data: unpacked once, safely, and the folder in them is the data set."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate import evaluate, predict, train
from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.datasets.sources import archives
from striate.datasets.sources.columns import ColumnChoice
from striate.errors import DataError
from striate.model.contract import Contract
from striate.run.items import GivenItems


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """Class folders below ``pets/``, in a folder of its own with a cache."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(archives, "_held", {})
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i + 10 * (label == "cat")).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{i}.png")
    return tmp_path


def packed(folder, name):
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted((folder / "pets").rglob("*.png")):
                archive.write(file, file.relative_to(folder / "pets"))
            archive.writestr("__MACOSX/cat/._0.png", b"x")
    else:
        with tarfile.open(
            path, "w:" + {"tgz": "gz"}.get(name.split(".")[-1], name.split(".")[-1]).replace("tar", "")
        ) as archive:
            archive.add(folder / "pets", "pets")
    return path


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tgz", "p.tar.bz2", "p.tar.xz"])
def test_an_archive_of_class_folders(pets, name):
    path = packed(pets, name)
    data = open_data(path)
    plain = open_data(pets / "pets")
    assert (data.task, data.classes) == ("classification", ("cat", "dog"))
    assert [Path(name).name for name in data.train.names] == [Path(name).name for name in plain.train.names]
    assert data.notes[0].startswith(f"{name} is unpacked in {pets}/cache/unpacked/p-")
    assert not [*(pets / "cache" / "unpacked").rglob("._*")]


def test_it_is_unpacked_once_and_anew_when_it_changes(pets):
    path = packed(pets, "p.zip")
    first = open_data(path).train.files[0]
    stamp = first.stat().st_mtime_ns, first.stat().st_ino
    again = open_data(str(path)).train.files[0]
    assert (again, (again.stat().st_mtime_ns, again.stat().st_ino)) == (first, stamp)
    (pets / "pets" / "cat" / "0.png").unlink()
    assert sum(map(len, open_data(packed(pets, "p.zip")).parts.values())) == 19
    assert len([*(pets / "cache" / "unpacked").iterdir()]) == 2


def test_it_is_trained_evaluated_predicted_and_examined(pets, monkeypatch):
    path = packed(pets, "p.zip")
    model = train("flatten; linear 2", path, epochs=1, out=pets / "run", quiet=True)
    assert evaluate(model, path).n == len(open_data(path).test)
    assert len(predict(model, path)) == 20
    assert doctor(path).counts["train"]["items"] == 16


def test_archives_in_an_archive(pets):
    inner = packed(pets, "train.zip")
    with zipfile.ZipFile(pets / "all.zip", "w") as archive:
        archive.write(inner, "train.zip")
        archive.write(inner, "test.zip")
    assert {name: len(part) for name, part in open_data(pets / "all.zip").parts.items()} == {"train": 20, "test": 20}


def test_paths_as_windows_writes_them(pets):
    content = {
        f"set\\{label}\\{i}.png": (pets / "pets" / label / f"{i}.png").read_bytes()
        for label in ("cat", "dog")
        for i in range(10)
    }
    assert open_data(zip_of(pets / "w.zip", **content)).classes == ("cat", "dog")


def zip_of(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_of(path, *members):
    with tarfile.open(path, "w") as archive:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, 0
            archive.addfile(info, io.BytesIO(b""))
    return path


UNSAFE = {
    "a zip that climbs": lambda p: zip_of(p / "a.zip", **{"../../out.txt": "x"}),
    "a zip of a whole path": lambda p: zip_of(p / "a.zip", **{"/tmp/out.txt": "x"}),
    "a zip of a drive": lambda p: zip_of(p / "a.zip", **{"C:\\out.txt": "x"}),
    "a zip that climbs as Windows does": lambda p: zip_of(p / "a.zip", **{"..\\out.txt": "x"}),
    "a tar that climbs": lambda p: tar_of(p / "a.tar", ("../out.txt", tarfile.REGTYPE, "")),
    "a tar of a whole path": lambda p: tar_of(p / "a.tar", ("/tmp/out.txt", tarfile.REGTYPE, "")),
}


@pytest.mark.parametrize("which", UNSAFE)
def test_nothing_leads_out_of_the_folder(pets, which):
    path = UNSAFE[which](pets)
    with pytest.raises(DataError, match="in it leads out of the folder; do not trust this archive"):
        open_data(path)
    assert not [*(pets / "cache" / "unpacked").iterdir()]  # nor is anything left
    assert not os.path.exists("/tmp/out.txt")


def test_links_and_devices_are_left_out(pets):
    path = tar_of(pets / "a.tar", ("etc", tarfile.SYMTYPE, "/etc"), ("pipe", tarfile.FIFOTYPE, ""))
    with pytest.raises(DataError):
        open_data(path)  # nothing is left
    hard = tar_of(pets / "b.tar", ("passwd", tarfile.LNKTYPE, "../../../../etc/passwd"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        open_data(hard)


def test_a_bomb_is_refused(pets, monkeypatch):
    monkeypatch.setattr(archives, "UNPACKED", 1 << 16)
    path = zip_of(pets / "a.zip", **{"a.bin": b"\0" * (1 << 24)})
    with pytest.raises(DataError, match=r"a\.zip: more than .* come out of its .*if that is right, unpack it"):
        open_data(path)
    monkeypatch.setattr(archives, "_MOST_FILES", 5)
    with pytest.raises(DataError, match="or 5 files come out"):
        open_data(packed(pets, "p.tar"))
    assert not [*(pets / "cache" / "unpacked").iterdir()]


def test_the_least_recently_used_makes_room(pets, monkeypatch):
    first = open_data(packed(pets, "a.zip")).train.files[0]
    size = sum(file.stat().st_size for file in (pets / "pets").rglob("*.png"))
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", str(4 * size))
    open_data(packed(pets, "b.zip"))
    assert first.exists()  # this process has it open
    for lock in archives._held.values():
        os.close(lock)
    archives._held.clear()
    open_data(packed(pets, "c.zip"))
    assert not first.exists()


def test_what_a_killed_process_left_is_removed(pets):
    left = pets / "cache" / "unpacked" / "old-0123.abcd.part"
    (left / "old").mkdir(parents=True)
    (left / "lock").touch()
    open_data(packed(pets, "p.zip"))
    assert [path.name[:2] for path in (pets / "cache" / "unpacked").iterdir()] == ["p-"]


def test_it_is_unpacked_anew_when_files_of_it_are_gone(pets):
    path = packed(pets, "p.zip")
    open_data(path).train.files[0].unlink()
    for lock in archives._held.values():
        os.close(lock)
    archives._held.clear()
    assert sum(map(len, open_data(path).parts.values())) == 20


def test_a_broken_archive_in_an_archive_stays_packed_and_is_named(pets):
    content = {f"{p.parent.name}/{p.name}": p.read_bytes() for p in (pets / "pets").rglob("*.png")}
    data = open_data(zip_of(pets / "o.zip", **content, **{"in.zip": b"PK", "cat.zip": b"x"}))
    assert sum(map(len, data.parts.values())) == 20
    assert data.notes[1:3] == (
        "o.zip: cat.zip: not unpacked, as cat/ is beside it",
        "o.zip: in.zip: it cannot be unpacked (File is not a zip file)",
    )
    assert open_data(pets / "o.zip").notes[1:3] == data.notes[1:3]  # also when it is found again
    assert [one.message for one in doctor(pets / "o.zip").warnings if one.kind == "left-out"] == [*data.notes[1:3]]
    many = zip_of(pets / "many.zip", **content, **{f"{i}.zip": b"PK" for i in range(9)})
    assert open_data(many).notes[1].startswith("many.zip: 9 archives in it not unpacked: 0.zip, 1.zip, 2.zip, 3.zip, ")


def test_what_is_in_it_is_called_as_in_the_archive(pets):
    (pets / "pets" / "cat" / "3.png").write_bytes(b"no image")
    (broken,) = doctor(packed(pets, "p.zip")).faults
    assert broken.files == (f"{pets}/p.zip/cat/3.png",)
    contract = Contract(("0", "1"), (3, 8, 8), "RGB", (0.5,) * 3, (0.5,) * 3)
    given = GivenItems(str(pets / "p.zip"), contract, ColumnChoice(), print, again=False)
    assert {item.file for item in given.all()} == {
        f"{pets}/p.zip/{label}/{i}.png" for label in ("cat", "dog") for i in range(10)
    }


def test_an_image_in_a_table_is_called_by_its_row(pets):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = [path.read_bytes() for path in sorted((pets / "pets").rglob("*.png"))]
    parquet.write_table(
        arrow.table({"image": [*images[:13], images[0][:40], *images[14:]], "label": [0, 1] * 10}), pets / "p.parquet"
    )
    zip_of(pets / "q.zip", **{"data/p.parquet": (pets / "p.parquet").read_bytes()})
    for given, place in (("p.parquet", "p.parquet/row 13"), ("q.zip", "q.zip/data/p.parquet/row 13")):
        problem = next(one for one in doctor(pets / given).faults if one.kind == "unreadable")
        assert problem.files == (f"{pets}/{place}",)


def test_how_far_the_unpacking_of_a_large_one_is(pets, monkeypatch):
    told = []
    open_data(packed(pets, "p.zip"), progress=lambda *words: told.append(words))
    assert told == []
    monkeypatch.setattr(archives, "_LARGE", 1)
    path = packed(pets, "q.zip")
    open_data(path, progress=lambda *words: told.append(words))
    assert told[0] == (str(path), 0, path.stat().st_size)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    open_data(path, progress=lambda *words: told.clear())
    assert told


def test_a_bomb_in_an_archive_is_refused(pets, monkeypatch):
    monkeypatch.setattr(archives, "UNPACKED", 1 << 16)
    inner = zip_of(pets / "in.zip", **{"a.bin": b"\0" * (1 << 24)})
    with pytest.raises(DataError, match=r"o\.zip: in\.zip: more than .* if that is right, unpack it"):
        open_data(zip_of(pets / "o.zip", **{"in.zip": inner.read_bytes()}))


def test_nothing_but_a_broken_archive_says_why(pets):
    with pytest.raises(DataError, match=r"o\.zip: in\.zip: it cannot be unpacked \(File is not a zip file\)"):
        open_data(zip_of(pets / "o.zip", **{"in.zip": b"PK"}))


def test_links_and_devices_are_counted(pets):
    path = packed(pets, "p.tar")
    with tarfile.open(path, "a") as archive:
        for n, kind in enumerate((tarfile.SYMTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            info = tarfile.TarInfo(f"pets/cat/left{n}.png")
            info.type, info.linkname = kind, "0.png"
            archive.addfile(info)
    data = open_data(path)
    assert "p.tar: left out: 2 symbolic links, 2 special files" in data.notes
    assert sum(map(len, data.parts.values())) == 20
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(packed(pets, "p.zip"), "a") as archive:
        archive.writestr(link, "0.png")
    assert "p.zip: left out: 1 symbolic link" in open_data(pets / "p.zip").notes


def test_an_encrypted_archive_is_refused(pets):
    path = zip_of(pets / "a.zip", **{"cat/0.png": b"secret"})
    content = bytearray(path.read_bytes())
    for start, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(start) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: it is encrypted; unpack it with its password, and name the folder"):
        open_data(path)


def test_the_doctor_tells_of_the_archive(pets):
    (pets / "pets" / "cat" / "0.png").write_bytes(b"no image")
    path = packed(pets, "p.zip")
    found = doctor(path)
    problem = next(one for one in found.faults if one.kind == "unreadable")
    assert (found.where, problem.files) == (str(path), (f"{path}/cat/0.png",))
    assert problem.fix.startswith("in the archive, or in a folder that you unpack it in: ")
    assert "/cache/" not in str(found)


DAMAGED = {
    "no zip": ("a.zip", b"PK", "it cannot be unpacked (File is not a zip file); copy or download it again"),
    "a page": (
        "a.zip",
        b"\xef\xbb\xbf<!DOCTYPE html><html>",
        "it cannot be unpacked: it is a web page, not the archive",
    ),
    "a page as tar": ("a.tgz", b"<html>Sign in</html>", "it is a web page, not the archive; copy or download it again"),
    "no tar": ("a.tar.gz", b"\x1f\x8bxx", "it cannot be unpacked"),
}


@pytest.mark.parametrize("which", DAMAGED)
def test_damage(pets, which):
    name, content, said = DAMAGED[which]
    (pets / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_data(pets / name)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.tar.bz2", "p.tar.xz"])
def test_an_archive_that_is_cut_short_is_refused_wherever_the_cut_is(pets, name):
    whole = packed(pets, name).read_bytes()
    cuts = [*range(512, 512 * 63, 512), 700, 512 * 9 + 100] if name == "p.tar" else range(60, len(whole), 97)
    for cut in [*cuts, *([] if name == "p.tar" else [len(whole) - 1])]:
        (pets / name).write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"it cannot be unpacked \(cut short or .*\); copy or download it again"):
            open_data(pets / name)
    assert not [*(pets / "cache" / "unpacked").iterdir()]


def test_a_wrong_byte_in_an_archive_is_refused(pets):
    with tarfile.open(packed(pets, "p.tar")) as archive:
        header = archive.getmember("pets/cat/5.png").offset
    for name, at in (("p.tar", header + 150), ("p.tar.gz", -6)):  # a header's own checksum, that of the gzip stream
        content = bytearray(packed(pets, name).read_bytes())
        content[at] ^= 1
        (pets / name).write_bytes(content)
        with pytest.raises(DataError, match="it cannot be unpacked"):
            open_data(pets / name)
    assert not [*(pets / "cache" / "unpacked").iterdir()]


def test_without_a_cache_nothing_is_unpacked(pets, monkeypatch):
    path = packed(pets, "p.zip")
    monkeypatch.setenv("STRIATE_CACHE", "off")
    with pytest.raises(DataError, match="STRIATE_CACHE=off keeps none; unpack it, and name the folder"):
        open_data(path)


ROWS = "\n".join(["text,label", *(f"a film of {i} stars,{'np'[i % 2]}" for i in range(20))])


def test_a_packed_table_of_numbers_that_is_called_train_has_its_folders_name(tmp_path):
    titles = ",".join(f"t{i}" for i in range(20))
    values = ",".join(map(str, range(20)))
    rows = "\n".join([f"{titles},label", *(f"{i}.5,{values[2:]},{'np'[i % 2]}" for i in range(20))])
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "train.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert open_data(tmp_path / "films" / "train.csv.gz").name == "films"


@pytest.mark.parametrize("name", ["films.csv.gz", "films/train.csv.gz"])
def test_a_packed_table(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(ROWS.encode()))
    data = open_data(path if name == "films.csv.gz" else path.parent)
    assert (data.name, data.classes, len(data.train) + len(data.test)) == ("films", ("n", "p"), 20)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="it cannot be unpacked"):
        open_data(path)


def test_a_cache_whose_path_has_backslashes(monkeypatch):
    monkeypatch.setattr(archives, "_given", {r"C:\Users\1": "t.parquet/row", r"C:\Users\2": "a.zip"})
    assert archives.as_given(r"C:\Users\1\0005.png: broken") == "t.parquet/row 5: broken"
    assert archives.as_given(r"C:\Users\2\cat\5.png") == r"a.zip\cat\5.png"
