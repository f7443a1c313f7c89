from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.datasets.sources.folders import open_folders
from striate.errors import DataError


def message(folder):
    with pytest.raises(DataError) as caught:
        open_folders(folder)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_flat(tmp_path, class_folders):
    data = open_folders(class_folders(tmp_path / "pets", dog=2, cat=3))
    assert (data.name, data.classes, data.mode, data.input) == ("pets", ("cat", "dog"), "RGB", (3, 6, 8))
    assert data.train.targets.tolist() == [0, 0, 0, 1, 1]
    assert [path.name for path in data.train.inputs] == ["0.png", "1.png", "2.png", "0.png", "1.png"]
    assert data.train.names[3] == str(tmp_path / "pets" / "dog" / "0.png")
    assert data.val is None
    assert data.test is None


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_parts(tmp_path, class_folders, val):
    for part in ("train", val, "test"):
        class_folders(tmp_path / part, cat=1, dog=2)
    data = open_folders(tmp_path)
    assert [part.targets.tolist() for part in (data.train, data.val, data.test)] == [[0, 1, 1]] * 3
    assert all(path.is_relative_to(tmp_path / val) for path in data.val.inputs)


def test_a_part_that_lacks_a_class_keeps_the_numbering_of_training(tmp_path, class_folders):
    class_folders(tmp_path / "train", ant=1, bee=1, cat=1)
    class_folders(tmp_path / "val", cat=2)
    class_folders(tmp_path / "test", bee=1, cat=1)
    data = open_folders(tmp_path)
    assert data.val.targets.tolist() == [2, 2]
    assert data.test.targets.tolist() == [1, 2]


def test_hidden_folders_and_files_that_are_no_images_are_passed_over(tmp_path, class_folders, picture):
    class_folders(tmp_path, cat=1, dog=1)
    class_folders(tmp_path, **{".ipynb_checkpoints": 1, "__MACOSX": 1})
    class_folders(tmp_path / "cat", **{".ipynb_checkpoints": 1, "kittens": 1})
    picture(tmp_path / "cat" / "BIG.PNG")
    picture(tmp_path / "stray.png")
    for name in ("notes.txt", "Thumbs.db", "._0.png"):
        (tmp_path / "dog" / name).write_bytes(b"?")
    data = open_folders(tmp_path)
    assert data.classes == ("cat", "dog")
    names = [path.relative_to(tmp_path).as_posix() for path in data.train.inputs]
    assert names == ["cat/0.png", "cat/BIG.PNG", "cat/kittens/0.png", "dog/0.png"]


def test_a_class_of_trains(tmp_path, class_folders):
    assert open_folders(class_folders(tmp_path, bus=1, car=1, train=1)).classes == ("bus", "car", "train")


def test_names_that_are_not_ascii(tmp_path, class_folders):
    assert open_folders(class_folders(tmp_path, 犬=1, kočka=1)).classes == ("kočka", "犬")


def test_grey_only_where_every_image_is(tmp_path, picture):
    picture(tmp_path / "a" / "0.png", mode="L")
    picture(tmp_path / "b" / "0.png", mode="L")
    assert open_folders(tmp_path).mode == "L"
    picture(tmp_path / "b" / "1.png", mode="RGB")
    assert open_folders(tmp_path).mode == "RGB"


def test_the_typical_size_is_the_median_of_the_upright_images(tmp_path, picture):
    for i, size in enumerate([(10, 20), (30, 40), (500, 600)]):
        picture(tmp_path / "a" / f"{i}.png", size=size)
    picture(tmp_path / "b" / "0.png", size=(30, 40))
    turned = Image.Exif()
    turned[0x0112] = 6
    for i in range(3):
        Image.new("RGB", (40, 30)).save(tmp_path / "b" / f"{i}.jpg", exif=turned)
    (tmp_path / "b" / "broken.png").write_bytes(b"")
    assert open_folders(tmp_path).input == (3, 40, 30)


@pytest.fixture
def clear(tmp_path):
    """``clear(name, alpha)`` writes an image whose first pixel has that alpha (255: opaque)."""

    def write(name, alpha, mode="RGBA"):
        image = Image.new("RGBA", (4, 4), (9, 99, 199, 255)).convert(mode)
        image.putpixel((0, 0), (9, alpha) if mode == "LA" else (9, 99, 199, alpha))
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        image.save(path)

    return write


@pytest.mark.parametrize(
    ("alphas", "mode", "notes"),
    [
        ((255, 255, 255), "RGB", ()),
        ((255, 255, 254), "RGB", ("about 33% of the images have transparent pixels; they become black",)),
        ((255, 0, 9), "RGBA", ("about 67% of the images have transparent pixels; alpha is the fourth channel",)),
    ],
)
def test_alpha_only_where_most_images_use_it(tmp_path, clear, alphas, mode, notes):
    for i, alpha in enumerate(alphas):
        clear(f"{'ab'[i % 2]}/{i}.png", alpha)
    data = open_folders(tmp_path)
    assert (data.mode, data.input) == (mode, (len(mode), 4, 4))
    assert data.notes == notes


def test_alpha_of_grey_and_of_palettes(tmp_path, clear):
    for name in ("a/0.png", "b/0.png"):
        clear(name, 255, "LA")
    assert open_folders(tmp_path).mode == "L"
    for name in ("a/0.png", "b/0.png"):
        clear(name, 7, "LA")
    assert open_folders(tmp_path).mode == "RGBA"
    for name in ("a/0.gif", "b/0.gif", "a/1.gif"):
        Image.new("P", (4, 4), 3).save(tmp_path / name, transparency=3)
    for name in ("a/0.png", "b/0.png"):
        (tmp_path / name).unlink()
    assert open_folders(tmp_path).mode == "RGBA"


def test_what_was_passed_over_is_noted(tmp_path, class_folders, picture):
    class_folders(tmp_path / "pets", cat=2, dog=2, **{"Cat ": 1})
    class_folders(tmp_path / "pets" / "cat", **{".ipynb_checkpoints": 2})
    class_folders(tmp_path / "pets", **{"__MACOSX": 1, ".git": 0})
    picture(tmp_path / "pets" / "stray.png")
    for name in ("cat/notes.txt", "cat/more.TXT", "dog/README", "dog/IMG_1.HEIC", ".DS_Store", "dog/._0.png"):
        (tmp_path / "pets" / name).write_bytes(b"?")
    assert open_folders(tmp_path / "pets").notes == (
        "the classes 'Cat ', 'cat' differ only in capitals or spaces; give them one name if they are one class",
        "1 image directly in pets/ skipped, because they have no class",
        "3 images in hidden folders skipped: __MACOSX/, cat/.ipynb_checkpoints/",
        "skipped 4 files that are no images (.txt, .heic, README)",
    )


def test_what_lies_beside_the_parts_is_noted(tmp_path, class_folders):
    for part in ("train", "test"):
        class_folders(tmp_path / part, cat=1, dog=1)
    assert open_folders(tmp_path).notes == ()
    class_folders(tmp_path / "extra", cat=1)
    class_folders(tmp_path / "more", cat=1)
    assert open_folders(tmp_path).notes == ("extra/ and more/ beside the splits skipped",)


def test_photos_of_a_phone_that_cannot_be_read(tmp_path):
    for i in range(2):
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / "cat" / f"{i}.heic").write_bytes(b"?")
    assert "; skipped 2 files that are no images (.heic); arrange the images" in message(tmp_path)


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path, class_folders):
    folders = class_folders(tmp_path, **{str(i): 1 for i in range(11)})
    assert open_folders(folders).classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")


def test_very_long_paths(tmp_path, picture):
    deep = Path(*["kočka " * 20] * 8)
    for name in ("cat", "d" * 200):
        picture(tmp_path / name / deep / "0.png")
    data = open_folders(tmp_path)
    assert min(len(name.encode()) for name in data.train.names) > 1000
    assert data.input == (3, 6, 8)


def test_links_to_folders_are_followed_in_no_circle(tmp_path, class_folders):
    class_folders(tmp_path / "far", deep=2, cat=1)
    root = class_folders(tmp_path / "pets", cat=1, dog=1)
    (root / "dog" / "more").symlink_to(tmp_path / "far" / "deep")
    (root / "dog" / "more again").symlink_to(tmp_path / "far" / "deep")
    (root / "dog" / "round").symlink_to(root / "dog")
    (tmp_path / "far" / "deep" / "up").symlink_to(tmp_path / "far")
    (root / "cat" / "gone").symlink_to(tmp_path / "nowhere")
    (root / "emu").symlink_to(tmp_path / "far" / "cat")
    data = open_folders(root)
    assert data.classes == ("cat", "dog", "emu")
    names = [path.relative_to(root).as_posix() for path in data.train.inputs]
    assert names == [
        "cat/0.png", "dog/0.png", "dog/more/0.png", "dog/more/1.png", "dog/more/up/cat/0.png", "emu/0.png",
    ]  # fmt: skip


def test_images_directly_in_the_folder(tmp_path, picture):
    picture(tmp_path / "0.png")
    picture(tmp_path / "1.png")
    assert message(tmp_path) == (
        "FOLDER: 2 images directly in it, which have no class; arrange the images as FOLDER/CLASS/IMAGE, one "
        "folder for each class"
    )


def test_parts_without_class_folders(tmp_path, class_folders):
    class_folders(tmp_path, train=3, test=2)
    assert message(tmp_path) == (
        "FOLDER: no class folders in test/ and train/; arrange the images as train/CLASS/IMAGE"
    )
    class_folders(tmp_path / "train", cat=1, dog=1)
    assert open_folders(tmp_path).notes == (
        "test/ has 2 images and no class folders: not trained or measured on; predict them with striate predict MODEL "
        f"{tmp_path}/test",
        "3 images directly in train/ skipped, because they have no class",
    )


def test_no_images(tmp_path):
    assert message(tmp_path).startswith("FOLDER: no images in it (.jpg, .png, ...); ")
    (tmp_path / "cat").mkdir()
    assert message(tmp_path).endswith("; arrange the images as FOLDER/CLASS/IMAGE, one folder for each class")


def test_one_class(tmp_path, class_folders):
    class_folders(tmp_path, cat=3)
    assert message(tmp_path) == "FOLDER: only one class folder, 'cat'; learning needs two or more classes"


def test_an_empty_class(tmp_path, class_folders):
    class_folders(tmp_path, cat=3, dog=1, emu=0, fox=0)
    assert message(tmp_path) == "FOLDER: no images in the class folder(s) 'emu', 'fox'; fill or remove them"


def test_a_class_that_training_lacks(tmp_path, class_folders):
    class_folders(tmp_path / "train", cat=1, dog=1)
    class_folders(tmp_path / "val", bird=1, cat=1, emu=1)
    assert message(tmp_path) == (
        "FOLDER/val: class folder(s) that the training split lacks: 'bird', 'emu'; rename or remove them (it has "
        "'cat', 'dog')"
    )


def test_an_empty_part(tmp_path, class_folders):
    class_folders(tmp_path / "train", cat=1, dog=1)
    class_folders(tmp_path / "test", cat=0, dog=0)
    assert message(tmp_path) == "FOLDER/test: no images in its class folders; fill or remove it"


def test_no_training_part_or_two_of_one(tmp_path, class_folders):
    class_folders(tmp_path / "test", cat=1, dog=1)
    assert message(tmp_path) == "FOLDER: there is test/, but no train/ beside it to learn from"
    for part in ("train", "val", "valid"):
        class_folders(tmp_path / part, cat=1, dog=1)
    assert message(tmp_path) == "FOLDER: both val/ and valid/ look like the val split; keep one"


def test_no_image_is_one(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"")
    assert message(tmp_path) == (
        "FOLDER: none of a sample of 2 images can be read; the first: FOLDER/cat/0.png: the file is empty "
        "(0 bytes); copy it again or remove it"
    )


def test_a_class_folder_without_permission(open_to_all, as_nobody, class_folders):
    class_folders(open_to_all, cat=1, dog=1)
    (open_to_all / "cat").chmod(0)
    with as_nobody():
        text = message(open_to_all)
    assert text == "FOLDER/cat: no permission to read this folder; change its permissions"


def test_targets_are_int64(tmp_path, class_folders):
    assert open_folders(class_folders(tmp_path, a=1, b=1)).train.targets.dtype == np.int64


def test_a_class_of_photos_in_a_format_that_is_not_read(tmp_path, class_folders):
    class_folders(tmp_path, cat=2, dog=2)
    (tmp_path / "cow").mkdir()
    (tmp_path / "cow" / "IMG_1.HEIC").write_bytes(b"?")
    found = message(tmp_path)
    assert "no images in the class folder(s) 'cow'; in cow: skipped 1 file that is no image (.heic)" in found


def test_a_share_too_small_to_round_is_said_as_such(tmp_path, class_folders, clear):
    class_folders(tmp_path, cat=120, dog=120)
    clear("cat/z.png", 9)
    assert open_folders(tmp_path).notes == ("less than 1% of the images have transparent pixels; they become black",)


def test_eval_beside_test_is_the_validation_split(tmp_path, class_folders):
    for split, n in (("train", 3), ("eval", 2), ("test", 1)):
        class_folders(tmp_path / split, cat=n, dog=n)
    data = open_folders(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (6, 4, 2)
    class_folders(tmp_path / "validation", cat=1, dog=1)
    assert message(tmp_path) == "FOLDER: both eval/ and test/ look like the test split; keep one"


def test_splits_inside_the_class_folders(tmp_path, class_folders):
    for name, n in (("cat", 3), ("dog", 2)):
        class_folders(tmp_path / name, train=n, test=1)
    data = open_folders(tmp_path)
    assert (data.classes, data.val) == (("cat", "dog"), None)
    assert data.train.targets.tolist() == [0, 0, 0, 1, 1]
    assert {path.parent.name for path in data.test.inputs} == {"test"}
    assert "the splits are in the class folders: cat/train/ and so on" in data.notes
    class_folders(tmp_path / "dog", others=1)  # now the folders say something else
    assert len(open_folders(tmp_path).train) == 8


@pytest.mark.parametrize(
    ("name", "way"), [("cat/1.wav", "save each item as an array, CLASS/ITEM.npy"), ("a.zip", "unpack")]
)
def test_a_folder_of_other_things_says_the_way_out(tmp_path, name, way):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert message(tmp_path).startswith("FOLDER: no images in it (.jpg, .png, ...); skipped 1 file that is no image (")
    assert way in message(tmp_path)


def test_a_list_of_labels_without_files_is_named(tmp_path, class_folders):
    class_folders(tmp_path, images=3)
    (tmp_path / "labels.txt").write_text("0\n1\n0\n")
    assert message(tmp_path).endswith(
        "labels.txt beside it does not say which file has which class: a table with the header file,label does"
    )


def test_a_link_to_the_whole_brings_no_other_class_in(tmp_path, class_folders):
    class_folders(tmp_path, cat=3, dog=2)
    (tmp_path / "cat" / "all").symlink_to(tmp_path)
    assert open_folders(tmp_path).train.targets.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("names", [["fold1", "fold2", "fold3", "fold4", "fold5"], ["fold_0", "fold_1"]])
def test_folds_are_no_classes(tmp_path, class_folders, names):
    for name in names:
        class_folders(tmp_path / name, cat=4, dog=4)
    for i, path in enumerate(sorted(tmp_path.rglob("*.png"))):  # copies would stay together
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (6, 8, 3), np.uint8)).save(path)
    data = open_data(tmp_path)
    assert (data.classes, len(data.train) + len(data.test)) == (("cat", "dog"), 8 * len(names))
    assert "are folds of the same classes" in data.notes[0]
    kept = [{file.parts[-3] for file in part.files} for part in data.parts.values()]
    assert (not set.intersection(*kept)) == (len(names) > 3)
    assert "class-unknown" not in {problem.kind for problem in doctor(tmp_path).problems}


def test_folders_called_folds_without_classes_are_classes(tmp_path, class_folders):
    class_folders(tmp_path, fold1=4, fold2=4)
    assert open_folders(tmp_path).classes == ("fold1", "fold2")


@pytest.mark.parametrize("last", [3, 2])
def test_a_class_folder_of_a_fold_that_is_misspelt_is_named(tmp_path, class_folders, last):
    for i in range(1, last):
        class_folders(tmp_path / f"fold{i}", cat=3, dog=3)
    class_folders(tmp_path / f"fold{last}", cat=3, dgo=3)
    said = f"the class 'dgo' is in fold{last}/ alone; did you mean 'dog'?"
    data = open_folders(tmp_path)
    assert data.classes == ("cat", "dgo", "dog")
    assert said in data.notes
    problems = {problem.message: problem for problem in doctor(tmp_path).problems}
    assert (problems[said].kind, problems[said].severity) == ("class-unknown", "warning")
    assert problems[said].files == (str(tmp_path / f"fold{last}" / "dgo"),)


def test_folds_that_have_no_class_in_common_are_none(tmp_path, class_folders):
    class_folders(tmp_path / "fold1", cat=1, dog=1, owl=1)
    class_folders(tmp_path / "fold2", cat=1, fox=1, ant=1)
    assert open_folders(tmp_path).classes == ("fold1", "fold2")
