"""What becomes of the items of every kind; how files are decoded at once, and kept, is tested beside this."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.datasets import Part, read_part
from striate.errors import DataError, RecipeError
from striate.model.contract import Contract
from striate.model.image import decode
from striate.model.placing import point_map
from striate.model.prepare import fit, fit_mask

CONTRACT = Contract(("cat", "dog"), (3, 6, 8), "RGB", (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def photos(tmp_path, picture):
    """Eight files, cats and dogs in turn, the i-th full of 10 i."""
    paths = tuple(picture(tmp_path / f"{i}.png", value=10 * i) for i in range(8))
    return Part(paths, np.arange(8) % 2, tuple(map(str, paths)))


def test_files_are_read_in_order(photos):
    done = []
    pixels = read_part(photos, CONTRACT, progress=lambda n, total: done.append((n, total)))
    assert pixels.inputs.shape == (8, 3, 6, 8)
    assert pixels.inputs[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
    assert pixels.broken == ()
    assert done[-1] == (8, 8)


def test_arrays_are_read_too():
    images = np.full((2, 6, 8), 7, np.uint8)
    pixels = read_part(Part(images, np.array([0, 1]), ("a", "b")), CONTRACT)
    assert pixels.inputs.shape == (2, 3, 6, 8)
    assert (pixels.inputs == 7).all()


def test_an_unreadable_image_among_good_ones_is_left_out_and_named(photos):
    photos.inputs[3].write_bytes(b"")
    photos.inputs[4].write_text("hello")
    pixels = read_part(photos, CONTRACT)
    assert pixels.inputs[:, 0, 0, 0].tolist() == [0, 10, 20, 50, 60, 70]
    assert pixels.targets.tolist() == [0, 1, 0, 1, 0, 1]
    assert [name[-5:] for name in pixels.names] == ["0.png", "1.png", "2.png", "5.png", "6.png", "7.png"]
    assert pixels.broken == (
        (photos.names[3], "the file is empty (0 bytes); copy it again or remove it"),
        (
            photos.names[4],
            "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it",
        ),
    )


def test_no_image_can_be_read(photos):
    for path in photos.inputs:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_part(photos, CONTRACT)
    assert str(caught.value) == (
        f"none of the 8 images can be read; the first is {photos.names[0]}: the file is empty (0 bytes); copy it "
        "again or remove it"
    )


def test_a_part_may_lack_a_class(photos):
    cats = photos.take([0, 2, 4])
    cats.inputs[0].unlink()
    assert len(read_part(cats, CONTRACT)) == 2


def test_a_file_without_permission(open_to_all, as_nobody, picture):
    paths = tuple(picture(open_to_all / f"{i}.png") for i in range(4))
    paths[2].chmod(0)
    with as_nobody():
        pixels = read_part(Part(paths, np.array([0, 1, 0, 1]), tuple("abcd")), CONTRACT)
    assert pixels.broken == (("c", "no permission to read it; change the file's permissions"),)


def test_an_interrupted_reading_stops_and_leaves_no_thread(photos):
    before = threading.active_count()

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_part(photos, CONTRACT, progress=interrupt)
    assert threading.active_count() == before


def test_one_broken_file_stops_it_if_asked_to(photos):
    photos.inputs[3].write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_part(photos, CONTRACT, on_broken="stop")
    assert str(caught.value) == (
        f"{photos.names[3]}: the file is empty (0 bytes); copy it again or remove it; or omit --strict "
        '(on_broken="skip") to skip it'
    )
    with pytest.raises(RecipeError, match="on_broken is 'stopp'; did you mean 'stop'"):
        read_part(photos, CONTRACT, on_broken="stopp")


def test_a_label_that_only_broken_files_have(photos):
    labels = np.zeros((8, 2), np.uint8)
    labels[:, 0], labels[5, 1] = 1, 1
    photos.inputs[5].write_bytes(b"")
    arrays = read_part(Part(photos.inputs, labels, photos.names), replace(CONTRACT, task="multilabel"))
    assert arrays.targets.tolist() == np.delete(labels, 5, 0).tolist()


def test_texts_become_word_numbers():
    contract = Contract(("good", "bad"), (4,), "text", (), (), vocabulary=("a", "film"))
    arrays = read_part(Part(("a good film", "film"), np.array([0, 1]), ("line 1", "line 2")), contract)
    assert arrays.inputs.tolist() == [[2, 1, 3, 0], [3, 0, 0, 0]]
    assert arrays.names == ("line 1", "line 2")


def test_values_stay_as_they_are():
    values = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    contract = Contract(("a", "b"), (3, 5), "values", (0.0,) * 3, (1.0,) * 3)
    part = Part(values, np.array([0, 1]), ("x", "y"))
    assert read_part(part, contract).inputs is values
    with pytest.raises(DataError, match="x: the values have the shape 3x5, the model takes 3x4"):
        read_part(part, replace(contract, input=(3, 4)))


@pytest.mark.parametrize(
    ("inputs", "contract", "fault"),
    [
        (("a text",), CONTRACT, "a: the data are texts, but the model takes images; give it those"),
        (np.zeros((1, 6, 8, 3), np.float32), CONTRACT, "a: the data are values, but the model takes images"),
        (
            np.zeros((1, 6, 8), np.uint8),
            Contract(("a", "b"), (4,), "text", (), (), vocabulary=("x",)),
            "a: the data are images, but the model takes texts",
        ),
    ],
)
def test_a_contract_for_other_items(inputs, contract, fault):
    with pytest.raises(DataError, match=fault):
        read_part(Part(inputs, np.array([0]), ("a",)), contract)


SEGMENTATION = replace(CONTRACT, task="segmentation", mask_values=(0, 200))


@pytest.fixture
def masked(tmp_path):
    """Three images of noise with mask files of 0, 200 and 7."""
    rng, images, masks = np.random.default_rng(0), [], []
    for i in range(3):
        images.append(tmp_path / f"{i}.png")
        masks.append(tmp_path / f"{i}_mask.png")
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(images[i])
        Image.fromarray(rng.choice(np.array([0, 7, 200], np.uint8), (12, 16))).save(masks[i])
    return Part(tuple(images), tuple(masks), tuple("abc"))


def test_mask_files_go_the_way_of_their_images(masked):
    arrays = read_part(masked, SEGMENTATION)
    for path, mask, x, y in zip(masked.inputs, masked.targets, arrays.inputs, arrays.targets, strict=True):
        assert (x == fit(Image.open(path), SEGMENTATION)).all()
        assert (y == fit_mask(np.asarray(Image.open(mask)), SEGMENTATION)).all()
    assert sorted(np.unique(arrays.targets)) == [0, 1, 255]


def test_an_item_is_broken_where_its_image_or_its_mask_is(masked):
    masked.inputs[0].write_bytes(b"")
    masked.targets[1].write_text("hello")
    arrays = read_part(masked, SEGMENTATION)
    assert arrays.names == ("c",)
    assert len(arrays.inputs) == len(arrays.targets) == 1
    assert arrays.broken[0] == ("a", "the file is empty (0 bytes); copy it again or remove it")
    assert arrays.broken[1][0] == "b"
    assert arrays.broken[1][1].startswith(f"its mask {masked.targets[1]}: not an image that can be read")
    assert (arrays.targets[0] == fit_mask(np.asarray(Image.open(masked.targets[2])), SEGMENTATION)).all()


def test_masks_of_the_inputs_size_are_scaled_too_where_the_images_are():
    contract = Contract(
        ("sky", "sea"), (1, 4, 4), "L", (0.5,), (0.5,), "crop", task="segmentation", mask_values=(0, 1), scale_to=8
    )
    mask = np.zeros((1, 4, 4), np.uint8)
    mask[0, 0, 0] = mask[0, 2, 2] = 1  # of which the middle sees the second, twice as large
    arrays = read_part(Part(mask * 255, mask, ("a",)), replace(contract, interpolation="nearest"))
    assert arrays.targets.sum() == 4
    assert (arrays.inputs[:, 0] == arrays.targets * 255).all()


def test_masks_from_arrays_are_resized_by_the_nearest_pixel():
    contract = Contract(
        ("sky", "sea"), (1, 2, 4), "L", (0.5,), (0.5,), task="segmentation", mask_values=(0, 1), resize="fit"
    )
    masks = np.array([[[0, 0, 1, 1]] * 4, [[1, 1, 255, 255]] * 4], np.uint8)
    part = Part(np.zeros((2, 4, 4), np.uint8), masks, ("a", "b"))
    ignored, sea, sky = 255, 1, 0
    assert read_part(part, contract).targets.tolist() == [
        [[ignored, sky, sea, ignored]] * 2,
        [[ignored, sea, ignored, ignored]] * 2,
    ]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3),
    st.sampled_from(["stretch", "fit", "crop"]),
)
def test_positions_become_shares_of_the_input(tmp_path_factory, sizes, resize):
    """By the definition, item by item; the third value is no position and stays."""
    folder = tmp_path_factory.mktemp("positions")
    contract = replace(
        CONTRACT, classes=("y", "age", "x"), task="regression", positions=((2, 0),), resize=resize,
        target_mean=(0.0,) * 3, target_std=(1.0,) * 3,
    )  # fmt: skip
    paths = tuple(folder / f"{i}.png" for i in range(len(sizes)))
    for path, size in zip(paths, sizes, strict=True):
        Image.new("RGB", size).save(path)
    targets = np.arange(3 * len(sizes), dtype=np.float32).reshape(-1, 3)
    arrays = read_part(Part(paths, targets, tuple(map(str, paths))), contract)
    for size, (y, age, x), got in zip(sizes, targets, arrays.targets, strict=True):
        scale_x, scale_y, left, top = point_map(size, contract)
        assert np.allclose(got, [(y * scale_y + top) / 6, age, (x * scale_x + left) / 8], rtol=1e-5, atol=1e-6)


def test_positions_in_a_photo_that_lies_on_its_side(tmp_path):
    """A corner stays that corner: the stored image is 40x20, upright it is 20x40."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    contract = replace(
        CONTRACT, classes=("x", "y"), task="regression", positions=((0, 1),), target_mean=(0.0,) * 2,
        target_std=(1.0,) * 2,
    )  # fmt: skip
    part = Part((tmp_path / "a.jpg",), np.array([[20, 40]], np.float32), ("a",))
    assert read_part(part, contract).targets.tolist() == [[1, 1]]
    array = Part(np.zeros((1, 40, 20, 3), np.uint8), part.targets, ("a",))
    assert read_part(array, contract).targets.tolist() == [[1, 1]]


@pytest.mark.parametrize("helpers", [1, 2, 5])
@pytest.mark.parametrize("fork", [True, False], ids=["processes", "threads"])
def test_the_same_bits_in_the_same_order_whatever_decodes_them(tmp_path, monkeypatch, helpers, fork):
    rng, paths = np.random.default_rng(0), tuple(tmp_path / f"{i}.png" for i in range(100))
    for i, path in enumerate(paths):
        Image.fromarray(rng.integers(0, 256, (5 + i % 7, 9, 3), dtype=np.uint8)).save(path)
    paths[3].write_bytes(b"")
    paths[99].write_bytes(paths[98].read_bytes()[:100])
    monkeypatch.setattr("striate.datasets.store.workers.worker_count", lambda: helpers)
    monkeypatch.setattr(
        "striate.datasets.store.workers._fork_pays", lambda n: fork and hasattr(__import__("os"), "fork")
    )
    arrays = read_part(Part(paths, np.arange(100) % 2, tuple(map(str, paths))), CONTRACT)
    assert [name for name, _ in arrays.broken] == [str(paths[3]), str(paths[99])]
    good = [path for path in paths if path not in (paths[3], paths[99])]
    assert arrays.names == tuple(map(str, good))
    assert arrays.targets.tolist() == [i % 2 for i in range(100) if i not in (3, 99)]
    assert (arrays.inputs == np.stack([fit(decode(path, "RGB"), CONTRACT) for path in good])).all()


def test_a_part_without_items():
    assert read_part(Part((), np.zeros(0, np.int64), ()), CONTRACT).inputs.shape == (0, 3, 6, 8)
