"""Small files that would cost gigabytes or minutes: each is one message, for little memory and little time."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib

import pytest

from image_files import chunk, photo, png_head, saved

PNG_END = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
WIDE = struct.pack("<HH", 65_535, 65_535)


def png(extra):
    return png_head(1, 1, 8, 0) + extra + PNG_END


def tags(data_size, order="<"):
    """A TIFF whose 65,000 tags each claim nearly all of it."""
    entries = b"".join(struct.pack(order + "HHII", tag, 7, data_size, 8) for tag in range(300, 65_300))
    head = b"II*\0" + struct.pack(order + "IH", 8, 65_000)
    return (head + entries + bytes(4)).ljust(data_size + 8, b"\0")


def tiff(entries, behind=b""):
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + behind


def claimed_tiff(width, height, *more):
    plain = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 9)]
    return tiff([entry for entry in plain if entry[0] not in {m[0] for m in more}] + list(more))


def webp(kind, body):
    body = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def canvas(width, height):
    head = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", head + b"VP8L" + struct.pack("<I", 8) + lossless(width, height) + bytes(3))


def lossless(width, height):
    return b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14)


def lossy(width, height):
    return webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20))


def gif(screen=WIDE, extra=b"", frame=WIDE):
    return b"GIF89a" + screen + bytes(3) + extra + b"," + bytes(4) + frame + b"\0\x08\x01\0\0;"


def bmp(width, height, bits=8, compression=0):
    head = struct.pack("<IHHIIiiHHIIiiII", 1078, 0, 0, 1078, 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + head + bytes(1024) + b"\1\7\0\0" * 6_000


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(extra, **options):
    data = saved(photo(), "JPEG", **options)
    return data[:2] + extra + data[2:]


def jpeg_of(width, height, progressive=False):
    data = saved(photo(), "JPEG", progressive=progressive, subsampling=0)
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def scans(times):
    data = saved(photo(1500, 1500, channels=1), "JPEG", progressive=True, quality=1)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * times + b"\xff\xd9"


def exif_segments():
    data = tags(640_000)
    pieces = [data[i : i + 65_000] for i in range(0, len(data), 65_000)]
    return b"".join(segment(0xE1, b"Exif\0\0" + piece) for piece in pieces)


def icon(inside):
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22) + inside


HOSTILE = {
    "webp of a large canvas": lambda: canvas(13_000, 13_000),
    "webp of a canvas as large as it goes": lambda: canvas(16_383, 16_383),
    "webp lossless": lambda: webp(b"VP8L", lossless(13_000, 13_000) + bytes(20)),
    "webp lossy": lambda: lossy(13_000, 13_000),
    "webp below the limit of others": lambda: canvas(9_000, 9_000),
    "webp of 3 GB, mostly a hole": lambda: (canvas(10, 10), 3 << 30),
    "png of 2 million chunks": lambda: png(chunk(b"abCd", b"") * 2_000_000),
    "png of 100,000 texts": lambda: png(chunk(b"tEXt", b"a\0b") * 100_000),
    "png of 2 billion rows": lambda: png_head(1, 2**31 - 1, 8, 0) + PNG_END,
    "png of 100,000 x 100,000": lambda: png_head(100_000, 100_000, 16, 6) + PNG_END,
    "png with a chunk of 1 GB, a hole": lambda: (
        png_head(1, 1, 8, 0) + struct.pack(">I", 1 << 30) + b"abCd",
        3 << 29,
    ),
    "png with packed texts": lambda: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27)))),
    "png whose EXIF overlaps": lambda: png(chunk(b"eXIf", tags(900_000))),
    "jpeg of 2,000 scans": lambda: scans(2_000),
    "jpeg of 400 scans": lambda: scans(400),
    "jpeg of 65,500 x 65,500": lambda: jpeg_of(65_500, 65_500),
    "jpeg progressive, 9,400 x 9,400": lambda: jpeg_of(9_400, 9_400, True),
    "jpeg of 500,000 segments": lambda: jpeg(segment(0xFE, b"") * 500_000),
    "jpeg after 20 MB of filling": lambda: jpeg(b"\xff" * 20_000_000),
    "jpeg after 20 MB of junk": lambda: jpeg(b"\x11" * 20_000_000),
    "jpeg of 200 MB of metadata": lambda: jpeg(segment(0xE5, bytes(65_000)) * 3_000),
    "jpeg whose EXIF overlaps": lambda: jpeg(exif_segments()),
    "gif of 65,535 x 65,535": gif,
    "gif of a frame larger than the screen": lambda: gif(screen=b"\1\0\1\0"),
    "gif of 2 million comments": lambda: gif(b"\1\0\1\0", b"!\xfe\1a\0" * 2_000_000, b"\1\0\1\0"),
    "gif of one comment of 100 MB": lambda: gif(
        b"\1\0\1\0", b"!\xfe" + (b"\xff" + b"a" * 255) * 400_000 + b"\0", b"\1\0\1\0"
    ),
    "bmp of 100,000 x 100,000": lambda: bmp(100_000, 100_000),
    "bmp of 100,000 x -100,000": lambda: bmp(100_000, -100_000),
    "bmp of run lengths": lambda: bmp(9_000, 9_000, compression=1),
    "bmp of run lengths, 4 bit": lambda: bmp(9_000, 9_000, 4, 2),
    "bmp of old": lambda: b"BM" + struct.pack("<IHHII", 26, 0, 0, 26, 12) + WIDE + b"\1\0\x18\0" + bytes(90),
    "tiff of 100,000 x 100,000": lambda: claimed_tiff(100_000, 100_000),
    "tiff of tags that overlap": lambda: tags(900_000),
    "tiff of a tag of 4 billion values": lambda: claimed_tiff(10, 10, (270, 2, 2**32 - 1, 8)),
    "tiff of a tile of 60,000 x 60,000": lambda: claimed_tiff(
        10, 10, (259, 3, 1, 8), (322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 8), (325, 4, 1, 9)
    ),
    "tiff of 2 million strips": lambda: (
        claimed_tiff(10, 8_000_000, (278, 4, 1, 1), (273, 4, 8_000_000, 200), (279, 4, 8_000_000, 200)),
        1 << 26,
    ),
    "pnm as text": lambda: b"P3 9000 9000 255\n" + b"1 2 3\n" * 3_000_000,
    "pnm of an unusual range": lambda: b"P5 9000 9000 100\n" + bytes(30_000_000),
    "pnm after a comment of 30 MB": lambda: b"P5 #" + b"a" * 30_000_000 + b"\n1 1 255\n\0",
    "pnm of 100,000 x 100,000": lambda: b"P6 100000 100000 255\n" + bytes(99),
    "an icon of a large PNG": lambda: icon(png_head(65_535, 65_535, 8, 6) + PNG_END),
    "an icon of a large bitmap": lambda: icon(bmp(65_535, 131_070, 32)[14:]),
    "a cursor": lambda: b"\0\0\2\0" + icon(bmp(65_535, 131_070, 32)[14:])[4:],
    "an Apple icon": lambda: b"icns" + struct.pack(">I", 2**31) + b"ic10" + struct.pack(">I", 2**31 - 8) + bytes(99),
    "Photoshop's": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3) + bytes(60),
    "Radiance": lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\n" + bytes(99),
    "TGA": lambda: b"\0\0\x0a\0\0\0\0\0\0\0\0\0" + WIDE + b"\x20\0" + bytes(99),
}
LIMIT = 400_000_000
READ = """
import json, resource, sys, time
from striate.errors import DataError
from striate.model.image import decode, decode_mask, header
from striate.model import image, limits, opening
for path in sys.stdin.read().splitlines():
    before, begun, said = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), []
    for door in (lambda p: decode(p, "RGB"), header, decode_mask)[:int(sys.argv[1])]:
        try:
            door(path)
            said.append("")
        except DataError as error:
            said.append(str(error))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([said, (peak - before) * 1024, time.process_time() - begun]), flush=True)
"""
# A process begins with the peak of the one that started it: a small one between this and the one that is measured.
BETWEEN = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', *sys.argv[1:]]).returncode)"


def measured(paths, doors=3):
    """For each file what was said, the bytes by which the peak of memory rose, and the processor's seconds."""
    names = "\n".join(map(str, paths))
    command = [sys.executable, "-W", "ignore", "-c", BETWEEN, READ, str(doors)]
    ran = subprocess.run(command, input=names, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux counts")
def test_hostile_files_cost_little(tmp_path):
    paths = []
    for i, make in enumerate(HOSTILE.values()):
        data = make()
        data, size = data if isinstance(data, tuple) else (data, len(data))
        paths.append(tmp_path / f"{i}.png")
        with paths[-1].open("wb") as file:
            file.write(data)
            file.truncate(size)
    found = dict(zip(HOSTILE, measured(paths), strict=True))
    assert {what: cost for what, (_, *cost) in found.items() if cost[0] > LIMIT or cost[1] > 15} == {}
    for what, (said, *_) in found.items():
        assert "\n" not in said[0], what
        assert said[0] or what == "png whose EXIF overlaps", what  # which is read as if it had none


ROWS = 9_400


def plain_png(depth, colour, channels, extra=b""):
    packer, row = zlib.compressobj(1), bytes(1 + ROWS * channels * depth // 8)
    data = b"".join(packer.compress(row) for _ in range(ROWS)) + packer.flush()
    return png_head(ROWS, ROWS, depth, colour) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def turn(orientation):
    return chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x112, 3, 1, orientation) + bytes(4))


LARGE = {  # and the bytes that Pillow stores for each pixel: what it is due
    "png rgba": (lambda: plain_png(8, 6, 4), 4),
    "png rgba, turned": (lambda: plain_png(8, 6, 4, turn(6)), 4),
    "png grey, 16 bit": (lambda: plain_png(16, 0, 1), 2),
    "png rgb": (lambda: plain_png(8, 2, 3), 4),
    "png grey with alpha": (lambda: plain_png(8, 4, 2, turn(3)), 4),
    "png palette with alpha": (lambda: plain_png(8, 3, 1, chunk(b"PLTE", bytes(3)) + chunk(b"tRNS", b"\0")), 1),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux counts")
@pytest.mark.parametrize("doors", [1, 3])
@pytest.mark.parametrize("what", LARGE)
def test_large_images_cost_what_their_pixels_are_due(tmp_path, what, doors):
    make, each = LARGE[what]
    (tmp_path / "a.png").write_bytes(make())
    [[said, peak, _]] = measured([tmp_path / "a.png"], doors)
    assert set(said) == {""}
    assert peak <= LIMIT + each * ROWS**2
