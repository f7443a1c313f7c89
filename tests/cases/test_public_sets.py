"""Layouts of well-known public sets, rebuilt small: what the table in docs/data.md says of each is what happens."""

import re
import shlex
from pathlib import Path

import pytest
from test_layouts import blob, build, coco, photo

from striate.datasets import open_data
from striate.errors import DataError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
N = "{0..4}"
USAGES = ("Training", "PublicTest", "PrivateTest")


def rows_of(name, header, row, n=10):
    """A file of a header and *n* rows."""
    return f"{name} << " + "".join(f"{line}\n" for line in filter(None, [header, *map(row, range(n))]))


def pixels(i):
    return " ".join(str((i * 7 + k) % 256) for k in range(64))


SETS = {  # the files of each; `*.png < a, b` writes a mask of the values a, b, `*.txt << text` a text
    "Dogs vs. Cats (Kaggle)": [f"train/cat.{N}.jpg", f"train/dog.{N}.jpg", "test1/{1..4}.jpg"],
    "Cats and Dogs (Microsoft)": [f"PetImages/Cat/{N}.jpg", f"PetImages/Dog/{N}.jpg"],
    "Intel image classification": [
        f"seg_{s}/seg_{s}/{c}/{s}{N}.jpg" for s in ("train", "test") for c in ("forest", "sea")
    ] + [f"seg_pred/seg_pred/{N}.jpg"],
    "Chest X-ray": [
        f"chest_xray/{s}/{c}/{s}{N}.jpeg" for s in ("train", "val", "test") for c in ("NORMAL", "PNEUMONIA")
    ] + ["__MACOSX/chest_xray/._a.jpeg"],
    "PlantVillage": [f"PlantVillage/{c}/{c}{N}.JPG" for c in ("Potato___healthy", "Tomato_Bacterial_spot")],
    "Oxford-IIIT Pet": [f"images/{c}_{N}.jpg" for c in ("Abyssinian", "great_pyrenees")] + [
        f"annotations/trimaps/{c}_{i}.png < 2, 1, 3" for c in ("Abyssinian", "great_pyrenees") for i in range(5)
    ],
    "Flowers recognition (Kaggle)": [f"flowers/{c}/{N}_n.jpg" for c in ("daisy", "rose", "tulip")],
    "CUB-200-2011": [f"CUB_200_2011/images/{c}/{N}.jpg" for c in ("001.Albatross", "002.Auklet")] + [
        "CUB_200_2011/parts/parts.txt", "CUB_200_2011/attributes/certainties.txt",
    ],
    "ISIC 2018": [f"ISIC2018_Task1-2_Training_Input/ISIC_{i}.jpg" for i in range(10, 16)] + [
        f"ISIC2018_Task1_Training_GroundTruth/ISIC_{i}_segmentation.png < 0, 255" for i in range(10, 16)
    ],
    "Carvana": [f"train/car{i}_01.jpg" for i in range(5)] + [
        f"train_masks/car{i}_01_mask.gif < 0, 1" for i in range(5)
    ] + ["test/{6..8}_01.jpg"],
    "CamVid (SegNet)": [f"{s}/{i}.png" for s in ("train", "val", "test") for i in range(4)] + [
        f"{s}annot/{i}.png < 0, 1, 2" for s in ("train", "val", "test") for i in range(4)
    ],
    "CamVid (Kaggle)": [f"{s}/{i}.png" for s in ("train", "val", "test") for i in range(4)] + [
        f"{s}_labels/{i}_L.png < 0, 1, 2" for s in ("train", "val", "test") for i in range(4)
    ],
    "Pascal VOC": [f"VOCdevkit/VOC2012/JPEGImages/2007_{i:03}.jpg" for i in range(6)] + [
        f"VOCdevkit/VOC2012/SegmentationClass/2007_{i:03}.png < 0, 1, 2" for i in range(6)
    ],
    "COCO": [f"{s}2017/{s}{i}.jpg" for s in ("train", "val") for i in range(4)] + ["coco"],
    "Kvasir-SEG": [f"Kvasir-SEG/images/{i}.jpg" for i in range(5)] + [
        f"Kvasir-SEG/masks/{i}.png < 0, 255" for i in range(5)
    ],
    "ADE20K": [f"ADEChallengeData2016/images/{s}/{s}_{i}.jpg" for s in ("training", "validation") for i in range(4)] + [
        f"ADEChallengeData2016/annotations/{s}/{s}_{i}.png < 0, 1, 2"
        for s in ("training", "validation") for i in range(4)
    ],
    "BUSI (breast ultrasound)": [
        f"Dataset_BUSI_with_GT/{c}/{c} ({i}).png" for c in ("benign", "malignant") for i in range(5)
    ] + [
        f"Dataset_BUSI_with_GT/{c}/{c} ({i})_mask.png < 0, 255" for c in ("benign", "malignant") for i in range(5)
    ],
    "COVID-19 Radiography": [f"COVID-19/{c}/images/{c}-{i}.png" for c in ("COVID", "Normal") for i in range(5)] + [
        f"COVID-19/{c}/masks/{c}-{i}.png < 0, 255" for c in ("COVID", "Normal") for i in range(5)
    ],
    "FER-2013 (folders)": [f"{s}/{c}/{s}{N}.jpg" for s in ("train", "test") for c in ("angry", "happy", "sad")],
    "Fruits-360": [
        f"fruits-360/{s}/{c}/{s}{N}_100.jpg" for s in ("Training", "Test") for c in ("Apple Braeburn", "Banana")
    ] + ["fruits-360/test-multiple_fruits/{1..2}.jpg"],
    "ASL alphabet": [f"asl_alphabet_train/asl_alphabet_train/{c}/{c}{N}.jpg" for c in "AB"] + [
        f"asl_alphabet_test/asl_alphabet_test/{c}_test.jpg" for c in "AB"
    ],
    "UTKFace": [f"UTKFace/{age}_0_1_2017{N}.jpg.chip.jpg" for age in (25, 31)],
    "Caltech-101": [f"caltech-101/101_ObjectCategories/{c}/image_{N}.jpg" for c in ("ant", "lotus")] + [
        "caltech-101/Annotations/ant/annotation_0001.mat",
    ],
    "EuroSAT": [f"2750/{c}/{c}_{N}.jpg" for c in ("AnnualCrop", "Forest", "River")],
    "Stanford Dogs": [f"images/Images/{c}/{c}_{N}.jpg" for c in ("n1-Chihuahua", "n2-Pug")] + [
        "annotations/Annotation/n1-Chihuahua/n1_0",
    ],
    "Food-101": [f"food-101/images/{c}/{N}.jpg" for c in ("apple_pie", "waffles")] + ["food-101/meta/classes.txt"],
    "Tiny ImageNet": [f"tiny-imagenet-200/train/{c}/images/{c}_{N}.JPEG" for c in ("n014", "n017")] + [
        f"tiny-imagenet-200/val/images/val_{N}.JPEG", f"tiny-imagenet-200/test/images/test_{N}.JPEG",
    ],
    "Imagenette": [f"imagenette2-160/{s}/{c}/{s}{N}.JPEG" for s in ("train", "val") for c in ("n0144", "n0210")],
    "Brain tumor MRI": [f"{s}/{c}/{s}{N}.jpg" for s in ("Training", "Testing") for c in ("glioma", "notumor")],
    "UC Merced land use": [f"UCMerced_LandUse/Images/{c}/{c}{N}.tif" for c in ("beach", "river")],
    "Malaria cells": [
        f"cell_images/{inner}{c}/{c}{N}.png" for inner in ("", "cell_images/") for c in ("Parasitized", "Uninfected")
    ],
    "Rock paper scissors": [f"{s}/{c}/{s}{N}.png" for s in ("rps", "rps-test-set") for c in ("paper", "rock")],
    "Multi-class weather": [f"dataset2/{c}{N}.jpg" for c in ("cloudy", "rain", "shine")],
    "MNIST as JPEG (Kaggle)": [f"trainingSet/trainingSet/{c}/img_{N}.jpg" for c in "0123"] + [
        f"testSet/testSet/img_{N}.jpg",
    ],
    "LFW": [f"lfw/{c}/{c}_000{N}.jpg" for c in ("Ann_Veneman", "Bo_Derek")],
    "Horses or humans": [f"{s}/{c}/{s}{N}.png" for s in ("train", "validation") for c in ("horses", "humans")],
    "Concrete cracks": [f"{c}/0000{N}.jpg" for c in ("Negative", "Positive")],
    "Sign language digits": [f"Dataset/{c}/IMG_{N}.JPG" for c in range(3)],
    "hymenoptera (PyTorch tutorial)": [
        f"hymenoptera_data/{s}/{c}/{s}{N}.jpg" for s in ("train", "val") for c in ("ants", "bees")
    ],
    "Data Science Bowl 2018": [
        f"stage1_train/{i}a7f{i}/images/{i}a7f{i}.png" for i in range(5)
    ] + [
        f"stage1_train/{i}a7f{i}/masks/{i}{k}c1.png < 0, 255" for i in range(5) for k in range(2)
    ] + ["stage1_test/b00/images/b00.png", "stage1_test/b01/images/b01.png"],
    "Cityscapes": [
        f"leftImg8bit/{s}/{c}/{c}_{i:06}_000019_leftImg8bit.png"
        for s, c in (("train", "aachen"), ("val", "ulm")) for i in range(4)
    ] + [
        f"gtFine/{s}/{c}/{c}_{i:06}_000019_gtFine_{kind}.png < {values}"
        for s, c in (("train", "aachen"), ("val", "ulm")) for i in range(4)
        for kind, values in (("labelIds", "0, 7, 11"), ("instanceIds", "0, 7, 12"), ("color", "0, 90"))
    ],
    "DRIVE": [f"training/images/{i}_training.tif" for i in range(21, 26)] + [
        f"training/1st_manual/{i}_manual1.gif < 0, 255" for i in range(21, 26)
    ] + [f"training/mask/{i}_training_mask.gif < 0, 255" for i in range(21, 26)] + ["test/images/{1..3}_test.tif"] + [
        f"test/mask/{i}_test_mask.gif < 0, 255" for i in range(1, 4)
    ],
    "KITTI (semantics)": [f"training/image_2/{i:06}_10.png" for i in range(5)] + [
        f"training/semantic/{i:06}_10.png < 0, 7, 11" for i in range(5)
    ] + [f"training/instance/{i:06}_10.png < 0, 7, 12" for i in range(5)] + ["testing/image_2/{10..12}_10.png"],
    "COCO as YOLO's texts": [f"images/{s}2017/{s}{i}.jpg" for s in ("train", "val") for i in range(4)] + [
        f"labels/{s}2017/{s}{i}.txt << {i % 2} 0.5 0.5 0.2 0.2\n0 0.2 0.2 0.1 0.1" for s in ("train", "val")
        for i in range(4)
    ],
    "YOLO segmentation": [f"{s}/images/{s}{i}.jpg" for s in ("train", "valid") for i in range(4)] + [
        f"{s}/labels/{s}{i}.txt << {i % 2} 0.1 0.1 0.6 0.1 0.6 0.6 0.1 0.6"
        for s in ("train", "valid") for i in range(4)
    ] + ["data.yaml << names: ['crack', 'dent']"],
    "Pascal VOC (detection)": [f"JPEGImages/{i:06}.jpg" for i in range(6)] + [
        f"Annotations/{i:06}.xml << <annotation><object><name>{'cow' if i % 2 else 'bus'}</name></object></annotation>"
        for i in range(6)
    ],
    "GTSRB": [f"Train/{i % 3}/{i}.png" for i in range(15)] + [
        rows_of("Train.csv", "Width,Roi.X1,ClassId,Path", lambda i: f"3{i},{i},{i % 3},Train/{i % 3}/{i}.png", 15),
    ],
    "Dog breeds (Kaggle)": [f"train/{i}ab.jpg" for i in range(10)] + [
        rows_of("labels.csv", "id,breed", lambda i: f"{i}ab,{'pug' if i % 2 else 'beagle'}"),
    ],
    "Planet (Amazon)": [f"train-jpg/train_{i}.jpg" for i in range(10)] + [
        rows_of("train_v2.csv", "image_name,tags", lambda i: f"train_{i},{'haze primary' if i % 2 else 'primary'}"),
    ],
    "CelebA (attributes)": [f"img_align_celeba/{i:06}.jpg" for i in range(10)] + [
        rows_of("list_attr_celeba.csv", "image_id,Bald,Smiling", lambda i: f"{i:06}.jpg,{i % 2},{i % 3 // 2}"),
    ],
    "APTOS 2019": [f"train_images/{i}f.png" for i in range(10)] + [
        rows_of("train.csv", "id_code,diagnosis", lambda i: f"{i}f,{i % 2}"),
    ],
    "IMDb": [
        f"aclImdb/{s}/{c}/{i}_{i}.txt << a film of {i} {c} stars and more"
        for s in ("train", "test") for c in ("neg", "pos") for i in range(5)
    ],
    "AG News": [
        rows_of(f"{s}.csv", "Class Index,Title,Description", lambda i: f"{i % 2 + 1},News {i},about {i} things")
        for s in ("train", "test")
    ],
    "SMS spam (UCI)": [
        rows_of("SMSSpamCollection", "", lambda i: f"{'spam' if i % 2 else 'ham'}\tcall {i} of us now or later"),
    ],
    "Toxic comments": [
        rows_of("train.csv", "id,comment_text,toxic,obscene", lambda i: f"{i},what {i} words are,{i % 2},{i % 3 // 2}"),
    ],
    "ECG5000": [
        rows_of(f"ECG5000_{s}.txt", "", lambda i: " ".join(map(str, [i % 2 + 1, *(i * k % 7 / 8 for k in range(20))])))
        for s in ("TRAIN", "TEST")
    ],
    "MNIST as CSV": [
        rows_of(f"mnist_{s}.csv", ",".join(["label", *(f"{r}x{c}" for r in range(1, 9) for c in range(1, 9))]),
                lambda i: ",".join(map(str, [i % 2, *((i * 31 + k) % 256 for k in range(64))])))
        for s in ("train", "test")
    ],
    "FER-2013 (CSV)": [
        rows_of("fer2013.csv", "emotion,pixels,Usage", lambda i: f"{i % 2},{pixels(i)},{USAGES[i % 3]}", 18),
    ],
    "Roboflow (folders)": [f"{s}/{c}/{s}{N}_jpg.rf.1a.jpg" for s in ("train", "valid", "test") for c in ("ng", "ok")],
}  # fmt: skip


def rebuilt(root, files):
    for name in files:
        path, _, text = name.partition(" << ")
        path, _, values = path.partition(" < ")
        if text:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        elif values:
            blob(root / path, tuple(map(int, values.split(","))), seed=len(path))
        elif name == "coco":
            for split in ("train", "val"):
                coco(root / f"annotations/instances_{split}2017.json", [f"{split}{i}.jpg" for i in range(4)])
        elif not Path(path).suffix or Path(path).suffix in (".txt", ".mat"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("1 2 3\n")
        elif "/._" in path:
            photo(root / path, format="JPEG")
        else:
            build(root, path)


def made_of(root):
    """What striate makes of a folder, as a line of the table has it."""
    try:
        data = open_data(root)
    except DataError as error:
        text = str(error)
        options = re.findall(r"--task \w+|--classes-from '[^']*'", text)
        assert options, text
        again = [described(open_data(root, **as_keywords(option))) for option in options]
        return "; ".join(f"`{option}`: {line}" for option, line in zip(options, again, strict=True))
    return described(data)


def as_keywords(option):
    name, value = shlex.split(option)
    return {name.removeprefix("--").replace("-", "_"): value}


def described(data):
    splits = ", ".join(f"{len(part)} {name}" for name, part in data.parts.items())
    return f"{data.task}, {data.task.count(len(data.classes))} ({splits})"


def rows():
    table = PAGE.read_text(encoding="utf-8").partition("## Well-known sets\n")[2]
    lines = [line.strip("| \n").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {line[0]: line[-1] for line in lines[1:] if not line[0].startswith("--")}


def test_every_set_has_its_line():
    assert {*rows()} >= {*SETS}
    assert len(SETS) >= 40


@pytest.mark.parametrize("name", SETS)
def test_what_the_table_says_is_what_happens(tmp_path, name):
    rebuilt(tmp_path / "set", SETS[name])
    assert made_of(tmp_path / "set") == rows()[name]
