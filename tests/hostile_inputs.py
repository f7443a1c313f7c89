"""Files, folders, archives and texts that were made to do harm, each with the command that is given it.

``CASES[name](folder)`` writes one into an empty *folder* and returns the words of the command. ``RUN`` in the words
stands for a finished run, ``COPY`` for a copy of it in the folder. :mod:`hostile_probe` runs them in one process, under
limits.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from image_files import chunk, photo, png_head, saved

Words = list[str]
CASES: dict[str, Callable[[Path], Words]] = {}
MB = 1 << 20
END = chunk(b"IEND", b"")


def case(name: str, verb: str = "data", file: str = "a", *more: str):
    """A case whose command is ``VERB ... FILE ...``; what is decorated gives the file's bytes, or writes into the
    folder.
    """

    def add(make: Callable[..., object]) -> Callable[..., object]:
        def written(folder: Path) -> Words:
            path = folder / file
            content = make(folder) if make.__code__.co_argcount else make()
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8", errors="surrogatepass", newline="")
            return [*verb.split(), str(path), *more]

        assert name not in CASES, name
        CASES[name] = written
        return make

    return add


def cases(verb: str, file: str, contents: dict[str, object], *more: str) -> None:
    """One case of each of *contents*: bytes, a text, or what makes them."""
    for name, content in contents.items():
        make = content if callable(content) else (lambda content=content: content)
        case(name, verb, file, *more)(make)


# ---------------------------------------------------------------------------------------------------------- images
def png(extra: bytes = b"", data: bytes | None = None, head: bytes | None = None) -> bytes:
    body = zlib.compress(b"\0\0") if data is None else data
    return (head or png_head(1, 1, 8, 0)) + extra + chunk(b"IDAT", body) + END


def ihdr(width: int, height: int, *rest: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *rest))


def zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MB)) for _ in range(size // MB)) + packer.flush()


def tiff(*entries: tuple[int, int, int, int], next_ifd: int = 0, behind: bytes = bytes(64)) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_ifd) + behind


def small_tiff(*more: tuple[int, int, int, int], next_ifd: int = 0) -> bytes:
    plain = [
        (256, 4, 1, 4),
        (257, 4, 1, 4),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 16),
    ]
    changed = {entry[0] for entry in more}
    return tiff(*(entry for entry in plain if entry[0] not in changed), *more, next_ifd=next_ifd)


def jpeg(change: Callable[[bytes], bytes], **options: object) -> Callable[[], bytes]:
    return lambda: change(saved(photo(), "JPEG", **options))


def after_soi(extra: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:2] + extra + data[2:]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def patched(marker: bytes, at: int, value: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        place = data.index(marker) + at
        return data[:place] + value + data[place + len(value) :]

    return change


def gif_of(frames: int) -> bytes:
    frame = b"!\xf9\4\0\0\0\0\0," + bytes(4) + b"\1\0\1\0\0\2\2D\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * frames + b";"


def webp(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    body = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(body) if size is None else size) + b"WEBP" + body


def bmp(width: int = 2, height: int = 2, bits: int = 24, offset: int = 54, head: int = 40, colours: int = 0) -> bytes:
    about = struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, offset, head, width, height, 1, bits, 0, 0, 0, 0, colours, 0)
    return b"BM" + about + bytes(64)


IMAGES: dict[str, object] = {
    "png whose pixels unpack to 1 GB": lambda: png(data=zeros(1024 * MB)),
    "png whose profile unpacks to 300 MB": lambda: png(chunk(b"iCCP", b"a\0\0" + zeros(300 * MB))),
    "png whose text unpacks to 300 MB": lambda: png(chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(300 * MB))),
    "png of 30,000 empty pixel chunks": lambda: png_head(1, 1, 8, 0) + chunk(b"IDAT", b"") * 30_000 + END,
    "png of 0 x 0": lambda: png(head=ihdr(0, 0, 8, 0, 0, 0, 0)),
    "png of depth 3": lambda: png(head=ihdr(1, 1, 3, 0, 0, 0, 0)),
    "png of colour 9": lambda: png(head=ihdr(1, 1, 8, 9, 0, 0, 0)),
    "png packed in an unknown way": lambda: png(head=ihdr(1, 1, 8, 0, 7, 0, 0)),
    "png of a palette that is not there": lambda: png(head=ihdr(1, 1, 8, 3, 0, 0, 0)),
    "png of two headers": lambda: png(ihdr(60_000, 60_000, 8, 6, 0, 0, 0)[8:]),
    "png with a chunk of 4 GB": lambda: png_head(1, 1, 8, 0) + struct.pack(">I", 2**32 - 1) + b"IDATx",
    "png with a wrong checksum": lambda: png()[:-16] + bytes(16),
    "png interlaced, of 1 x 170,000,000": lambda: png(head=ihdr(1, 170_000_000, 1, 0, 0, 0, 1)),
    "png of 4 billion animation frames": lambda: png(chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0))),
    "png of 9,000 animation frames": lambda: png(
        chunk(b"acTL", struct.pack(">II", 9_000, 0))
        + b"".join(chunk(b"fcTL", struct.pack(">IIIIIHHBB", i, 1, 1, 0, 0, 1, 1, 0, 0)) for i in range(9_000))
    ),
    "png with a transparency of nothing": lambda: png(chunk(b"tRNS", b"")),
    "png with EXIF that points at itself": lambda: png(
        chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8))
    ),
    "jpeg of no lines": jpeg(patched(b"\xff\xc0", 5, b"\0\0\0\0")),
    "jpeg of 12 bits": jpeg(patched(b"\xff\xc0", 4, b"\x0c")),
    "jpeg of 255 components": jpeg(patched(b"\xff\xc0", 9, b"\xff")),
    "jpeg arithmetic coded": jpeg(patched(b"\xff\xc0", 0, b"\xff\xc9")),
    "jpeg lossless": jpeg(patched(b"\xff\xc0", 0, b"\xff\xc3")),
    "jpeg without tables": jpeg(lambda data: data.replace(b"\xff\xc4", b"\xff\xe9")),
    "jpeg of a bad table": jpeg(patched(b"\xff\xc4", 5, b"\xff" * 16)),
    "jpeg sampled 15 to 1": jpeg(patched(b"\xff\xc0", 11, b"\xff")),
    "jpeg with 255 pieces of a profile": jpeg(
        after_soi(b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 255]) + bytes(60_000)) for i in range(1, 256)))
    ),
    "jpeg with a profile of piece 0 of 0": jpeg(after_soi(segment(0xE2, b"ICC_PROFILE\0\0\0x") * 9)),
    "jpeg of 9,000 pictures": jpeg(
        after_soi(
            segment(
                0xE2,
                b"MPF\0II*\0\x08\0\0\0\3\0"
                + struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
                + struct.pack("<HHII", 0xB001, 4, 1, 9_000)
                + struct.pack("<HHII", 0xB002, 7, 144_000, 50),
            )
        )
    ),
    "jpeg with Photoshop resources that claim 4 GB": jpeg(
        after_soi(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\xff\xff\xff\xff" * 999))
    ),
    "jpeg with 30 MB behind its end": jpeg(lambda data: data + b"\xff\xda" * 15_000_000),
    "jpeg of a byte": b"\xff\xd8\xff",
    "gif of 200,000 frames": lambda: gif_of(200_000),
    "gif of 0 x 0": lambda: gif_of(1).replace(b"\1\0\1\0", bytes(4)),
    "gif of code size 255": lambda: gif_of(1).replace(b"\2\2D\1", b"\xff\2D\1"),
    "gif that never ends": b"GIF89a\1\0\1\0\0\0\0!\xff\x0bNETSCAPE2.0\3\1",
    "tiff whose directory follows itself": lambda: small_tiff(next_ifd=8),
    "tiff of 0 x 0": lambda: small_tiff((256, 4, 1, 0)),
    "tiff of tiles of nothing": lambda: small_tiff((322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 8), (325, 4, 1, 9)),
    "tiff of 65,535 samples a pixel": lambda: small_tiff((277, 3, 1, 65_535)),
    "tiff of 4 billion bits": lambda: small_tiff((258, 4, 1, 2**32 - 1)),
    "tiff of strips behind its end": lambda: small_tiff((273, 4, 1, 2**31)),
    "tiff of strips of 4 GB": lambda: small_tiff((279, 4, 1, 2**32 - 1)),
    "tiff in an unknown packing": lambda: small_tiff((259, 3, 1, 50_000)),
    "tiff of broken deflate": lambda: small_tiff((259, 3, 1, 8)),
    "tiff of broken lzw": lambda: small_tiff((259, 3, 1, 5)),
    "tiff of broken jpeg": lambda: small_tiff((259, 3, 1, 7)),
    "tiff of broken fax": lambda: small_tiff((259, 3, 1, 4), (258, 3, 1, 1)),
    "tiff of big offsets": b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40),
    "tiff of 2**60 directory entries": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**60) + bytes(40),
    "tiff that is a directory of nothing": tiff(),
    "webp cut short": webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\1\0\1\0"),
    "webp of 4 GB by its word": webp(b"VP8L", b"\x2f" + bytes(20), 2**32 - 1),
    "webp of an animation of nothing": webp(b"VP8X", b"\2\0\0\0" + bytes(6) + b"ANIM\6\0\0\0" + bytes(6)),
    "webp of no kind": webp(b"abcd", bytes(40)),
    "bmp of width -1": bmp(width=-1),
    "bmp of no pixels": bmp(0, 0),
    "bmp of 0 bits": bmp(bits=0),
    "bmp of 4 billion colours": bmp(bits=8, colours=2**32 - 1),
    "bmp whose pixels are behind its end": bmp(offset=2**31),
    "bmp whose header is 4 GB": bmp(head=2**32 - 1),
    "pnm of 0 x 0": b"P5 0 0 255\n",
    "pnm of a range of 0": b"P5 1 1 0\n\0",
    "pnm of a range of 70,000": b"P5 1 1 70000\n\0\0",
    "pnm of letters": b"P2 3 3 255\na b c d e f g h i",
    "pnm of a negative number": b"P2 1 1 255\n-7",
    "pnm of a token of 10 MB": b"P2 1 1 255\n" + b"9" * 10_000_000,
    "pnm of width 10**30": b"P6 1" + b"0" * 30 + b" 1 255\n",
    "a page called an image": b"<!DOCTYPE html><html>" + b"<b>" * 100_000,
    "a drawing called an image": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PostScript called an image": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(/etc/passwd) run\n",
    "an archive called an image": lambda: packed({"a.txt": b"x"}),
    "a program called an image": b"\x7fELF" + bytes(2000),
    "an image of nothing": b"",
    "an image of zeros": bytes(4000),
}


def packed(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


cases("predict RUN", "a.png", IMAGES)

# ------------------------------------------------------------------------------------------------ arrays, archives


def npy(header: str | bytes, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", len(text)) + text + data


def array(shape: object, dtype: str = "'|u1'", data: bytes = b"") -> bytes:
    return npy(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n", data)


def plain_npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


X, Y = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
GOOD_X, GOOD_Y = array((4, 8, 8), data=bytes(256)), array((4,), data=b"\0\1\0\1")


class Payload:
    def __reduce__(self):
        return (os.system, ("touch pwned",))


def lying_zip(name: str, data: bytes, says: int) -> bytes:
    """An archive whose directory says another size than its member has."""
    content = packed({name: data, "y.npy": GOOD_Y})
    real = struct.pack("<I", len(data))
    return content.replace(real, struct.pack("<I", says))


def npz_of(x: bytes, **more: bytes) -> Callable[[], bytes]:
    return lambda: packed({"x.npy": x, "y.npy": GOOD_Y, **more})


ARCHIVES: dict[str, object] = {
    "npz of 3 GB of zeros": lambda: packed({"x.npy": array((3 << 20, 32, 32), data=bytes(300 * MB)), "y.npy": GOOD_Y}),
    "npz whose directory says less than it is": lambda: lying_zip(
        "x.npy", array((200 * MB,), data=bytes(200 * MB)), 300
    ),
    "npz of an absurd shape": npz_of(array("(10**12, 10**12)")),
    "npz of 10**12 items": npz_of(array((10**12, 8, 8))),
    "npz of a negative shape": npz_of(array((-4, 8, 8))),
    "npz of a shape of fractions": npz_of(array("(4.5, 8, 8)")),
    "npz of 40 axes": npz_of(array((1,) * 40, data=b"\0")),
    "npz of objects": npz_of(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", pickle.dumps(Payload()))),
    "npz of items of 2 GB": npz_of(array((4,), "'|V2000000000'")),
    "npz of records": npz_of(array((4,), "[('a', '<f4'), ('b', 'O')]", bytes(48))),
    "npz of dates": npz_of(array((4, 8, 8), "'<M8[s]'", bytes(2048))),
    "npz of complex numbers": npz_of(array((4, 8, 8), "'<c16'", bytes(4096))),
    "npz of an unknown type": npz_of(array((4, 8, 8), "'<q77'")),
    "npz of a header of 3 GB": npz_of(b"\x93NUMPY\2\0" + struct.pack("<I", 3 << 30) + b"{'descr'"),
    "npz of a header of brackets": npz_of(npy("(" * 60_000)),
    "npz of a header that calls": npz_of(npy("{'descr': __import__('os').system('touch pwned'), 'shape': (1,)}")),
    "npz of a header of 1 MB": npz_of(npy(" " * MB, version=b"\2\0")),
    "npz of nothing": lambda: packed({}),
    "npz of names that climb": lambda: packed({"../../x.npy": GOOD_X, "/etc/y.npy": GOOD_Y}),
    "npz of the same name twice": lambda: packed({"x.npy": GOOD_X}) + packed({"x.npy": GOOD_X, "y.npy": GOOD_Y}),
    "npz of 50,000 members": lambda: packed({f"a{i}.npy": b"" for i in range(50_000)} | {"x.npy": GOOD_X}, 0),
    "npz in an unknown packing": lambda: packed({"x.npy": GOOD_X, "y.npy": GOOD_Y}).replace(b"\x08\0", b"\x5d\0"),
    "npz that is locked": lambda: packed({"x.npy": GOOD_X, "y.npy": GOOD_Y}).replace(b"\x14\0\0\0", b"\x14\0\1\0"),
    "npz cut short": lambda: packed({"x.npy": GOOD_X, "y.npy": GOOD_Y})[:-30],
    "npz of fewer numbers than it says": npz_of(array((4, 8, 8), data=bytes(100))),
    "npz with a bomb that nobody uses": lambda: packed(
        {"x.npy": GOOD_X, "y.npy": GOOD_Y, "weights.npy": array((400 * MB,), data=bytes(400 * MB))}
    ),
    "npz of labels of infinity": lambda: plain_npz(x=X, y=np.array([0, np.inf, np.nan, 1])),
    "npz of labels of 2**62": lambda: plain_npz(x=X, y=np.array([0, 2**62, 1, -(2**62)])),
    "npz of texts of 1 MB as labels": lambda: plain_npz(x=X, y=np.array(["a" * MB, "b", "a" * MB, "b"])),
    "npz of names of ESC": lambda: plain_npz(x=X, y=Y, classes=np.array(["\33[2Ja", "b\r\n"])),
    "npz of an lzma bomb": lambda: packed(
        {"x.npy": array((400 * MB,), data=bytes(400 * MB)), "y.npy": GOOD_Y}, zipfile.ZIP_LZMA
    ),
}
cases("data", "a.npz", ARCHIVES)
cases(
    "predict RUN",
    "a.npy",
    {
        "npy of 10**15 numbers": array((10**15,)),
        "npy of a program": b"\x93NUMPY\1\0\x10\0" + pickle.dumps(Payload()),
        "npy that is a bare pickle": pickle.dumps(Payload()),
        "npy cut in its header": b"\x93NUMPY\1\0\xff\xff{",
    },
)
cases(
    "data",
    "train-images-idx3-ubyte.gz",
    {
        "idx of 255 axes": gzip.compress(b"\0\0\x08\xff" + bytes(2000)),
        "idx of 2**32 images": gzip.compress(struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1)),
        "idx of an unknown type": gzip.compress(b"\0\0\x77\3" + bytes(100)),
        "idx of nothing": b"",
        "idx of a gzip of nothing": gzip.compress(b""),
        "idx of a gzip cut short": gzip.compress(struct.pack(">IIII", 0x803, 4, 8, 8) + bytes(256))[:-20],
        "idx of 50,000 gzips": gzip.compress(b"") * 50_000 + gzip.compress(struct.pack(">IIII", 0x803, 1, 1, 1)),
        "idx of gzips in each other": gzip.compress(gzip.compress(gzip.compress(bytes(9999)))),
        "idx with a gzip's name of 5 MB": b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 5_000_000 + b"\0\3\0" + bytes(8),
        "idx of a gzip of 500 MB": lambda: gzip.compress(struct.pack(">IIII", 0x803, 4, 8, 8) + bytes(500 * MB)),
    },
)


@case("hdf5 of an array of 1 TB", "data", "a.h5")
def _(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 20, 1024, 1024), "u1", chunks=(1, 1024, 1024))
        file.create_dataset("y", data=[0, 1])


@case("hdf5 of a link to itself and to a file elsewhere", "data", "a.h5")
def _(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = h5py.SoftLink("/x")
        file["y"] = h5py.ExternalLink("/etc/passwd", "/y")
        file["again"] = file["/"]


cases(
    "data",
    "a.h5",
    {"hdf5 of zeros": bytes(5000), "hdf5 of a head alone": b"\x89HDF\r\n\x1a\n" + bytes(90)},
)


# ------------------------------------------------------------------------------------------------------ pickles
def cifar(name: str, data: object) -> None:
    """A folder with a good batch and this one."""
    good = pickle.dumps({"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 0, 1]}, 2)

    @case(name, "data", ".")
    def _(folder: Path) -> None:
        (folder / "data_batch_1").write_bytes(good)
        (folder / "test_batch").write_bytes(data if isinstance(data, bytes) else pickle.dumps(data, 2))


cifar("pickle that runs a command", Payload())
cifar("pickle of ten million marks", b"\x80\2" + b"(" * 10_000_000 + b".")
cifar("pickle of 100,000 nested lists", b"\x80\2" + b"]" * 100_000 + b"a" * 99_999 + b".")
cifar("pickle of a list in itself", b"\x80\2]q\0h\0a.")
cifar("pickle of a text of 4 GB", b"\x80\2X\xff\xff\xff\xffabc.")
cifar("pickle of a number of 5 MB", b"\x80\2\x8b" + struct.pack("<i", 5_000_000) + b"\x7f" * 5_000_000 + b".")
cifar("pickle of a number of a million digits", b"\x80\2I" + b"9" * 1_000_000 + b"\n.")
cifar("pickle of memo 4 billion", b"\x80\2]r\xff\xff\xff\xffj\xff\xff\xff\xff.")
cifar("pickle without an end", b"\x80\2}")
cifar("pickle of protocol 200", b"\x80\xc8}.")
cifar("pickle of an empty stack", b"\x80\0020000.")
cifar("pickle of texts as pixels", {"data": ["a"] * 4, "labels": [0, 1, 0, 1]})
cifar("pickle of labels of 2**70", {"data": np.zeros((2, 3072), np.uint8), "labels": [2**70, -(2**70)]})
cifar("pickle of labels that are texts", {"data": np.zeros((2, 3072), np.uint8), "labels": ["a", None]})
cifar("pickle of a list of itself doubled 60 times", b"\x80\2]" + b"2\x86" * 60 + b".")


def torch_file(thing: object, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


cases(
    "train digits --epochs 1 --fraction 0.05 --out OUT --weights",
    "a.pth",
    {
        "pth that runs a command": lambda: torch_file({"a": Payload()}),
        "pth of before, that runs a command": lambda: torch_file({"a": Payload()}, old=True),
        "pth that is a bare pickle": lambda: pickle.dumps(Payload()),
        "pth without a pickle": lambda: packed({"a/version": b"3"}),
        "pth of a pickle of 300 MB of zeros": lambda: packed({"a/data.pkl": bytes(300 * MB), "a/version": b"3"}),
        "pth of a net": lambda: torch_file(torch.nn.Linear(2, 2)),
        "pth of a list": lambda: torch_file([1, 2, 3]),
        "pth of nothing": b"",
        "pth of names that climb": lambda: packed({"../data.pkl": b"\x80\2}.", "../version": b"3"}),
        "pth cut short": lambda: torch_file({"a": torch.zeros(1000)})[:-600],
    },
)

# ------------------------------------------------------------------------------------------------ safetensors


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


ABOUT = {"striate": "striate 1", "net": "input 1x8x8\nflatten\nlinear 2", "contract": "{}"}
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def about(**more: object) -> bytes:
    return tensors({"__metadata__": ABOUT | more, "a": F32}, bytes(8))


def contract(**changes: object) -> Callable[[], bytes]:
    """The run's own contract, changed."""

    def make() -> bytes:
        plain = {
            "task": "classification",
            "classes": ["a", "b"],
            "input": [1, 8, 8],
            "mode": "L",
            "mean": [0.5],
            "std": [0.5],
            "resize": "stretch",
            "interpolation": "bilinear",
        }
        return about(contract=json.dumps(plain | changes))

    return make


HEADERS: dict[str, object] = {
    "header of length 0": tensors(b""),
    "header of length 2**64 - 1": tensors({}, length=2**64 - 1),
    "header of length 2**63": tensors({}, length=2**63),
    "header longer than the file": tensors({}, length=5000),
    "header of 17 MB": tensors(b" " * (17 * MB)),
    "header of 15 MB of blanks": tensors(b"{" + b" " * (15 * MB) + b"}"),
    "header of brackets": tensors(b"[" * 100_000),
    "header of objects in objects": tensors(b'{"a":' * 100_000),
    "header that is a list": tensors([]),
    "header of no text": tensors(b"\xff\xfe\0"),
    "header of a number of 100,000 digits": tensors(b'{"a": ' + b"9" * 100_000 + b"}"),
    "header of offsets of 4,000 digits": tensors(
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, ' + b"9" * 4000 + b"]}}"
    ),
    "header of overlapping tensors": tensors({"__metadata__": ABOUT, "a": F32, "b": F32}, bytes(8)),
    "header of offsets backwards": tensors({"a": F32 | {"data_offsets": [8, 0]}}, bytes(8)),
    "header of negative offsets": tensors({"a": F32 | {"data_offsets": [-8, 0]}}, bytes(8)),
    "header of offsets behind the end": tensors({"a": F32 | {"data_offsets": [2**60, 2**60 + 8]}}, bytes(8)),
    "header of fractions": tensors({"a": F32 | {"shape": [0.5, 4]}}, bytes(8)),
    "header of a negative shape": tensors({"a": F32 | {"shape": [-1, -2]}}, bytes(8)),
    "header of 100,000 axes": tensors({"a": F32 | {"shape": [1] * 100_000}}, bytes(8)),
    "header of a shape that overflows": tensors({"a": F32 | {"shape": [2**40, 2**40]}}, bytes(8)),
    "header of true as a number": tensors({"a": F32 | {"shape": [True, 2]}}, bytes(8)),
    "header of 20,000 tensors": tensors({f"a{i}": F32 | {"shape": [0], "data_offsets": [0, 0]} for i in range(20_000)}),
    "header of an unknown dtype": tensors({"a": F32 | {"dtype": "\33[31mF4"}}, bytes(8)),
    "header of a tensor's name of ESC": tensors({"__metadata__": ABOUT, "\33[2J\r\n": F32 | {"shape": [3]}}, bytes(8)),
    "header of a half surrogate": tensors(b'{"\\ud800": {"dtype": "\\udfff"}}'),
    "header of metadata that are a list": tensors({"__metadata__": [], "a": F32}, bytes(8)),
    "header of metadata of numbers": tensors({"__metadata__": ABOUT | {"net": 5}, "a": F32}, bytes(8)),
    "header of an unknown version": tensors({"__metadata__": ABOUT | {"striate": "\33[31m99"}}),
    "header of more than there is": about(more="x"),
    "contract of brackets": about(contract="[" * 50_000),
    "contract of nothing": about(contract="{}"),
    "contract of no JSON": about(contract="{"),
    "contract of a million classes": contract(classes=[str(i) for i in range(1_000_000)]),
    "contract of classes of ESC": contract(classes=["\33[2J", "\r\n\u202e"]),
    "contract of classes that are numbers": contract(classes=[1, 2]),
    "contract of an input of 10**9": contract(input=[1, 10**9, 10**9]),
    "contract of an input of fractions": contract(input=[1, 0.5, 8]),
    "contract of infinity": contract(mean=[float("inf")], std=[float("nan")]),
    "contract of std 0": contract(std=[0.0]),
    "contract of an unknown task": contract(task="\33]0;pwned\a"),
    "contract of an unknown mode": contract(mode="CMYK"),
    "contract of 10**400": about(contract='{"mean": [1' + "0" * 400 + "]}"),
    "net of 5,000 layers": about(net="input 1x8x8\n" + "relu\n" * 5_000),
    "net of a line of 1 MB": about(net="input 1x8x8\nconv " + "3" * MB),
    "net of a convolution of 2**40": about(net=f"input 1x8x8\nconv {2**40} 3"),
    "net of ESC": about(net="input 1x8x8\n\33[2J 3"),
}
cases("evaluate", "a.safetensors", HEADERS, "digits")

# ------------------------------------------------------------------------------------------------------- networks
NETS: dict[str, str] = {
    "net of an adaptive pooling of 2**31": "adaptiveavgpool 2147483648",
    "net of a transposed convolution by a million": "convtranspose 4 1000000 stride=1000000",
    "net of doublings of 2**31": "; ".join(["upsample 2147483648"] * 5),
    "net of doublings of two, 60 times": "; ".join(["upsample 2"] * 60),
    "net of 1,900 concatenations": "\n".join(
        f"a{i}: cat <- a{i - 1}, a{i - 1}" if i else "a0: relu" for i in range(1_900)
    ),
    "net of 1,900 sums": "\n".join(f"a{i}: sum <- a{i - 1}, a{i - 1}" if i else "a0: relu" for i in range(1_900)),
    "net of a kernel of 10**30": "conv 3 " + "1" + "0" * 30,
    "net of 10**400 channels": "conv 1" + "0" * 400 + " 3",
    "net of 5,000 digits": "linear " + "9" * 5_000,
    "net of channels 0": "conv 0 3",
    "net of stride 0": "conv 3 3 stride=0",
    "net of dilation 2**31": "conv 3 3 dilation=2147483647",
    "net of padding 10**12": "conv 3 3 padding=1000000000000",
    "net of 0.1e999 dropout": "dropout 1e999",
    "net of nan": "dropout nan",
    "net of 100,000 layers": "relu; " * 100_000,
    "net of a name of 100,000 letters": "a" * 100_000 + ": relu",
    "net of a word of 1 MB": "x" * MB,
    "net of brackets": "(" * 100_000,
    "net of NUL": "conv 3 3; \0",
    "net of ESC and RTL marks": "conv 3 3; \33[31mrelu \u202e\u2066",
    "net of line ends of every kind": "conv 3 3\r\nrelu\u2028relu\x0brelu\x85relu",
    "net that refers to itself": "a: relu <- a",
    "net of two layers of one name": "a: relu; a: relu",
    "net of 3,000 inputs to a join": "; ".join(f"n{i}: relu" for i in range(1_000))
    + "; cat <- "
    + ", ".join(["n0"] * 3_000),
    "net of a million embeddings": "embedding 10000000000 10000000000",
    "net of fields unknown": "conv 3 3 " + " ".join(f"a{i}=1" for i in range(2_000)),
    "net of a linear layer of 2**31 twice": "flatten; linear 2147483648; linear 2147483648",
}
cases("check", "a.net", NETS, "--input", "3x32x32")


def _no_text() -> bytes:
    return b"conv \xff\xfe\x80 3"


case("net that is no text", "check", "a.net")(_no_text)

# --------------------------------------------------------------------------------------------------------- tables
ROWS = "file,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(9))
TABLES: dict[str, object] = {
    "table of a cell of 5 MB": lambda: "text,label\n" + "a" * (5 * MB) + ",x\nb,y\n",
    "table of 20,000 columns": lambda: ",".join(f"c{i}" for i in range(20_000)) + ("\n" + ",".join("1" * 20_000)) * 9,
    "table of 20,000 columns without a header": lambda: ("\n" + ",".join("1" * 20_000)) * 9,
    "table of 20,000 columns of one name": lambda: ",".join(["a"] * 20_000) + "\n" + ",".join("1" * 20_000),
    "table of NUL": "text,label\na\0b,x\nc,y\n",
    "table of a name with CR": "file,label\na\rb.png,x\nc.png,y\n",
    "table of ESC": "file,label\n\33[2Ja.png,\33]0;x\a\nb.png,y\n",
    "table of RTL marks in the header": "\u202efile,\u2066label\na.png,x\nb.png,y\n",
    "table of a quotation mark that opens 2 MB": lambda: 'text,label\n"' + "a,b\n" * (MB // 2),
    "table of ten million quotation marks": lambda: "text,label\n" + '"' * 10_000_000 + ",x\n",
    "table of 5 million empty lines": lambda: "text,label\n" + "\n" * 5_000_000 + "a,x\nb,y\n",
    "table of a header alone": "file,label\n",
    "table of a byte-order mark alone": b"\xef\xbb\xbf",
    "table of UTF-32": ROWS.encode("utf-32"),
    "table of UTF-16 of odd length": ROWS.encode("utf-16")[:-1],
    "table of noise": np.random.default_rng(0).bytes(300_000),
    "table of commas": lambda: ("," * 3_000 + "\n") * 300,
    "table of numbers too large": "a,b,label\n1e999,-1e999,1\nnan,inf,2\n1,2,3\n",
    "table of a label of 5,000 digits": "text,label\na," + "9" * 5_000 + "\nb,1\nc,2\n",
    "table of 60,000 classes": lambda: "text,label\n" + "".join(f"t{i},c{i}\n" for i in range(60_000)),
    "table of 2,000 labels in a cell": lambda: (
        "file,labels\n" + "a.png," + " ".join(f"l{i}" for i in range(2_000)) + "\nb.png,l1\n"
    ),
    "table of devices as files": "file,label\n/dev/zero,x\n/dev/stdin,y\n/dev/tty,x\n/proc/self/mem,y\n",
    "table of files that climb": "file,label\n../../../../../../etc/passwd,x\n/etc/shadow,y\n",
    "table of names too long": "file,label\n" + "a" * 300 + ".png,x\n" + "b/" * 3_000 + "c.png,y\n",
    "table of addresses": "file,label\nhttp://127.0.0.1:1/a.png,x\nfile:///etc/passwd,y\n",
    "table of formulas": "text,label\n=cmd|' /C calc'!A0,x\n@SUM(1),y\n",
    "table of itself": "file,label\na.csv,x\na.csv,y\n",
    "table of split names of ESC": "file,label,split\na.png,x,\33[31m\nb.png,y,train\n",
    "table of pixels that are words": "label,"
    + ",".join(f"pixel{i}" for i in range(784))
    + "\n1,"
    + ",".join(["a"] * 784),
    "table of pixels above 255": "label,"
    + ",".join(f"pixel{i}" for i in range(784))
    + "\n1,"
    + ",".join(["99999999999"] * 784),
    "table of an emotion without end": "emotion,pixels,Usage\n0," + "1 " * 500_000 + ",Training\n",
}
cases("data", "a.csv", TABLES)
cases(
    "data",
    "a.xlsx",
    {
        "spreadsheet of nothing": b"",
        "spreadsheet that is a zip": lambda: packed({"a": b"b"}),
        "spreadsheet of 300 MB of blanks": lambda: packed(
            {
                "[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
                "xl/workbook.xml": b"<workbook>" + b" " * (300 * MB) + b"</workbook>",
            }
        ),
    },
)


@case("spreadsheet of a sheet that unpacks to 600 MB", "data", "a.xlsx")
def _(folder: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    book.active.append(["a", "x"])
    book.save(folder / "a.xlsx")
    with zipfile.ZipFile(folder / "a.xlsx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(b"<sheetData>", b"<sheetData>" + b"<row></row>" * (600 * MB // 11))
    (folder / "a.xlsx").write_bytes(packed(members))


LAUGHS = '<!DOCTYPE a [<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{i} "{"&l" + str(i - 1) + ";"}{("&l" + str(i - 1) + ";") * 9}">' for i in range(1, 12)
) + "]>"  # fmt: skip


@case("spreadsheet of a billion laughs", "data", "a.xlsx")
def _(folder: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    book.save(folder / "a.xlsx")
    with zipfile.ZipFile(folder / "a.xlsx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xl/workbook.xml"] = (LAUGHS + "<workbook>&l11;</workbook>").encode()
    (folder / "a.xlsx").write_bytes(packed(members))


cases(
    "data",
    "a.parquet",
    {"parquet of zeros": bytes(900), "parquet of a foot of 4 GB": b"PAR1" + bytes(90) + b"\xff\xff\xff\xffPAR1"},
)


@case("parquet of 300 million equal rows", "data", "a.parquet")
def _(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000_000, np.int8)), pa.array(["a" * 100]))
    pyarrow.parquet.write_table(pa.table({"text": values, "label": values}), folder / "a.parquet", compression="gzip")


# ---------------------------------------------------------------------------------------- annotations beside images
def with_images(folder: Path) -> Path:
    for name in ("0.jpg", "1.jpg"):
        photo().save(folder / name)
    return folder


def coco(name: str, content: object) -> None:
    @case(name, "data", ".")
    def _(folder: Path) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (with_images(folder) / "_annotations.coco.json").write_text(text)


BOXED = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4, "iscrowd": 0}
COCO = {
    "images": [{"id": i, "file_name": f"{i}.jpg", "width": 14, "height": 11} for i in (0, 1)],
    "annotations": [BOXED | {"segmentation": [[0, 0, 5, 0, 5, 5]]}],
    "categories": [{"id": 1, "name": "a"}],
}


def outlined(outline: object, **image: object) -> dict[str, object]:
    images = [one | image for one in COCO["images"]]
    return COCO | {"images": images, "annotations": [BOXED | {"segmentation": outline}]}


coco("coco of brackets", '{"images": [], "annotations": [], "categories": ' + "[" * 100_000)
coco("coco of lists that are numbers", {"images": 1, "annotations": 2, "categories": 3})
coco(
    "coco of files that climb",
    COCO | {"images": [{"id": 0, "file_name": "../../../../etc/passwd", "width": 1, "height": 1}]},
)
coco("coco of outlines of 10**300", outlined([[0, 0, 1e300, 0, 1e300, 1e300]]))
coco("coco of outlines of one number", outlined([[0, 0, 1]]))
coco("coco of outlines of words", outlined([["a", "b", "c", "d", "e", "f"]]))
coco("coco of runs of 10**12", outlined({"counts": [0, 10**12], "size": [10**6, 10**6]}))
coco("coco of runs of a text without end", outlined({"counts": "~" * 500_000, "size": [11, 14]}))
coco("coco of negative sizes", outlined([[0, 0, 5, 0, 5, 5]], width=-5, height=-5))
coco("coco of sizes of 10**9", outlined([[0, 0, 5, 0, 5, 5]], width=10**9, height=10**9))
coco("coco of names of ESC", COCO | {"categories": [{"id": 1, "name": "\33[2J\u202ex"}]})
coco("coco of a category that is a list", COCO | {"categories": [{"id": [1], "name": {}}]})


def voc(name: str, content: str) -> None:
    @case(name, "data", ".")
    def _(folder: Path) -> None:
        for stem in ("0", "1"):
            (with_images(folder) / f"{stem}.xml").write_text(content)


BOX = (
    "<annotation><object><name>{}</name>"
    "<bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"
)
voc("voc of a billion laughs", LAUGHS + BOX.format("&l11;", 1))
voc("voc of a file elsewhere", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + BOX.format("&x;", 1))
voc("voc of 100,000 nested tags", "<annotation>" + "<a>" * 100_000)
voc("voc of numbers that are none", BOX.format("a", "1e999"))
voc("voc of a name of ESC", BOX.format("a\r\nb\u202e", 1))


@case("yolo of numbers without end", "data", ".")
def _(folder: Path) -> None:
    for stem in ("0", "1"):
        (with_images(folder) / f"{stem}.txt").write_text("9" * 5_000 + " nan inf -1e999 1\n" + "0 " * 100_000)


# -------------------------------------------------------------------------------------------------------- folders
def classes(folder: Path, *names: str | bytes) -> None:
    for name in names:
        inside = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(inside, exist_ok=True)
        for i in range(3):
            with open(os.path.join(inside, b"%d.png" % i), "wb") as file:
                file.write(saved(photo(seed=i), "PNG"))


def folder_case(name: str, verb: str = "data"):
    def add(make: Callable[[Path], None]) -> None:
        def written(folder: Path) -> None:
            classes(folder, "cat", "dog")
            make(folder)

        case(name, verb, ".")(written)

    return add


def _socket(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder / "cat")  # its name may have 107 bytes
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s.png")
    os.chdir(here)


FOLDERS: dict[str, Callable[[Path], object]] = {
    "folder with a link to itself": lambda f: (f / "cat" / "again").symlink_to(f),
    "folder with links in a ring": lambda f: [
        (f / a / "x").symlink_to(f / b) for a, b in (("cat", "dog"), ("dog", "cat"))
    ],
    "folder with a link that leads nowhere": lambda f: (f / "cat" / "x.png").symlink_to(f / "none.png"),
    "folder with a link to its own name": lambda f: (f / "cat" / "x.png").symlink_to("x.png"),
    "folder with a link to /dev/zero": lambda f: (f / "cat" / "x.png").symlink_to("/dev/zero"),
    "folder with a link to /dev/stdin": lambda f: (f / "cat" / "x.png").symlink_to("/dev/stdin"),
    "folder with a link to /proc/self/mem": lambda f: (f / "cat" / "x.png").symlink_to("/proc/self/mem"),
    "folder with a class that is /dev": lambda f: (f / "bird").symlink_to("/dev"),
    "folder with a class that is /proc/self": lambda f: (f / "bird").symlink_to("/proc/self"),
    "folder with a pipe": lambda f: os.mkfifo(f / "cat" / "x.png"),
    "folder with a pipe without a suffix": lambda f: os.mkfifo(f / "cat" / "x"),
    "folder with a socket": _socket,
    "folder with 20 nested links to all": lambda f: [(f / "cat" / f"l{i}").symlink_to(f) for i in range(20)],
    "folder 150 deep": lambda f: (f / "cat").joinpath(*["d"] * 150).mkdir(parents=True),
    "folder 500 deep": lambda f: [os.mkdir(f"{f}/cat{'/d' * i}") for i in range(1, 500)],
    "folder of 3,000 empty classes": lambda f: [(f / f"c{i}").mkdir() for i in range(3_000)],
    "folder of class names of ESC": lambda f: classes(f, "\33[2J\33]0;x\a", "a\rb\nc"),
    "folder of class names that are no UTF-8": lambda f: classes(f, b"caf\xe9", b"\xff\xfe"),
    "folder of class names of RTL marks": lambda f: classes(f, "\u202eabc", "\u2066def"),
    "folder of class names of 251 bytes": lambda f: classes(f, "ü" * 125 + "a", "b" * 251),
    "folder of an image that is a folder": lambda f: (f / "cat" / "x.png").mkdir(),
    "folder of a table that is a folder": lambda f: (f / "labels.csv").mkdir(),
    "folder of an unreadable image": lambda f: (f / "cat" / "0.png").chmod(0),
    "folder of class names with a blank only": lambda f: classes(f, " ", "\t"),
}
for _name, _make in FOLDERS.items():
    folder_case(_name)(_make)
    if "link" in _name or "pipe" in _name or "socket" in _name or "names" in _name:
        folder_case(f"{_name}, doctor", "doctor")(_make)
        folder_case(f"{_name}, predict", "predict RUN")(_make)

for _device in ("/dev/zero", "/dev/full", "/dev/null", "/dev/tty", "/proc/self/mem", "/proc/self/fd/0", "/"):
    for _verb in ("data", "check", "predict RUN", "evaluate", "doctor"):
        if (_device, _verb) not in (("/", "predict RUN"), ("/", "data"), ("/", "doctor")):  # all files of this machine
            CASES[f"{_verb.split()[0]} of {_device}"] = lambda folder, d=_device, v=_verb: [
                *v.split(),
                d,
                *["digits"] * (v == "evaluate"),
            ]


# ----------------------------------------------------------------------------------------------------- run folders
def run_case(name: str, verb: str, damage: Callable[[Path], object]) -> None:
    def written(folder: Path) -> Words:
        damage(folder / "run")
        return [word.replace("COPY", str(folder / "run")) for word in verb.split()]

    CASES[name] = written


def about_run(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        path = run / "recipe.json"
        found = json.loads(path.read_text())
        path.write_text(json.dumps(change(found) or found))

    return damage


def in_file(name: str, content: bytes | str | None) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        path = run / name
        path.unlink()
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


RESUME = "train digits --resume --epochs 3 --out COPY"
STATE = "state/state.safetensors"
for _name, _damage in {
    "recipe of brackets": in_file("recipe.json", "[" * 100_000),
    "recipe of nothing": in_file("recipe.json", ""),
    "recipe that is a list": in_file("recipe.json", "[1]"),
    "recipe that is no text": in_file("recipe.json", b"\xff\xfe\0{"),
    "recipe without a net": about_run(lambda a: a.pop("net") and None),
    "recipe of a net of 100,000 layers": about_run(lambda a: a.update(net="relu;" * 100_000)),
    "recipe of a net that is a number": about_run(lambda a: a.update(net=5)),
    "recipe of ESC": about_run(lambda a: a.update(name="\33[2J", data="\33[31m")),
    "recipe of 10**400 epochs": about_run(lambda a: a.update(epochs=10**400)),
    "recipe of lr nan": about_run(lambda a: a.update(lr=float("nan"))),
    "recipe of a batch size of 2**62": about_run(lambda a: a.update(batch_size=2**62)),
    "recipe of a seed that is a list": about_run(lambda a: a.update(seed=[1])),
    "recipe of an unknown optimizer": about_run(lambda a: a.update(optimizer="\33[31mx")),
    "recipe of classes that are others": about_run(lambda a: a.update(classes=["\r"] * 10)),
    "recipe of weights elsewhere": about_run(lambda a: a.update(weights="/dev/zero")),
    "recipe of a device file as data": about_run(lambda a: a.update(data="/dev/zero")),
    "progress of brackets": in_file("state/progress.json", "[" * 100_000),
    "progress that is a number": in_file("state/progress.json", "5"),
    "progress of a history of ESC": in_file("state/progress.json", '{"history": [{"\\u001b": 1}], "best_epoch": "x"}'),
    "state of nothing": in_file(STATE, b""),
    "state of zeros": in_file(STATE, bytes(900)),
    "state of an absurd header": in_file(STATE, struct.pack("<Q", 2**62)),
    "state of another net": in_file(STATE, tensors({"__metadata__": {"striate-state": "1"}, "model.a": F32}, bytes(8))),
    "state of epochs of 10**300": in_file(
        STATE, tensors({"__metadata__": {"striate-state": "1", "optimiser": "AdamW", "numbers": '{"epoch": 1e300}'}})
    ),
    "split of NUL": in_file("split.csv", b"part,item,class\n\0,\0,\0\n"),
    "split of a cell of 20 MB": in_file("split.csv", "part,item,class\ntrain," + "a" * 20_000_000 + ",1\n"),
    "split of no columns": in_file("split.csv", "a\nb\n"),
    "split of nothing": in_file("split.csv", b""),
    "split that is no text": in_file("split.csv", b"\xff\xfe\0" * 99),
    "metrics of noise": in_file("metrics.csv", b"\0\xff" * 999),
    "no state": in_file(STATE, None),
    "no recipe": in_file("recipe.json", None),
    "state that is a link to /dev/zero": lambda run: ((run / STATE).unlink(), (run / STATE).symlink_to("/dev/zero")),
    "recipe that is a pipe": lambda run: ((run / "recipe.json").unlink(), os.mkfifo(run / "recipe.json")),
    "recipe that is /dev/zero": lambda run: (
        (run / "recipe.json").unlink(),
        (run / "recipe.json").symlink_to("/dev/zero"),
    ),
    "progress that is a pipe": lambda run: (
        (run / "state/progress.json").unlink(),
        os.mkfifo(run / "state/progress.json"),
    ),
    "split that is a pipe": lambda run: ((run / "split.csv").unlink(), os.mkfifo(run / "split.csv")),
    "lock that is a folder": lambda run: ((run / "state/lock").unlink(missing_ok=True), (run / "state/lock").mkdir()),
    "lock that is a pipe": lambda run: ((run / "state/lock").unlink(missing_ok=True), os.mkfifo(run / "state/lock")),
}.items():
    run_case(f"resume: {_name}", RESUME, _damage)
for _name, _damage in {
    "model of a flipped header": in_file("model.safetensors", b"\x10" + bytes(90)),
    "model that is a pipe": lambda run: ((run / "model.safetensors").unlink(), os.mkfifo(run / "model.safetensors")),
    "model that is a folder": lambda run: ((run / "model.safetensors").unlink(), (run / "model.safetensors").mkdir()),
    "no model": in_file("model.safetensors", None),
}.items():
    run_case(f"evaluate: {_name}", "evaluate COPY digits", _damage)
    run_case(f"export: {_name}", "export COPY -o COPY/x.py", _damage)


def prepared_cases(root: Path, run: Path) -> Iterator[tuple[str, Path, Words]]:
    """Each case, written into a folder of its own below *root* at the moment it is asked for, and removed after it."""
    for number, (name, make) in enumerate(CASES.items()):
        folder = root / f"{number}"
        folder.mkdir()
        shutil.copytree(run, folder / "run") if name.partition(":")[0] in ("resume", "evaluate", "export") else None
        words = make(folder)
        yield name, folder, [{"RUN": str(run), "OUT": str(folder / "out")}.get(word, word) for word in words]
        shutil.rmtree(folder, ignore_errors=True)
