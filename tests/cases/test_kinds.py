"""Kinds of files and folders that work as they are, each with several cases: pixels and masks of every form."""

import numpy as np
import pytest
from PIL import Image
from test_layouts import SIDE, blob, build, counts, is_segmentation, message, photo
from test_tables_cases import pictures, written

from striate.datasets import open_data, read_part
from striate.datasets.doctor import doctor
from striate.datasets.show.items import sheet_contract
from striate.errors import DataError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def classes(root, make, name):
    """Two classes of four files each, made by ``make(i)`` as (image, options of saving)."""
    for k, c in enumerate("ab"):
        for i in range(4):
            (root / c).mkdir(parents=True, exist_ok=True)
            image, options = make(4 * k + i)
            image.save(root / c / name.format(i), **options)
    return open_data(root)


def of_mode(mode, i):
    return Image.fromarray(np.roll(RGB, i, 0)).convert(mode)


def with_alpha(mode):
    def make(i):
        image = of_mode("RGBA", i)
        image.putalpha(Image.new("L", image.size, 90 + i))
        return image.convert(mode), {}

    return make


def palette(i):
    image = Image.fromarray(np.roll(RGB[..., 0] % 4, i, 0).astype(np.uint8), "L").convert("P")
    return image, {"transparency": bytes([0, 90, 200])}


@pytest.mark.parametrize(
    ("make", "name", "mode"),
    [
        (with_alpha("RGBA"), "{}.png", "RGBA"), (with_alpha("LA"), "{}.png", "RGBA"),
        (with_alpha("RGBA"), "{}.webp", "RGBA"), (with_alpha("RGBA"), "{}.tif", "RGBA"), (palette, "{}.png", "RGBA"),
    ],
)  # fmt: skip
def test_alpha(tmp_path, make, name, mode):
    data = classes(tmp_path, make, name)
    assert (data.mode, sum(counts(data).values())) == (mode, 8)
    assert "have transparent pixels; alpha is the fourth channel" in data.notes[0]


@pytest.mark.parametrize("quality", [60, 75, 90, 100])
@pytest.mark.parametrize(("name", "format"), [("{}.jpg", "JPEG"), ("{}.tif", "TIFF")])
def test_cmyk(tmp_path, name, format, quality):
    options = {"quality": quality} if format == "JPEG" else {}
    data = classes(tmp_path, lambda i: (of_mode("CMYK", i), options), name)
    assert (data.mode, len(data.notes)) == ("RGB", 0)
    pixels = read_part(data.train, sheet_contract(data)).inputs[0].transpose(1, 2, 0)
    rolled = [np.roll(RGB, i, 0) for i in range(8)]
    assert min(np.abs(pixels.astype(int) - other).mean() for other in rolled) < (40 if format == "JPEG" else 3)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("{}.jpg", "WEBP"), ("{}.jpeg", "PNG"), ("{}.png", "JPEG"), ("{}.jpg", "BMP"), ("{}.png", "GIF"),
        ("{}.gif", "TIFF"),
    ],
)  # fmt: skip
def test_what_a_file_is_its_content_says(tmp_path, name, format):
    data = classes(tmp_path, lambda i: (of_mode("RGB", i), {"format": format}), name)
    assert (data.input, sum(counts(data).values())) == ((3, SIDE, SIDE), 8)
    assert len(read_part(data.train, sheet_contract(data)).names) == len(data.train)
    assert any(problem.kind == "wrong-suffix" for problem in doctor(tmp_path).problems)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".bmp", ".dib"])
def test_bmp(tmp_path, mode, suffix):
    data = classes(tmp_path, lambda i: (of_mode(mode, i), {"format": "BMP"}), "{}" + suffix)
    assert data.mode == {"1": "L", "L": "L"}.get(mode, "RGB")
    assert len(read_part(data.train, sheet_contract(data)).names) == len(data.train)


@pytest.mark.parametrize("left", [0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_named_and_skipped(tmp_path, left):
    data = classes(tmp_path, lambda i: (of_mode("RGB", i).resize((64, 64)), {"quality": 95}), "{}.jpg")
    first = data.train.files[0]
    content = first.read_bytes()
    first.write_bytes(content[: int(left * len(content))])
    read = read_part(data.train, sheet_contract(data))
    assert [name for name, _ in read.broken] == [str(first)]
    assert "damaged or cut short" in read.broken[0][1]


@pytest.mark.parametrize("name", ["猫 と 犬", "naïve ürün (1)", "Müll 🗑️", "кот", "a'b\"c", "100% [cat]", "-rf", "été"])
def test_names_in_any_script(tmp_path, name):
    build(tmp_path, f"{name}/{{0..4}}.png", "other/{0..4}.png")
    (tmp_path / name / "0.png").rename(tmp_path / name / f"{name} 0.png")
    data = open_data(tmp_path)
    assert {*data.classes} == {name, "other"}
    assert sum(counts(data).values()) == 10


@pytest.mark.parametrize("depth", ["person {}", "s{}/day {}", "{}", "2024-0{}", "p{}/left"])
def test_subjects_between_class_and_image(tmp_path, depth):
    for name in ("smile", "frown"):
        build(tmp_path, *(f"{name}/{depth.format(i, i)}/{name}{i}{{0..1}}.png" for i in range(1, 4)))
    data = open_data(tmp_path)
    assert (data.classes, sum(counts(data).values())) == (("frown", "smile"), 12)


# --------------------------------------------------------------------------------------------------------- masks
def pairs_of(root, save):
    for i in range(6):
        photo(root / "images" / f"{i}.png")
        (root / "masks").mkdir(exist_ok=True)
        save(i, root / "masks")
    return open_data(root)


@pytest.mark.parametrize(
    "values", [(0, 85, 170, 255), (10, 20), (0, 50, 100, 150), (0, 127, 254), (1, 2, 3), (0, 64), (38, 75, 113)]
)
def test_grey_values_of_any_number(tmp_path, values):
    data = pairs_of(tmp_path, lambda i, folder: blob(folder / f"{i}.png", values, seed=i))
    assert is_segmentation(data, tuple(map(str, values)), 6)
    assert data.mask_values == values


@pytest.mark.parametrize(
    "colours", [(0, 0xFF0000), (0, 0x00FF00, 0x0000FF), (0x112233, 0x445566), (0, 0xFFFFFF, 0x800000)]
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours(tmp_path, colours, mode):
    def save(i, folder):
        path = blob(folder / f"{i}.png", colours, seed=i, mode="RGB")
        Image.open(path).convert("RGBA" if mode == "RGBA" else "RGB").save(path)
        if mode == "P":
            Image.open(path).quantize(8).save(path)

    data = pairs_of(tmp_path, save)
    assert len(data.classes) == len(colours)
    assert mode == "P" or data.mask_values == tuple(sorted(colours))  # of a palette, its numbers


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif", ".pbm"])
def test_masks_of_one_bit(tmp_path, suffix):
    def save(i, folder):
        path = blob(folder / f"{i}.png", (0, 255), seed=i)
        image = Image.open(path).convert("1")
        path.unlink()
        image.save(path.with_suffix(suffix))

    data = pairs_of(tmp_path, save)
    assert (len(data.classes), sum(counts(data).values())) == (2, 6)


@pytest.mark.parametrize("value", [0, 1, 7, 128, 255])
def test_masks_of_one_value_are_refused_by_data_and_by_doctor(tmp_path, value):
    with pytest.raises(DataError, match=f"the masks contain only the value {value}; learning needs two classes"):
        pairs_of(tmp_path, lambda i, folder: blob(folder / f"{i}.png", (value,)))
    assert doctor(tmp_path).task == ""


# --------------------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize("suffix", [".txt", ".lst", ""])
@pytest.mark.parametrize("line", ["img/{}.png {}", "./img/{}.png {}", "img/{}.png\t{}"])
def test_lists_of_paths_and_classes(tmp_path, suffix, line):
    pictures(tmp_path / "img", [f"{i}.png" for i in range(16)])
    for name, of in {"train": range(10), "val": range(10, 14), "test": range(14, 16)}.items():
        (tmp_path / f"{name}{suffix}").write_text("".join(line.format(i, i % 2) + "\n" for i in of))
    data = open_data(tmp_path)
    assert (data.classes, counts(data)) == (("0", "1"), {"train": 10, "val": 4, "test": 2})


@pytest.mark.parametrize("between", [", ", ",  ", ",\t", " , ", ' ,"'])
def test_blanks_around_separators(tmp_path, between):
    pictures(tmp_path, [f"{i}.png" for i in range(8)])
    mark = '"' if between.endswith('"') else ""
    lines = [f"file{between}label{mark}", *(f"{i}.png{between}{'ab'[i % 2]}{mark}" for i in range(8))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    assert open_data(tmp_path / "t.csv").classes == ("a", "b")


@pytest.mark.parametrize("name", ["age", "weight_kg", "Preis", "bmi", "distance (m)", "count"])
def test_a_column_of_amounts(tmp_path, name):
    pictures(tmp_path, [f"{i}.png" for i in range(20)])
    data = open_data(written(tmp_path / "t.csv", [["file", name], *([f"{i}.png", 20 + i * 3 % 17] for i in range(20))]))
    assert (data.task, data.classes) == ("regression", (name,))


@pytest.mark.parametrize(
    ("x", "y", "shape", "classes"),
    [
        ("train_images", "train_labels", (9, 1), 3), ("x_train", "y_train", (9,), 3), ("images", "labels", (9,), 3),
        ("data", "targets", (9,), 3), ("X", "y", (9, 1), 3), ("arr_0", "arr_1", (9,), 3),
    ],
)  # fmt: skip
def test_names_of_arrays(tmp_path, x, y, shape, classes):
    images = RNG.integers(0, 256, (9, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", **{x: images, y: (np.arange(9) % classes).reshape(shape)})
    assert len(open_data(tmp_path / "a.npz").classes) == classes


@pytest.mark.parametrize("names", [("a", "b", "c"), ("rgb", "depth", "ir"), ("1", "2")])
def test_several_sets_in_one_folder_are_named(tmp_path, names):
    for i, name in enumerate(names):
        for k in range(5):
            photo(tmp_path / f"set {name}" / f"img {name}" / f"{k}.png", seed=i)
            blob(tmp_path / f"set {name}" / f"gt {name}" / f"{k}.png", seed=k)
    text = message(tmp_path)
    first = f"set {sorted(names)[0]}"
    assert f"{len(names)} sets of images and masks" in text
    assert text.endswith(f"name one of them, such as {str(tmp_path / first)!r}")
