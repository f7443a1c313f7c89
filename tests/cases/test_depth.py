"""More than 8 bits, floating point and several pages: kept, said or refused before a run."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from striate import evaluate, load, train
from striate.datasets import open_data, read_part
from striate.datasets.show.items import sheet_contract
from striate.errors import DataError, RecipeError
from striate.model.prepare import fit, prepared


def folders(root, make, suffix=".tif", n=4):
    for c in ("a", "b"):
        for i in range(n):
            path = root / c / f"{i}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path, i)
            if suffix == ".tif":  # or files of the same pixels were copies
                path.write_bytes(path.read_bytes() + f"{c}{i}".encode())
    return root


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_bits_that_would_be_lost_are_said(tmp_path, bits, suffix):
    def make(path, i):
        pixels = np.full((6, 6), i, np.uint16)
        pixels[0, 0] = 2**bits - 1
        Image.fromarray(pixels).save(path)

    notes = open_data(folders(tmp_path, make, suffix)).notes
    (note,) = [n for n in notes if f"use {bits} of them (up to {2**bits - 1:,})" in n]
    command = f"--range 0:{2**bits - 1}"
    assert f"with {command} 256 are" in note
    data = open_data(tmp_path, value_range=command.split()[1])
    assert data.notes == (f"values from 0 to {2**bits - 1} become 0 to 255 (of a sample: 0 to {2**bits - 1})",)
    assert data.value_range == (0, 2**bits - 1)


@pytest.mark.parametrize("high", [32_768, 40_000, 50_000, 65_000, 65_535])
def test_all_16_bits(tmp_path, high):
    notes = open_data(
        folders(tmp_path, lambda p, i: Image.fromarray(np.full((6, 6), high - i, np.uint16)).save(p))
    ).notes
    assert high == 32_768 or notes == ("the images have 16 bits: 0 to 65,535 become 0 to 255",)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (-1000, 3000), (0.25, 0.5)])
def test_floating_point_is_refused_before_a_run(tmp_path, low, high):
    def make(path, i):
        Image.fromarray(np.linspace(low, high, 36, dtype=np.float32).reshape(6, 6)).save(path)

    folders(tmp_path, make)
    with pytest.raises(
        DataError, match=f"floating point .of a sample, {low:g} to {high:g}., and their range is unknown"
    ) as caught:
        open_data(tmp_path)
    words = str(caught.value).split()
    data = open_data(tmp_path, value_range=words[words.index("--range") + 1].rstrip(","))
    assert data.value_range == (low, high)
    pixels = read_part(data.train, sheet_contract(data)).inputs[0].ravel()
    assert pixels.tolist() == np.rint(np.linspace(0, 255, 36)).astype(int).tolist()


@pytest.mark.parametrize("pages", [2, 3, 5, 8, 12])
def test_pages(tmp_path, pages):
    def make(path, i):
        first, *others = (Image.new("RGB", (6, 6), (n * 9, i, 0)) for n in range(pages))
        first.save(path, save_all=True, append_images=others)

    data = open_data(folders(tmp_path, make))
    assert data.notes == (f"TIFF files have up to {pages} pages; the first of each is read",)


def test_a_range_is_the_models_own(tmp_path):
    """Trained, resumed, measured and asked with files and with arrays, the values mean the same."""

    def make(path, i):
        pixels = np.random.default_rng(i).integers(0, 1000, (8, 8), np.uint16)
        Image.fromarray(pixels + 3000 * (path.parent.name == "b")).save(path)

    data = folders(tmp_path / "d", make, n=12)
    options = {"epochs": 1, "batch_size": 4, "quiet": True, "out": tmp_path / "run"}
    model = train("flatten; linear 2", data, range="0:4095", **options)
    assert model.contract.value_range == (0, 4095)
    file = data / "b" / "3.tif"
    values = np.asarray(Image.open(file))
    expected = np.rint(values * (255 / 4095))
    assert (prepared(file, model.contract)[0] == expected).all()
    assert (fit(Image.open(file), model.contract)[0] == expected).all()
    by_file, by_array, by_floats = (model.predict(x)[0].probability for x in (file, values, values.astype(float)))
    assert by_file == by_array == by_floats
    assert evaluate(tmp_path / "run", data).n >= 2  # no option: the model knows
    again = train(None, data, resume=True, **options | {"epochs": 2})
    assert again.contract.value_range == (0, 4095)
    assert load(tmp_path / "run").contract == again.contract


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("4095", "expected LOW:HIGH"), ("5:1", "expected LOW:HIGH"), ("a:b", "expected LOW:HIGH"),
        ("0:inf", "expected LOW:HIGH"), ((1, 2, 3), "expected LOW:HIGH"), (7, "expected LOW:HIGH"),
    ],
)  # fmt: skip
def test_a_range_that_is_none(tmp_path, value, words):
    with pytest.raises(RecipeError, match=words):
        open_data(tmp_path, value_range=value)


def test_a_range_of_data_that_have_none(tmp_path):
    with pytest.raises(DataError, match="--range is for image files; this data set is built in"):
        open_data("digits", value_range="0:16")
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9) % 3)
    with pytest.raises(DataError, match="--range is for image files, and these are none; omit it"):
        open_data(tmp_path / "a.npz", value_range="0:16")
    data = folders(tmp_path / "d", lambda p, i: Image.new("L", (6, 6), i).save(p), ".png")
    assert open_data(data, value_range="0:16").notes == ("the images have 8 bits: --range changes nothing",)


@pytest.mark.parametrize("value_range", ["0:100", "50:300", "-5:5000", "0:4095", "1:2"])
def test_what_is_beyond_the_range_is_cut_off_and_said(tmp_path, value_range):
    def make(path, i):
        Image.fromarray(np.linspace(0, 1000, 36).reshape(6, 6).astype(np.uint16) + i).save(path)

    low, high = map(float, value_range.split(":"))
    data = open_data(folders(tmp_path, make), value_range=value_range)
    assert ("what is beyond is cut off" in data.notes[0]) == (low > 0 or high < 1003)
    pixels = read_part(data.train, sheet_contract(data)).inputs
    assert pixels.min() == round(max(0, -low / (high - low) * 255))
    assert pixels.max() == (255 if high < 1000 else round((max(i for i in range(4)) + 1000 - low) / (high - low) * 255))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_16_bits_lose_the_lower_ones_and_that_is_said(tmp_path, mode):
    """Pillow writes none: one is put together from its chunks."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def make(path, i):
        n = len(mode)
        rows = b"".join(b"\0" + bytes([200, i] * 6 * n) for _ in range(6))
        head = struct.pack(">IIBBBBB", 6, 6, 16, {3: 2, 4: 6}[n], 0, 0, 0)
        content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)

    notes = open_data(folders(tmp_path, make, ".png")).notes
    assert any("8 images of a sample of 8 have 16 bits a colour: the upper 8 are kept" in note for note in notes)


def test_a_side_of_16_pixels_is_no_depth_of_16_bits(tmp_path):
    def make(path, i):
        Image.new("RGB", (16, 116), (i, 0, 0)).save(path)

    assert not any("16 bits" in note for note in open_data(folders(tmp_path, make, ".png")).notes)


# ------------------------------------------------------------------------------------------------ other packages
def dicom(path, values, **tags):
    """A small DICOM file of *values*."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    frames = values.shape[0] if values.ndim == 3 else 1
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * values.itemsize
    data.HighBit, data.PixelRepresentation = 8 * values.itemsize - 1, int(values.dtype.kind == "i")
    if frames > 1:
        data.NumberOfFrames = frames
    data.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert pydicom
    data.save_as(path, enforce_file_format=True)
    return path


RAMP = np.arange(64).reshape(8, 8)


@pytest.mark.parametrize(
    ("values", "tags", "pixels"),
    [
        (RAMP.astype(np.uint8) * 4, {}, RAMP * 4),
        ((RAMP * 65).astype(np.uint16), {"BitsStored": 12, "HighBit": 11}, np.rint(RAMP * 65 / 257)),
        ((RAMP * 1040).astype(np.uint16), {}, np.rint(RAMP * 1040 / 257)),
        (RAMP.astype(np.uint8) * 4, {"PhotometricInterpretation": "MONOCHROME1"}, 252 - RAMP * 4),
        (np.stack([RAMP * 2, RAMP * 3]).astype(np.uint8), {}, RAMP * 2),
    ],
)
def test_dicom(tmp_path, values, tags, pixels):
    data = open_data(folders(tmp_path, lambda path, i: dicom(path, values, **tags), ".dcm"))
    assert (data.mode, data.classes, data.input) == ("L", ("a", "b"), (1, 8, 8))
    assert (read_part(data.train, sheet_contract(data)).inputs[0, 0] == pixels).all()
    assert any("2 pages" in note for note in data.notes) == (values.ndim == 3)


def test_hounsfield_units_need_a_range(tmp_path):
    raw = (RAMP * 30).astype(np.uint16)
    tags = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    folders(tmp_path, lambda path, i: dicom(path, raw, **tags), ".dcm")
    with pytest.raises(
        DataError, match=r"of a sample, -1024 to 866., and their range is unknown; add --range -1024:866"
    ):
        open_data(tmp_path)
    data = open_data(tmp_path, value_range="-160:240")
    expected = np.rint(np.clip((RAMP * 30 - 1024 + 160) / 400, 0, 1) * 255)
    assert (read_part(data.train, sheet_contract(data)).inputs[0, 0] == expected).all()


@pytest.mark.parametrize(("package", "suffix"), [("pydicom", ".dcm"), ("tifffile", ".tif")])
def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, package, suffix):
    folders(tmp_path, lambda path, i: path.write_bytes(b"II*\0" + bytes(200)), suffix)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=f"needs the package {package}; pip install {package}, or "):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("values", "value_range"),
    [
        (np.stack([RAMP, RAMP]).astype(np.float64), "0:63"), (RAMP.astype(np.float16), "0:63"),
        (RAMP.astype(np.int64), "0:63"), (RAMP.astype(np.int16) - 20, "-20:43"), (RAMP.astype(np.uint32), "0:63"),
        (RAMP.astype(np.float64) / 63, "0:1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("big", [False, True])
def test_tiff_that_pillow_does_not_know(tmp_path, values, value_range, big):
    tifffile = pytest.importorskip("tifffile")

    def make(path, i):
        tifffile.imwrite(path, values, bigtiff=big, photometric="minisblack")

    data = open_data(folders(tmp_path, make), value_range=value_range)
    assert data.input == (1, 8, 8)
    assert (read_part(data.train, sheet_contract(data)).inputs[0, 0] == np.rint(RAMP / 63 * 255)).all()


def test_damaged_dicom_is_named(tmp_path):
    pytest.importorskip("pydicom")
    folders(tmp_path, lambda path, i: path.write_bytes(b"no medicine" * 30), ".dcm")
    with pytest.raises(DataError, match=r"none of a sample of 8 images can be read; the first: .*damaged or cut short"):
        open_data(tmp_path)
